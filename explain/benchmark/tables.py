"""The results in words and tables: Markdown for people, CSV for programs."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import fields

from explain.benchmark.baselines import BASELINES
from explain.benchmark.rows import Row
from explain.benchmark.summary import Cell, Key, believe

NOBODY = tuple(method.name for method in BASELINES)
BELIEVED = ("truth", "inside")  # measure and metric by which a method is believed
OF_MODELS = ("answer", "tokens")  # measures that take no method
SITS = (
    "The part of the score that stays when the tokens at the evidence go, when of their modality "
    "they alone stay, and when all of it goes. Where nothing is lost without them but much without "
    "all, the towers have spread the evidence, and a map of tokens cannot be judged by their place."
)
SAID = {
    "video": "picture",
    "audio": "sound",
    "text": "text",
    "all": "all at once",
}


def as_csv(cells: Sequence[Cell]) -> str:
    """One line per key and method."""
    out = io.StringIO()
    names = [f.name for f in fields(Cell)][1:]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*Key._fields, *names])
    for c in cells:
        writer.writerow([*c.key, *(_plain(getattr(c, name)) for name in names)])
    return out.getvalue()


def _plain(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return value


def as_markdown(cells: Sequence[Cell], rows: Sequence[Row], seed: int = 0) -> str:
    """Who is to be believed, then every table."""
    keys = list(dict.fromkeys(c.key for c in cells))
    parts = ["## Which method to believe", believed(cells, rows, keys, seed), "## How often right"]
    parts += [answers(cells), *places(cells), *beside(cells)]
    for model in dict.fromkeys(key.model for key in keys):
        mine = [key for key in keys if key.model == model and key.measure not in OF_MODELS]
        if mine:
            parts += [f"## {model}", *(table(cells, group) for group in _groups(mine))]
    return "\n\n".join(parts) + "\n"


def believed(cells: Sequence[Cell], rows: Iterable[Row], keys: Sequence[Key], seed: int) -> str:
    """For each model and modality the method that finds most of the evidence."""
    lines, rows = [], list(rows)
    for key in keys:
        if (key.measure, key.metric) != BELIEVED:
            continue
        if (found := believe(cells, rows, key, NOBODY, seed)) is None:
            continue
        best = found.best
        beaten = [
            c.method
            for c in cells
            if c.key == key and c.method in NOBODY[1:] and c.mean >= best.low
        ]
        word = "yes" if best.beats else "no"
        other = next(
            (share(c) for c in cells if c.key == elsewhere(key) and c.method == best.method), "–"
        )
        but = f", but not than {', '.join(beaten)}" if beaten else ""
        lines.append(
            (
                key.model,
                f"{SAID.get(key.modality, key.modality)}, {key.aim}",
                best.method,
                share(best),
                times(best),
                other,
                f"{word}{but}",
                ", ".join(found.tied) or "none",
            )
        )
    head = (
        "model", "modality, question", "best method", "inside the evidence", "in units of chance",
        "inside that of other clips", "better than chance", "as good, as far as can be told",
    )  # fmt: skip
    return markdown(head, lines) if lines else "Nothing was measured against a truth."


def elsewhere(key: Key) -> Key:
    """The same map laid on the evidence of other clips: what their likeness alone gives."""
    return key._replace(metric=f"{key.metric}, other clips")


def answers(cells: Sequence[Cell]) -> str:
    """How many clips each model answered rightly: only those are measured."""
    lines = [
        (c.key.model, c.key.aim, f"{c.mean:.1%} [{c.low:.1%}, {c.high:.1%}]", str(c.clips))
        for c in cells
        if c.key.measure == "answer"
    ]
    return markdown(("model", "question", "right", "clips"), lines)


def places(cells: Sequence[Cell]) -> list[str]:
    """Whether the towers left the evidence in the tokens of its place."""
    lines: dict[tuple[str, str], list[str]] = {}
    for c in (c for c in cells if c.key.measure == "tokens"):
        what = f"{SAID.get(c.key.modality, c.key.modality)}, {c.key.aim}"
        lines.setdefault((c.key.model, what), [str(c.clips)]).append(share(c))
    if not lines:
        return []
    head = (
        "model",
        "modality, question",
        "clips",
        "without its tokens",
        "with them alone",
        "with none",
    )
    rows = [(*key, *line) for key, line in lines.items()]
    return ["## Where the evidence sits among the tokens", SITS, markdown(head, rows)]


def beside(cells: Sequence[Cell]) -> list[str]:
    """Models × methods by what they are believed, for each question that several models got."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for c in cells:
        if (c.key.measure, c.key.metric) == BELIEVED:
            groups.setdefault((c.key.aim, c.key.modality), []).append(c)
    out = []
    for (aim, modality), here in groups.items():
        models = list(dict.fromkeys(c.key.model for c in here))
        if len(models) < 2:
            continue
        found = {(c.method, c.key.model): c for c in here}
        lines = [
            (method, *(_cell(found.get((method, model))) for model in models))
            for method in dict.fromkeys(c.method for c in here)
        ]
        title = f"**{BELIEVED[1]}** · {aim} · {SAID.get(modality, modality)}"
        out.append(f"{title}\n\n" + markdown(("method", *models), lines))
    return ["## Models side by side", *out] if out else []


def table(cells: Sequence[Cell], keys: Sequence[Key]) -> str:
    """Methods × metrics of one measure, question and modality."""
    first = keys[0]
    here = [c for c in cells if c.key in keys]
    lines = []
    for method in dict.fromkeys(c.method for c in here):
        mine = {c.key: c for c in here if c.method == method}
        clips = max(c.clips for c in mine.values())
        lines.append((method, str(clips), *(_cell(mine.get(key)) for key in keys)))
    modality = SAID.get(first.modality, first.modality)
    title = f"**{first.measure}** · {first.aim} · {modality}"
    return f"{title}\n\n" + markdown(("method", "clips", *(key.metric for key in keys)), lines)


def _cell(c: Cell | None) -> str:
    if c is None:
        return "–"
    bold = "**" if c.beats and c.method not in NOBODY else ""
    against = "" if math.isnan(c.chance) else f" / {round(c.chance, 6):.2g}"
    return f"{bold}{c.mean:.3g}{bold} [{c.low:.3g}, {c.high:.3g}]{against}"


def share(c: Cell) -> str:
    return f"{c.mean:.1%} [{c.low:.1%}, {c.high:.1%}]"


def times(c: Cell) -> str:
    if math.isnan(c.ratio):
        return "–"
    return f"{c.ratio:.2g} [{c.ratio_low:.2g}, {c.ratio_high:.2g}]"


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A table."""
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _groups(keys: Sequence[Key]) -> list[list[Key]]:
    """Keys that share measure, question and modality, in their order."""
    out: dict[tuple[str, str, str], list[Key]] = {}
    for key in keys:
        out.setdefault((key.measure, key.aim, key.modality), []).append(key)
    return list(out.values())
