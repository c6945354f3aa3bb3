"""How faithful one method was over many clips, and the clips at both ends, as HTML."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from html import escape
from pathlib import Path

from core_models.clip import MODALITIES
from explain.attention.maps import NAMES
from explain.dataset.columns import Explanation, Row
from explain.dataset.statistics import Faith, Pictures
from explain.methods.registry import METHODS
from explain.render.dataset_parts import card, note, percent, signed, title
from explain.viewer.standalone import data_url

ORDERS = {
    "better than random": "good",
    "no better than random": "open",
    "cannot be told": "open",
    "worse than random": "bad",
}


def faithful(found: Faith, root: Path, pictures: Pictures) -> str:
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
    cases = _key(found, pictures) + (
        '<div class="fd-two">'
        f"<div><h4>Most faithful</h4>{_cases(found.most, root, pictures)}</div>"
        f"<div><h4>Least faithful</h4>{_cases(found.least, root, pictures)}</div></div>"
    )
    return card(
        f"Can it be trusted? {name}",
        f'<div class="fd-stack">{bar}</div><p style="margin-top:8px">Deleting and inserting tokens '
        f"in the order of the map is {words} of {total} clips.</p>"
        + note("; ".join(x for x in more if x) + ".")
        + (cases if found.most else ""),
    )


def _key(found: Faith, pictures: Pictures) -> str:
    """How to read the pictures, where there are any."""
    if not any(isinstance(pictures.get((row.id, x.method)), bytes) for row, x in found.cases):
        return ""
    about = next((m.about for m in METHODS if m.name == found.method), "")
    return note(
        "In the pictures the colours are scores, on one scale over frames, sound and words; what "
        f"would be too weak to be seen is drawn so many times as strong. {escape(about)}"
    )


def _cases(cases: Sequence[tuple[Row, Explanation]], root: Path, pictures: Pictures) -> str:
    lines = "".join(
        f'<tr class="fd-case"><td class="fd-file">{escape(row.file)}<br>'
        f"<small>{escape(_answered(row))}</small></td>"
        f'<td class="fc-num">{_effect(x)}</td>'
        f'<td class="fc-num">{(x.p or 0):.3f}</td></tr>'
        f'<tr><td colspan="3">{_picture(row, x, pictures.get((row.id, x.method), b""))}'
        f"<details><summary>look closer</summary><code>{escape(command(row, x, root))}</code>"
        "</details></td></tr>"
        for row, x in cases
    )
    return (
        '<table class="fc-table"><tr><th>clip</th><th class="fc-num">effect</th>'
        f'<th class="fc-num">p</th></tr>{lines}</table>'
    )


def _effect(found: Explanation) -> str:
    return f"{found.effect or 0:+.1f}".replace("-", "−")


def _picture(row: Row, found: Explanation, picture: bytes | str) -> str:
    """The map, or why it cannot be shown; nothing while it is not drawn."""
    if isinstance(picture, str):
        return note(f"There is no picture. {escape(picture)}")
    if not picture:
        return ""
    shares = {NAMES[m]: getattr(found, m) for m in MODALITIES}
    told = ", ".join(f"{name} {x:.0%}" for name, x in shares.items() if x is not None)
    said = f"{title(found.method)} on {row.file}, target {found.target}; of all scores: {told}."
    return f'<img class="fd-map" alt="{escape(said)}" src="{data_url(picture, "image/jpeg")}">'


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
