"""Attention maps on the cells that people see, with what can be said of their shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Modality
from core_models.layout import Grid, WordGrid
from explain.analysis import Analysis, path

Array = NDArray[np.float32]

NAMES: dict[Modality, str] = {"video": "video", "audio": "sound", "text": "text"}


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """One directed map: weights (heads, Q, K) from query cells to key cells, rows sum to 1.

    focus: (heads,), 1 − entropy / log K averaged over the queries: 0 is uniform, 1 is one cell.
    cut: the change of the top class's probability when this path is cut.
    warning: one plain sentence, or nothing.
    """

    name: str
    layer: int
    query: Modality
    key: Modality
    weights: Array
    focus: Array
    cut: float
    warning: str


def maps(analysis: Analysis) -> tuple[AttentionMap, ...]:
    """The maps of a run, in the order of the layers; pieces of words are joined."""
    out = []
    for name, weights in analysis.attention.items():
        layer, query, key = path(name)
        cells = on_cells(weights, analysis.layout[query], analysis.layout[key])
        shape = focus(cells)
        cut, warning = analysis.cuts[name], hygiene(cells, shape, key)
        out.append(AttentionMap(name, layer, query, key, cells, shape, cut, warning))
    return tuple(out)


def on_cells(weights: Array, query: Grid, key: Grid) -> Array:
    """Tokens to cells: a word as key is the sum of its pieces, as query their mean."""
    if isinstance(key, WordGrid):
        weights = key.spread(weights).astype(np.float32)
    if isinstance(query, WordGrid):
        pieces = query.spread(np.ones(query.size, np.float32))  # (W,)
        weights = query.spread(weights.swapaxes(-1, -2)).swapaxes(-1, -2)
        weights = (weights / pieces[:, None]).astype(np.float32)
    return weights


def focus(weights: Array) -> Array:
    """(heads, Q, K) -> (heads,): 1 − normalised entropy, averaged over the queries."""
    keys = weights.shape[-1]
    if keys == 1:
        return np.ones(len(weights), np.float32)
    entropy = -(weights * np.log(np.maximum(weights, 1e-12))).sum(-1)  # (heads, Q)
    return (1 - entropy.mean(-1) / np.log(keys)).astype(np.float32)


def hygiene(weights: Array, shape: Array, key: Modality) -> str:
    """What to beware of in a map, in one sentence; empty where nothing stands out."""
    keys = weights.shape[-1]
    what = NAMES[key]
    if keys == 1:
        return f"There is only one {what} cell to look at: attention over one key is always 1."
    received = weights.mean(axis=(0, 1))  # (K,)
    if keys > 4 and received.max() > max(0.5, 3 / keys):
        share = f"{received.max():.0%}".replace("%", " %")
        return f"One {what} cell takes {share} of all attention, whoever asks: an attention sink."
    if shape.mean() < 0.02:
        return f"Nearly uniform: this layer looks at all {what} cells alike."
    return ""
