"""What a run says, as files: one HTML page that asks nobody, figures, and a table."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from explain import viewer
from explain.dataset.columns import Row
from explain.dataset.files import put
from explain.dataset.listing import Listing
from explain.dataset.statistics import Pictures, Summary
from explain.export.tables import table
from explain.render.cards import CSS
from explain.render.dataset_cards import CSS as OWN
from explain.render.dataset_cards import cards
from explain.render.dataset_figures import dataset_figures
from explain.render.dataset_parts import asked, card
from explain.render.draw import drawn
from explain.viewer.standalone import STYLE, THEME

FLAT = ("file", "error", "answer", "probability", "right", "score", "change")
NONE: Pictures = {}


def write(found: Summary, clips: Listing, out: Path, pictures: Pictures) -> str:
    """report.html, rows.csv and figures/; returns what was written, for people."""
    show(found, clips, out, pictures)
    put(out / "rows.csv", flat(found))
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.*"):
        old.unlink()
    for name, figure in dataset_figures(found):
        for kind, content in drawn(figure).items():
            put(folder / f"{name}.{kind}", content)
    return "rows.parquet, rows.csv, report.html, figures/"


def show(found: Summary, clips: Listing, out: Path, pictures: Pictures) -> None:
    """report.html alone."""
    put(out / "report.html", page(found, clips, pictures).encode())


def page(found: Summary, clips: Listing, pictures: Pictures = NONE) -> str:
    """The document; pictures: of the cases."""
    title = escape(f"{len(found.rows)} clips of {clips.name} · FusionScope")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{STYLE}{viewer.css()}{CSS}{OWN}</style>
</head>
<body>
<main>
<header><h1>{title}</h1><button id="theme" type="button">Dark</button></header>
{cards(found, clips.root, pictures)}
<div class="fs">{made(found, clips)}</div>
</main>
<script>{THEME}</script>
</body>
</html>
"""


def made(found: Summary, clips: Listing) -> str:
    """What is needed to do it again."""
    first = next(iter(found.rows), None)
    if first is None:
        return ""
    told: dict[str, Any] = {"clips": f"{clips.name}, {len(clips.entries)} of them"}
    if clips.repeated:
        told["clips"] += f"; {clips.repeated} lines that repeat another were left out"
    given = json.loads(first.arguments)
    told["methods"] = " · ".join(
        f"{name}, target {target}{''.join(f', {k} {v}' for k, v in settings.items())}"
        for name, target, settings in given.pop("asked")
    )
    told["decoding"] = ", ".join(f"{k} {v}" for k, v in given.pop("decoding").items())
    told["present"] = ", ".join(given.pop("present"))
    told |= {k: v for k, v in given.items() if v not in (None, "")}
    versions = {row.versions for row in found.rows}
    told["versions"] = " and ".join(
        ", ".join(f"{k} {v}" for k, v in json.loads(x).items()) for x in sorted(versions)
    )
    told["weights"] = ", ".join(f"{k} {v[:12]}…" for k, v in json.loads(first.weights).items())
    lines = "".join(asked(told))
    return card("How this was made", f'<dl class="fc-facts">{lines}</dl>')


def flat(found: Summary) -> bytes:
    """One line a clip, for a spreadsheet; all that is nested stands in rows.parquet."""
    return table((*FLAT, "label", "video", "audio", "text"), map(_line, found.rows))


def _line(row: Row) -> list[Any]:
    share = {part.modality: part.share for part in row.parts}
    label = "|".join(row.labels)
    return [
        *(getattr(row, name) for name in FLAT),
        label,
        *(share.get(m) for m in ("video", "audio", "text")),
    ]
