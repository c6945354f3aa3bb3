"""From the tokens that a model reads to the cells that people see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core_models.layout import FrameGrid, Grid

Array = NDArray[np.float32]


def on_cells(weights: Array, query: Grid, key: Grid) -> Array:
    """Tokens to cells: a word, or a span of sound, is as key the sum of its tokens, as query their
    mean.
    """
    out: NDArray[np.floating] = weights
    if not isinstance(key, FrameGrid):
        out = key.spread(out)
    if not isinstance(query, FrameGrid):
        tokens = query.spread(np.ones(query.size, np.float32))  # (cells,)
        out = query.spread(out.swapaxes(-1, -2)).swapaxes(-1, -2) / tokens[:, None]
    return out.astype(np.float32)
