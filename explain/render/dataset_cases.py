"""How faithful one method was over many clips, and the clips at both ends, as HTML."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from html import escape
from pathlib import Path

from core_models.clip import MODALITIES
from explain.dataset.columns import Explanation, Row
from explain.dataset.statistics import Faith
from explain.render.dataset_parts import card, note, percent, signed, title

ORDERS = {
    "better than random": "good",
    "no better than random": "open",
    "cannot be told": "open",
    "worse than random": "bad",
}


def faithful(found: Faith, root: Path) -> str:
    """How often one method's order was better than random, and the cases at both ends."""
    name = escape(title(found.method))
    if not found.orders:
        return ""
    total = sum(found.orders.values())
    bar = "".join(
        f'<i class="fd-{mark}" style="width:{found.orders[kind] / total:.1%}"></i>'
        for kind, mark in ORDERS.items()
        if kind in found.orders
    )
    words = ", ".join(f"{escape(kind)} in {n}" for kind, n in found.orders.items())
    more = [f"effect {signed(found.effect)} standard deviations of random orders" if found.effect
            else "", f"completeness missed by {percent(found.missed)}" if found.missed else "",
            f"infidelity {found.infidelity.mean:.2f}" if found.infidelity else ""]  # fmt: skip
    cases = (
        '<div class="fd-two">'
        f"<div><h4>Most faithful</h4>{_cases(found.most, root)}</div>"
        f"<div><h4>Least faithful</h4>{_cases(found.least, root)}</div></div>"
    )
    return card(
        f"Can it be trusted? {name}",
        f'<div class="fd-stack">{bar}</div><p style="margin-top:8px">Deleting and inserting tokens '
        f"in the order of the map is {words} of {total} clips.</p>"
        + note("; ".join(x for x in more if x) + ".")
        + (cases if found.most else ""),
    )


def _cases(cases: Sequence[tuple[Row, Explanation]], root: Path) -> str:
    lines = "".join(
        f'<tr><td class="fd-file">{escape(row.file)}<br><small>{escape(_answered(row))}</small>'
        f"<details><summary>look at it</summary><code>{escape(command(row, x, root))}</code>"
        f'</details></td><td class="fc-num">{(x.effect or 0):+.1f}</td>'
        f'<td class="fc-num">{(x.p or 0):.3f}</td></tr>'
        for row, x in cases
    )
    return (
        '<table class="fc-table"><tr><th>clip</th><th class="fc-num">effect</th>'
        f'<th class="fc-num">p</th></tr>{lines}</table>'
    )


def command(row: Row, found: Explanation, root: Path) -> str:
    """What shows one clip by itself, asked as it was."""
    given = json.loads(row.arguments)
    parts = ["python", "-m", "explain", str(root / row.file), "--model", row.model]
    parts += ["--method", found.method, "--target", found.target]
    for name, _, settings in given.get("asked", ()):
        if name == found.method:
            parts += [x for k, v in settings.items() for x in ("--set", f"{k}={v}")]
    present = given.get("present", MODALITIES)
    parts += [x for m in MODALITIES if m not in present for x in ("--without", m)]
    for name in ("frames", "start", "length", "captioned_by"):
        if given.get(name):
            parts += [f"--{name.replace('_', '-')}", str(given[name])]
    if row.text and not given.get("captioned_by"):
        parts += ["--text", row.text]
    return shlex.join([*parts, "--out", f"explained/{Path(row.file).stem}"])


def _answered(row: Row) -> str:
    label = f", labelled {' or '.join(row.labels)}" if row.labels else ""
    return f"{row.answer} ({row.probability or 0:.2f}){label}"
