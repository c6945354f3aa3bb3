"""Where in a clip the evidence lies, and how well a map finds it.

Two scores of Arras et al. 2022 (arXiv:2003.07258) and Zhang et al. 2018 (arXiv:1608.00507): the
share of what speaks for the target that falls inside, and whether the strongest cell does. Both
have the value that a map without any knowledge gets: chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core_models.layout import BandGrid, FrameGrid, Grid, TimeGrid, WordGrid

Axis = Literal["time", "place", "pitch", "word"]
Reals = NDArray[np.float64]
Span = tuple[float, float]


@dataclass(frozen=True)
class Region:
    """Where the evidence lies; None where it may lie anywhere.

    time: seconds; rows, columns: relative to the picture, in [0, 1]; pitch: Hz; word: its index.
    """

    time: Span | None = None
    rows: Span | None = None
    columns: Span | None = None
    pitch: Span | None = None
    word: int | None = None


def inside(region: Region, grid: Grid) -> dict[Axis, Reals]:
    """The part of every cell that lies inside, by each axis that both have: (N,) in [0, 1]."""
    out: dict[Axis, Reals] = {}
    if isinstance(grid, WordGrid) and region.word is not None:
        out["word"] = (grid.owner == region.word).astype(np.float64)
    if isinstance(grid, FrameGrid):
        count, cells = len(grid.times), grid.rows * grid.cols
        if region.time is not None:
            out["time"] = covered(segments(grid.times), region.time).repeat(cells)
        if region.rows is not None and region.columns is not None:
            down = covered(np.linspace(0, 1, grid.rows + 1), region.rows)
            across = covered(np.linspace(0, 1, grid.cols + 1), region.columns)
            out["place"] = np.tile(np.outer(down, across).ravel(), count)
    if isinstance(grid, TimeGrid):
        spans = len(grid.edges) - 1
        bands = grid.bands if isinstance(grid, BandGrid) else 1
        if region.time is not None:
            out["time"] = covered(grid.edges, region.time).repeat(bands)
        if region.pitch is not None and isinstance(grid, BandGrid) and grid.hertz is not None:
            out["pitch"] = np.tile(covered(grid.hertz, region.pitch), spans)
    return out


def joint(parts: dict[Axis, Reals]) -> Reals:
    """Inside by all axes at once: (N,)."""
    return reduce(np.multiply, parts.values())


def covered(edges: NDArray[np.floating], span: Span) -> Reals:
    """The part of each interval between edges (N + 1,) that lies in a span: (N,)."""
    low, high = np.maximum(edges[:-1], span[0]), np.minimum(edges[1:], span[1])
    return np.asarray(np.clip(high - low, 0, None) / np.maximum(np.diff(edges), 1e-12))


def segments(times: NDArray[np.float64]) -> Reals:
    """The borders of what each frame stands for (T + 1,): up to the middle to its neighbours."""
    if len(times) == 1:
        return np.array([-np.inf, np.inf])
    middle = (times[1:] + times[:-1]) / 2
    first, last = 2 * times[0] - middle[0], 2 * times[-1] - middle[-1]
    return np.concatenate([[first], middle, [last]])


def mass(scores: NDArray[np.floating], part: Reals) -> tuple[float, float]:
    """The share of the positive scores (N,) that lies inside, and chance.

    A map without any positive score says nothing, and has chance.
    """
    chance = float(part.mean())
    found = np.clip(scores, 0, None).astype(np.float64)
    total = float(found.sum())
    return (float(found @ part) / total if total > 0 else chance), chance


def hit(scores: NDArray[np.floating], part: Reals) -> tuple[float, float]:
    """1 where the strongest cell touches the region, and chance; of equals, the share that does."""
    touches = (part > 1e-9).astype(np.float64)
    chance, top = float(touches.mean()), scores.max()
    return (float(touches[scores == top].mean()) if top > 0 else chance), chance
