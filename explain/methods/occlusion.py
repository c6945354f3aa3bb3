"""Occlusion (Zeiler & Fergus 2013, arXiv:1311.2901) in space, time and pitch, by Captum.

A window slides over the cells of what the towers read, and what it covers becomes nothing: grey,
silence, the padding between words. What the score loses is spread evenly over the window's cells;
where windows overlap, by half of their height and width, a cell has their mean. Windows follow
each other in time without overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch
from captum.attr import Occlusion
from torch import Tensor

from core_models.clip import Modality, Stream
from core_models.layout import BandGrid, FrameGrid, Grid, WordGrid
from explain.methods.method import Between, Step
from explain.question import Question

Windows = Annotated[int, Between(1, 8)]
Frames = Annotated[int, Between(1, 25)]
Spans = Annotated[int, Between(1, 100)]


@dataclass(frozen=True, eq=False)
class Part:
    """Cells (n, ...) that follow each other in time, by index, and the window over the rest."""

    modality: Modality
    cells: Tensor
    window: tuple[int, ...]


def occlusion(
    question: Question, *, windows: Windows = 3, frames: Frames = 2, spans: Spans = 16
) -> Iterator[Step]:
    """windows: in the height and width of the picture, and in the bands of the sound; frames: of
    the picture, that a window covers; spans: of the sound, one window long each. A word is covered
    as a whole.
    """
    grids = question.fields.grids
    parts = [
        part
        for m in reversed(question.analysis.present)  # the picture takes longest
        for part in _parts(m, grids[m], windows, frames, spans)
    ]
    scores: dict[Stream, Tensor] = {
        m: torch.zeros(1, grids[m].size) for m in question.analysis.present
    }
    for i, part in enumerate(parts):
        scores[part.modality][0, part.cells] = _lost(question, part)
        yield Step((i + 1) / len(parts), {m: x.clone() for m, x in scores.items()})


def _lost(question: Question, part: Part) -> Tensor:
    """The score of each cell of a part, of the shape of its cells."""
    fields, m = question.fields, part.modality
    device = fields.values[m].device

    def forward(shown: Tensor) -> Tensor:  # (B, ...): without the axis of time
        keep = torch.ones(len(shown), fields.grids[m].size, device=device)
        keep[:, part.cells] = shown[:, None].expand(-1, *part.cells.shape)
        with torch.no_grad():
            return question.of_inputs(fields.only({m: keep}))

    shape = part.cells.shape[1:]
    found = Occlusion(forward).attribute(
        torch.ones(1, *shape, device=device),
        sliding_window_shapes=part.window,
        strides=tuple(-(-n // 2) for n in part.window),
        baselines=0,
        perturbations_per_eval=question.clips,
    )
    covered = len(part.cells) * torch.tensor(part.window).prod()
    return (found.cpu() / covered).expand(part.cells.shape)


def _parts(m: Modality, grid: Grid, windows: int, frames: int, spans: int) -> Iterator[Part]:
    cells = torch.arange(grid.size)
    if isinstance(grid, FrameGrid):
        window = (-(-grid.rows // windows), -(-grid.cols // windows))
        for some in cells.reshape(-1, grid.rows, grid.cols).split(frames):
            yield Part(m, some, window)
    elif isinstance(grid, BandGrid):
        columns = cells.reshape(-1, grid.bands)
        for some in columns.split(-(-len(columns) // spans)):
            yield Part(m, some, (-(-grid.bands // windows),))
    elif isinstance(grid, WordGrid):
        for word in sorted(set(grid.owner.tolist())):
            yield Part(m, cells[torch.as_tensor(grid.owner == word)][:, None], (1,))
