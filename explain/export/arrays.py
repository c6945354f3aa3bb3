"""An attribution as arrays on its cells, with the place of every cell beside them."""

from __future__ import annotations

from io import BytesIO
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Clip, Modality
from core_models.layout import BandGrid, FrameGrid, Grid, TimeGrid, WordGrid
from explain.attribution import Array, Attribution


def cells(attribution: Attribution, modality: Modality) -> Array:
    """The scores on their cells: (T, rows, cols), (spans, bands), (spans,) or (words,)."""
    grid, scores = attribution.grids[modality], attribution.scores[modality]
    if isinstance(grid, BandGrid):
        return scores.reshape(-1, grid.bands)
    return np.asarray(grid.spread(scores))


def places(grid: Grid, clip: Clip) -> dict[str, NDArray[Any]]:
    """The axes of `cells`.

    video: times in s, and the edges of the cells in pixels of the upright picture. audio: edges of
    the spans in s, and of the bands in Hz where they are known. text: the words, and (words, 2)
    start and end in s where they are known.
    """
    if isinstance(grid, FrameGrid):
        width, height = clip.size
        x, y = np.linspace(0, width, grid.cols + 1), np.linspace(0, height, grid.rows + 1)
        return {"times": grid.times, "x": x, "y": y}
    if isinstance(grid, TimeGrid):
        bands = grid.hertz if isinstance(grid, BandGrid) else None
        return {"edges": grid.edges} | ({} if bands is None else {"hertz": bands})
    if isinstance(grid, WordGrid):
        spans = [(w.start, w.end) for w in grid.words if w.start is not None and w.end is not None]
        words = {"words": np.array([w.text for w in grid.words], np.str_)}
        return words | ({"times": np.array(spans)} if len(spans) == len(grid.words) else {})
    return {}


def arrays(attribution: Attribution, clip: Clip) -> dict[str, NDArray[Any]]:
    """Scores as ``video``, ``audio``, ``text``, and their axes as ``video.times`` and so on."""
    out: dict[str, NDArray[Any]] = {}
    for m in attribution.scores:
        out[m] = cells(attribution, m)
        out |= {f"{m}.{axis}": at for axis, at in places(attribution.grids[m], clip).items()}
    return out


def npz(held: dict[str, NDArray[Any]]) -> bytes:
    """The arrays as a compressed file."""
    file = BytesIO()
    np.savez_compressed(file, **cast(dict[str, Any], held))
    return file.getvalue()
