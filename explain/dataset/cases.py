"""What the maps of the cases look like: these few clips are explained once more, and drawn."""

from __future__ import annotations

from functools import lru_cache
from math import isclose
from pathlib import Path
from threading import Event

import torch

import explain.render.figures  # noqa: F401  (sets the style)
from core_models.interface import Model
from core_models.registry import load
from explain.analysis import Analysis
from explain.attribution import Attribution
from explain.cli.asking import attributions
from explain.dataset.columns import Explanation, Row
from explain.dataset.files import put
from explain.dataset.job import Job, look, read, said, threads
from explain.dataset.listing import DatasetError, Listing
from explain.dataset.progress import Line
from explain.dataset.rows import explanation, sure
from explain.dataset.statistics import Pictures, Summary
from explain.render.attribution_figures import CARD, attribution_figure
from explain.render.draw import drawn

FOLDER = "cases"
DPI = 150  # of what a report carries inside
NEAR = 1e-3  # what a share or a probability may differ, by another processor


def cases(found: Summary) -> list[tuple[Row, Explanation]]:
    """Those of all methods; what is of one clip follows on itself."""
    every = (case for faith in found.faith for case in faith.cases)
    return sorted(every, key=lambda case: (case[0].file, case[0].id))


def place(out: Path, row: Row, why: Explanation) -> Path:
    """Of the picture of a case; another one where the file has changed since."""
    return out / FOLDER / f"{row.id}.{(row.clip or '')[:12]}.{why.method}.jpg"


def kept(found: Summary, out: Path) -> Pictures:
    """The pictures that are there already."""
    places = {(row.id, why.method): place(out, row, why) for row, why in cases(found)}
    return {key: path.read_bytes() for key, path in places.items() if path.is_file()}


def draw(found: Summary, clips: Listing, job: Job, out: Path, there: Pictures) -> Pictures:
    """The pictures that are not there yet, each kept as soon as it is drawn.

    A clip that cannot be shown as its row tells of it has a sentence instead.
    """
    wanted = cases(found)
    if all((row.id, why.method) in there for row, why in wanted):
        return {}
    model, line = load(job.model, torch.device(job.device)), Line()
    again = lru_cache(1)(lambda row: looked(job, model, clips, row))
    fresh: dict[tuple[str, str], bytes | str] = {}
    (out / FOLDER).mkdir(exist_ok=True)
    with threads(job.threads):
        for i, (row, why) in enumerate(wanted):
            if (row.id, why.method) in there:
                continue
            line.tell(f"Drawing case {i + 1} of {len(wanted)}", last=i + 1 == len(wanted))
            try:
                picture = pictured(job, again(row), row, why)
                put(place(out, row, why), picture)
                fresh[row.id, why.method] = picture
            except Exception as error:
                fresh[row.id, why.method] = said(error)
    line.end()
    return fresh


def swept(found: Summary, out: Path) -> bool:
    """Remove the pictures of what is no longer a case; whether there are others."""
    there, wanted = {*(out / FOLDER).glob("*.jpg")}, {place(out, *x) for x in cases(found)}
    for old in there - wanted:
        old.unlink()
    return bool(there & wanted)


def looked(job: Job, model: Model, clips: Listing, row: Row) -> Analysis:
    """The clip of a row as when the row was made; DatasetError where it is another one now."""
    entry = next(entry for entry in clips.entries if entry.id == row.id)
    if not (clips.root / entry.file).is_file():
        raise DatasetError("The clip is no longer there.")
    taken = read(job, model, clips.root, entry, Event())
    if taken.clip is None:
        raise DatasetError(taken.why)
    if taken.clip.key != row.clip:
        raise DatasetError("The clip has changed since it was explained.")
    return look(job, model, taken.clip)


def pictured(job: Job, analysis: Analysis, row: Row, why: Explanation) -> bytes:
    """The map of a row as a JPEG; DatasetError where another one is found now."""
    found = mapped(job, analysis, why.method)
    if not alike(analysis, found, row, why):
        raise DatasetError("Explained once more, the clip has another map than in its row.")
    return drawn(attribution_figure(analysis, found, CARD), ("jpg",), DPI)["jpg"]


def mapped(job: Job, analysis: Analysis, method: str) -> Attribution:
    """The map of one of the methods that the job asks."""
    (found,) = attributions(analysis, [asked for asked in job.asked if asked[0] == method])
    return found


def alike(analysis: Analysis, found: Attribution, row: Row, why: Explanation) -> bool:
    """Whether answer and shares are those of the row."""
    now = explanation(found)
    figures = [(sure(analysis), row.probability), *((getattr(now, m), getattr(why, m))
               for m in ("video", "audio", "text"))]  # fmt: skip
    return (analysis.answer, now.target) == (row.answer, why.target) and all(
        isclose(a or 0, b or 0, rel_tol=NEAR, abs_tol=NEAR) for a, b in figures
    )
