"""Many clips as HTML: a card for each thing that they say together."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from core_models.clip import MODALITIES
from explain.attention.maps import NAMES
from explain.dataset.statistics import (
    FEW,
    Group,
    Interplay,
    LayerStatistics,
    Pictures,
    Split,
    Summary,
)
from explain.render.dataset_cases import faithful
from explain.render.dataset_figures import ATOMS, said, spoken
from explain.render.dataset_parts import card, note, percent, signed, title

CSS = (Path(__file__).parent / "dataset_cards.css").read_text()
CATEGORIES, MOST, FILES = 60, 12, 50  # that are listed; notices; files of an error


def cards(found: Summary, root: Path, pictures: Pictures) -> str:
    """All cards that there is something for; pictures: of the cases."""
    made = (
        facts(found),
        contributions(found),
        together(found.splits, found.interplay),
        *(faithful(x, root, pictures) for x in found.faith),
        layers(found.layers),
        wrong(found),
    )
    return f'<div class="fs" style="display:grid;gap:14px">{"".join(made)}</div>'


def facts(found: Summary) -> str:
    rows, good = found.rows, found.good
    first = next(iter(good), None)
    told = [("clips", f"{len(rows)}"), ("could not be explained", f"{len(rows) - len(good)}")]
    if first is not None:
        told += [("model", first.model)]
        told += [("why", ", ".join(title(x.method) for x in first.explanations))]
    lines = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in told if v)
    if found.right is not None:
        low, high = found.right.interval
        lines += (
            f"<div><dt>named rightly</dt><dd>{found.right.share:.0%} <small>[{low:.0%}, "
            f"{high:.0%}], {found.right.count} of {found.right.of} with a label</small></dd></div>"
        )
    return card("", f'<dl class="fd-facts">{lines}</dl>')


def contributions(found: Summary) -> str:
    """A line for each category, all clips first."""
    if not found.whole.shares:
        return ""
    used = [m for m in MODALITIES if m in found.whole.shares]
    shown = (found.whole, *found.groups[:CATEGORIES])
    rest = len(found.groups) - len(shown) + 1
    more = f" {rest} rarer categories are left out here." if rest else ""
    head = "".join(f'<th class="fc-num fd-{m}">{NAMES[m]}</th>' for m in used)
    lines = "".join(_group(g, used, i == 0) for i, g in enumerate(shown))
    right = '<th class="fc-num">right</th>' if found.right else ""
    return card(
        f"What mattered, by {found.by}",
        f'<div class="fd-scroll"><table class="fc-table"><tr><th>{found.by}</th>'
        f'<th class="fc-num">clips</th>{right}<th></th>{head}</tr>{lines}</table></div>'
        + note(
            "The share of each modality in the sum of absolute Shapley values, exact over all "
            "combinations, of the answer's score: means over the clips that have it, from "
            f"{FEW} clips on ± half of the 95% interval. A share says how much a modality did, "
            f"not whether for or against.{more}"
        ),
    )


def _group(group: Group, used: Sequence[str], whole: bool) -> str:
    parts = {m: x.mean * x.clips for m, x in group.shares.items()}  # nothing where it is missing
    total = sum(parts.values()) or 1
    bar = "".join(
        f'<i class="fd-{m}" style="width:{parts[m] / total:.1%}"></i>' for m in used if m in parts
    )
    cells = "".join(f'<td class="fc-num">{percent(group.shares.get(m), group)}</td>' for m in used)
    right = ""
    if group.right is not None:
        right = f'<td class="fc-num">{group.right.share:.0%}</td>'
    return (
        f"<tr{' class=fd-whole' if whole else ''}><td>{escape(group.name)}</td>"
        f'<td class="fc-num">{group.clips}</td>{right}'
        f'<td class="fd-wide"><div class="fd-stack">{bar}</div></td>{cells}</tr>'
    )


def together(splits: Sequence[Split], interplay: Sequence[Interplay]) -> str:
    """What modalities say at once: over the set, then clip by clip."""
    if not (splits or interplay):
        return ""
    return card("Together", _splits(splits) + _interplay(interplay))


def _splits(splits: Sequence[Split]) -> str:
    if not splits:
        return note(
            "There is no partial information decomposition: it needs categories, and at least 10 "
            "clips that have the same two modalities."
        )
    lines = "".join(_split(x) for x in splits)
    few = any(x.measured.chance.total > x.measured.found.total / 2 for x in splits)
    warning = (
        "<p><b>There are too few clips for so many answers: chance alone gives more than half of "
        "these bits.</b></p>"
        if few
        else ""
    )
    return (
        '<div class="fd-scroll"><table class="fc-table"><tr><th>answers to</th><th>tell of</th>'
        '<th class="fc-num">clips</th><th></th>'
        + "".join(
            f'<th class="fc-num">{x}</th>' for x in ("redundant", "first", "second", "synergy")
        )
        + f'<th class="fc-num">at most</th></tr>{lines}</table></div>{warning}'
        + note(
            "Partial information decomposition over the clips, in bits: what the answer to the "
            "first combination alone and that to the second alone both tell of the answer to both "
            "together (or of the label), what only one tells, and what only both at once tell "
            "(synergy; Bertschinger et al. 2014). The small figures are what clips with shuffled "
            "targets give: chance. It is of answers, not of all that tokens hold."
        )
    )


def _split(split: Split) -> str:
    found, chance = split.measured.found, split.measured.chance
    kinds = dict(zip(ATOMS, ("redundant", _side(split.first), _side(split.second), "synergy"),
                     strict=True))  # fmt: skip
    total = max(found.total, 1e-9)
    bar = "".join(
        f'<i class="fd-{kinds[a]}" style="width:{max(0.0, getattr(found, a)) / total:.1%}"></i>'
        for a in ATOMS
    )
    cells = "".join(
        f'<td class="fc-num">{max(0.0, getattr(found, a)):.2f} '
        f"<small>{max(0.0, getattr(chance, a)):.2f}</small></td>"
        for a in ATOMS
    )
    first, second = said(split).split(" | ")
    target = "the answer to both" if split.of == "answer" else "the label"
    return (
        f"<tr><td>{first} <small>and</small> {second}</td><td>{target}</td>"
        f'<td class="fc-num">{split.measured.clips}</td>'
        f'<td><div class="fd-stack">{bar}</div></td>{cells}'
        f'<td class="fc-num">{split.measured.entropy:.2f}</td></tr>'
    )


def _side(side: str) -> str:
    return side if " + " not in side else "rest"


def _interplay(found: Sequence[Interplay]) -> str:
    if not found:
        return ""
    lines = "".join(
        f"<tr><td>{' and '.join(NAMES[m] for m in MODALITIES if m in x.members.split(' + '))}</td>"
        f'<td class="fc-num">{x.value.clips}</td><td class="fc-num">{signed(x.value)}</td>'
        f"<td>{', '.join(f'{kind} {n}' for kind, n in x.kinds.items())}</td></tr>"
        for x in found
    )
    return (
        '<table class="fc-table" style="margin-top:14px"><tr><th>clip by clip</th>'
        '<th class="fc-num">clips</th>'
        f'<th class="fc-num">interaction</th><th>clips of each kind</th></tr>{lines}</table>'
        + note("The mean Harsanyi dividend of the answer's score, ± half of the 95% interval.")
    )


def layers(found: Sequence[LayerStatistics]) -> str:
    """Every attention map over clips: where heads look, and what cutting does."""
    if not found:
        return ""
    lines = "".join(
        f'<tr><td>{spoken(x)}</td><td class="fc-num">{x.clips}</td><td>{_heads(x.focus)}</td>'
        f"<td>{_heads(x.share)}</td>"
        f'<td class="fc-num">{signed(x.cut, 3) if x.cut else ""}</td>'
        f'<td class="fc-num">{f"{x.moved.mean:.3f}" if x.moved else ""}</td></tr>'
        for x in found
    )
    return card(
        "Attention, by layer and head",
        '<div class="fd-scroll"><table class="fc-table"><tr><th>map</th><th class="fc-num">clips'
        "</th><th>focus of each head</th><th>share of the reader’s attention</th>"
        '<th class="fc-num">when cut</th><th class="fc-num">size</th></tr>'
        f"{lines}</table></div>"
        + note(
            "Focus: 0 is even, 1 (full colour) is one cell. When cut: the change of the answer's "
            "probability, ± half of the 95% interval; size: the mean without its sign. "
            "Attention says where the model looked, cutting what it needed."
        ),
    )


def _heads(values: Sequence[float]) -> str:
    cells = "".join(
        f'<i style="--v:{v:.3f}" title="head {i + 1}: {v:.2f}"></i>' for i, v in enumerate(values)
    )
    return f'<div class="fd-heads">{cells}</div>'


def wrong(found: Summary) -> str:
    """What could not be read, and what was assumed."""
    parts = []
    if found.errors:
        lines = "".join(_cause(why, files) for why, files in found.errors.items())
        parts.append(
            card("What could not be explained", f'<table class="fc-table">{lines}</table>')
        )
    if found.notices:
        shown = list(found.notices.items())[:MOST]
        lines = "".join(
            f'<tr><td class="fc-num">{n}</td><td>{escape(x)}</td></tr>' for x, n in shown
        )
        rest = len(found.notices) - len(shown)
        more = note(f"And {rest} other sentences, in the rows.") if rest else ""
        parts.append(card("What was assumed", f'<table class="fc-table">{lines}</table>{more}'))
    return "".join(parts)


def _cause(why: str, files: Sequence[str]) -> str:
    names = "<br>".join(escape(x) for x in files[:FILES])
    more = f"<br>and {len(files) - FILES} others" if len(files) > FILES else ""
    return (
        f'<tr><td class="fc-num">{len(files)}</td><td><details><summary class="fd-cause">'
        f"{escape(why)}</summary><small>{names}{more}</small></details></td></tr>"
    )
