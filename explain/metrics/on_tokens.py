"""Any attribution on the tokens that the fusion reads, so that all can be compared and tested."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Modality
from core_models.layout import BandGrid, FrameGrid, Grid, TimeGrid
from core_models.spectrogram import RANGE
from explain.analysis import Analysis
from explain.attribution import Array, Attribution

Borders = NDArray[np.float64]


def on_tokens(attribution: Attribution, analysis: Analysis) -> dict[Modality, Array]:
    """(N,) per modality: a token gets what lies in its cell, by area; nothing is lost.

    Of the sound, what lies outside all tokens falls to the nearest.
    """
    out: dict[Modality, Array] = {}
    for m, scores in attribution.scores.items():
        grid, cells = attribution.grids[m], analysis.layout[m]
        out[m] = scores if attribution.level == "token" else _moved(scores, grid, cells)
    return out


def _moved(scores: Array, grid: Grid, cells: Grid) -> Array:
    if isinstance(grid, FrameGrid) and isinstance(cells, FrameGrid):
        down = overlap(_even(grid.rows), _even(cells.rows))
        across = overlap(_even(grid.cols), _even(cells.cols))
        found = down @ grid.spread(scores) @ across.T  # (T, rows, cols)
        return np.asarray(found, np.float32).ravel()
    if isinstance(grid, TimeGrid) and isinstance(cells, TimeGrid):
        spans = overlap(grid.edges, cells.edges)
        tones = overlap(_hertz(grid), _hertz(cells))
        found = spans @ scores.reshape(spans.shape[1], -1) @ tones.T  # (spans, bands)
        return np.asarray(found, np.float32).ravel()
    return scores


def overlap(old: Borders, new: Borders) -> NDArray[np.float64]:
    """The part of each old interval in each new one, (new, old); the outer new ones are endless."""
    wide = np.concatenate([[-np.inf], new[1:-1], [np.inf]])
    low = np.maximum(wide[:-1, None], old[None, :-1])
    high = np.minimum(wide[1:, None], old[None, 1:])
    length = np.maximum(np.diff(old), 1e-12)
    found = np.clip(high - low, 0, None) / length  # (new, old)
    return np.asarray(found / np.maximum(found.sum(axis=0), 1e-12), np.float64)


def _even(count: int) -> Borders:
    return np.linspace(0.0, 1.0, count + 1)


def _hertz(grid: TimeGrid) -> Borders:
    """Borders of the bands in Hz; where the grid has none, equally wide in mel."""
    if not isinstance(grid, BandGrid):
        return np.array(RANGE)
    if grid.hertz is not None:
        return grid.hertz
    low, high = (np.log10(1 + hz / 700) for hz in RANGE)
    return np.asarray(700 * (10 ** np.linspace(low, high, grid.bands + 1) - 1))
