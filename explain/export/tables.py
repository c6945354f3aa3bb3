"""A run as tables that a spreadsheet opens: CSV, in which no name can act as a formula."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO

import numpy as np

from core_models.clip import Clip, Modality
from core_models.layout import FrameGrid, TimeGrid, WordGrid
from explain.analysis import Analysis
from explain.attribution import Attribution
from explain.export.arrays import cells, places
from explain.modality.report import ModalityReport

ACTS = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is computed when it is opened
PLACES = (
    "modality", "start_s", "end_s", "left_px", "top_px", "right_px", "bottom_px", "low_hz",
    "high_hz", "word", "score",
)  # fmt: skip
Cell = str | float | int | None
Row = dict[str, Cell]


def predictions(analysis: Analysis) -> bytes:
    """Every label, the most probable first, and what each pair voted; or the caption's words."""
    said = analysis.caption
    if said is not None:
        words = [(i + 1, w.text, w.probability) for i, w in enumerate(said.words)]
        return table(("position", "word", "probability"), words)
    order = np.argsort(-analysis.probabilities, kind="stable")
    votes = analysis.votes
    rows = (
        [rank + 1, analysis.model.labels[i], float(analysis.probabilities[i])]
        + [float(vote[i]) for vote in votes.values()]
        for rank, i in enumerate(order)
    )
    return table(("rank", "label", "probability", *votes), rows)


def attribution(found: Attribution, clip: Clip) -> bytes:
    """One row per cell: where it lies and its score. A frame is at one moment: it ends there."""
    rows = (row | {"modality": m} for m in found.scores for row in _cells(found, m, clip))
    return table(PLACES, ([row.get(name) for name in PLACES] for row in rows))


def modalities(report: ModalityReport) -> bytes:
    """One row per combination of modalities, then what each did, and what several did together."""
    found = report.coalitions
    rows: list[list[Cell]] = [
        ["combination", " + ".join(members), float(score), float(chance)]
        for members, score, chance in zip(found.members, report.scores, report.chances, strict=True)
    ]
    rows += [["shapley value", m, value, None] for m, value in report.values.items()]
    rows += [["interaction", " + ".join(x.members), x.value, None] for x in report.interactions]
    return table(("what", "modalities", "score", "probability"), rows)


def table(head: Iterable[str], rows: Iterable[Iterable[Cell]]) -> bytes:
    """UTF-8, with a line of names first; None is an empty cell."""
    out = StringIO()
    writer = csv.writer(out)  # RFC 4180
    writer.writerow([safe(name) for name in head])
    writer.writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def safe(cell: Cell) -> Cell:
    """Numbers as they are; a text that a spreadsheet would compute gets an apostrophe in front."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(ACTS) else cell


def _cells(found: Attribution, m: Modality, clip: Clip) -> Iterator[Row]:
    grid, scores = found.grids[m], cells(found, m)
    at = {name: axis.tolist() for name, axis in places(grid, clip).items()}
    if isinstance(grid, FrameGrid):
        x, y = at["x"], at["y"]
        for (t, i, j), score in np.ndenumerate(scores):
            box = {"left_px": x[j], "top_px": y[i], "right_px": x[j + 1], "bottom_px": y[i + 1]}
            time = at["times"][t]
            yield {"start_s": time, "end_s": time, **box, "score": float(score)}
    elif isinstance(grid, TimeGrid):
        edges, hertz = at["edges"], at.get("hertz")
        for place, score in np.ndenumerate(scores):
            row: Row = {"start_s": edges[place[0]], "end_s": edges[place[0] + 1]}
            if hertz is not None:
                row |= {"low_hz": hertz[place[1]], "high_hz": hertz[place[1] + 1]}
            yield row | {"score": float(score)}
    elif isinstance(grid, WordGrid):
        for word, score in zip(grid.words, scores.tolist(), strict=True):
            yield {"start_s": word.start, "end_s": word.end, "word": word.text, "score": score}
