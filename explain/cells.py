"""From the tokens that a model reads to the cells that people see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core_models.layout import Grid, WordGrid

Array = NDArray[np.float32]


def on_cells(weights: Array, query: Grid, key: Grid) -> Array:
    """Tokens to cells: a word as key is the sum of its pieces, as query their mean."""
    if isinstance(key, WordGrid):
        weights = key.spread(weights).astype(np.float32)
    if isinstance(query, WordGrid):
        pieces = query.spread(np.ones(query.size, np.float32))  # (W,)
        weights = query.spread(weights.swapaxes(-1, -2)).swapaxes(-1, -2)
        weights = (weights / pieces[:, None]).astype(np.float32)
    return weights
