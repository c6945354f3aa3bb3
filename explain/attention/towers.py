"""The attention inside the towers, reduced to what is shown of it.

Special tokens ([CLS], [SEP], registers) have no place in the clip. They are left out, every row is
scaled to sum to 1 without them, and the share that they took is kept beside the map.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import isqrt
from typing import cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core_models.clip import Modality
from core_models.layout import FrameGrid, Layout, WordGrid
from core_models.trace import Lookup, Trace
from explain.attention.cells import on_cells

Array = NDArray[np.float32]

RECORDED = re.compile(r"(video|text)\.\d+")
LEAST = np.float32(1e-12)  # a row that special tokens took whole stays zero


class Gist(Trace):
    """A record of towers that keeps little: of a picture, what its summary token [CLS] reads.

    tick: called at every layer; it may raise.
    """

    def __init__(self, tick: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.tick = tick

    def add(self, name: str, found: Tensor | Lookup, vectors: Tensor | None = None) -> None:
        self.tick()
        if RECORDED.fullmatch(name):
            rows = 1 if name.startswith("video") else None  # [CLS] is the first of all
            if isinstance(found, Tensor):
                super().add(name, found[:, :, :rows].clone())
            else:
                super().add(name, found.rows(slice(rows)).weights())


def reduced(
    trace: Mapping[str, Tensor], layout: Layout
) -> tuple[dict[str, Array], dict[str, Array]]:
    """A record of the towers as maps ``tower.<video|text>.<i>`` and what was left out of them.

    Maps (heads, Q, K), rows summing to 1: video as `frame_rows`, text as `word_rows`; left out
    (heads, Q). A recorded map that does not fit the layout is not shown.
    """
    kept: dict[str, Array] = {}
    dropped: dict[str, Array] = {}
    for name, recorded in trace.items():
        grid = layout.get(cast(Modality, name.split(".")[0]))
        weights = recorded.float().cpu().numpy()
        made = None
        if isinstance(grid, FrameGrid):
            made = frame_rows(weights[:, :, 0], grid)
        if isinstance(grid, WordGrid):
            made = word_rows(weights[0], grid)
        if made is not None:
            kept[f"tower.{name}"], dropped[f"tower.{name}"] = made
    return kept, dropped


def frame_rows(weights: Array, grid: FrameGrid) -> tuple[Array, Array] | None:
    """What the summary of each frame reads in that frame, on the cells of the layout.

    weights: (T, heads, special tokens + patches), patches in a finer grid of the same shape.
    Returns (heads, T, T * rows * cols), where row t is zero outside frame t, and the share of the
    special tokens (heads, T); None where the patches do not fit the layout.
    """
    frames, heads, tokens = weights.shape
    pool = isqrt(max(0, tokens - 1) // (grid.rows * grid.cols))  # patches per cell and side
    if frames != len(grid.times) or not pool:
        return None
    special = tokens - pool * pool * grid.rows * grid.cols
    fine = (frames, heads, grid.rows, pool, grid.cols, pool)
    cells = weights[..., special:].reshape(fine).sum(axis=(3, 5)).reshape(frames, heads, -1)
    shown = cells / np.maximum(cells.sum(axis=-1, keepdims=True), LEAST)  # (T, heads, cells)
    out = np.zeros((heads, frames, frames, cells.shape[-1]), np.float32)
    every = np.arange(frames)
    out[:, every, every] = shown.swapaxes(0, 1)
    return out.reshape(heads, frames, -1), weights[..., :special].sum(axis=-1).T


def own_cells(weights: Array) -> Array:
    """`frame_rows` without the zeros: (heads, T, T * cells) -> (heads, T, cells)."""
    heads, frames, keys = weights.shape
    every = np.arange(frames)
    return weights.reshape(heads, frames, frames, keys // frames)[:, every, every]


def word_rows(weights: Array, grid: WordGrid) -> tuple[Array, Array] | None:
    """Which words each word reads: as key the sum of its pieces, as query their mean.

    weights: (heads, [CLS] + pieces + [SEP], the same). Returns (heads, W, W) and the share of
    [CLS] and [SEP] (heads, W); None where the pieces are not those of the layout.
    """
    if weights.shape[1:] != (grid.size + 2, grid.size + 2):
        return None
    words = on_cells(weights[:, 1:-1, 1:-1], grid, grid)
    special = weights[:, 1:-1, [0, -1]].sum(axis=-1)[:, None]  # (heads, 1, L)
    pieces = np.bincount(grid.owner, minlength=len(grid.words))  # (W,)
    dropped = (grid.spread(special)[:, 0] / pieces).astype(np.float32)
    return words / np.maximum(words.sum(axis=-1, keepdims=True), LEAST), dropped
