"""Attention maps on the cells that people see, with what can be said of their shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Modality
from explain.analysis import Analysis, path, tower_path
from explain.cells import on_cells
from explain.towers import own_cells

Array = NDArray[np.float32]
Group = Literal["fusion", "video tower", "text tower"]

NAMES: dict[Modality, str] = {"video": "video", "audio": "sound", "text": "text"}


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """One directed map: weights (heads, Q, K) from query cells to key cells, rows sum to 1.

    layer: the index within its group. In the video tower a query is a whole frame (its summary
    token), and a row is zero outside that frame.
    focus: (heads,), 1 − entropy / log K averaged over the queries: 0 is uniform, 1 is one cell.
    cut: the change of the top class's probability when this path is cut; None in a tower.
    unplaced: (heads,), the share that special tokens took before the rows were scaled to 1.
    warning: one plain sentence, or nothing.
    """

    name: str
    group: Group
    layer: int
    query: Modality
    key: Modality
    weights: Array
    focus: Array
    cut: float | None
    unplaced: Array
    warning: str


def maps(analysis: Analysis) -> tuple[AttentionMap, ...]:
    """The maps of a run, in the order of the layers: first the fusion, then its towers."""
    return (*_fusion(analysis), *_towers(analysis))


def _fusion(analysis: Analysis) -> list[AttentionMap]:
    out = []
    for name, weights in analysis.attention.items():
        layer, query, key = path(name)
        cells = on_cells(weights, analysis.layout[query], analysis.layout[key])
        shape = focus(cells)
        cut, warning = analysis.cuts[name], hygiene(cells, shape, key)
        none = np.zeros(len(cells), np.float32)
        out.append(
            AttentionMap(name, "fusion", layer, query, key, cells, shape, cut, none, warning)
        )
    return out


def _towers(analysis: Analysis) -> list[AttentionMap]:
    """Those of the modalities that are on."""
    out = []
    for name, weights in analysis.towers.items():
        layer, m = tower_path(name)
        if m not in analysis.present:
            continue
        group: Group = "video tower" if m == "video" else "text tower"
        cells = own_cells(weights) if m == "video" else weights
        shape, unplaced = focus(cells), analysis.unplaced[name].mean(axis=-1)
        warning = hygiene(cells, shape, m, float(unplaced.mean()))
        out.append(AttentionMap(name, group, layer, m, m, weights, shape, None, unplaced, warning))
    return out


def focus(weights: Array) -> Array:
    """(heads, Q, K) -> (heads,): 1 − normalised entropy, averaged over the queries."""
    keys = weights.shape[-1]
    if keys == 1:
        return np.ones(len(weights), np.float32)
    entropy = -(weights * np.log(np.maximum(weights, 1e-12))).sum(-1)  # (heads, Q)
    return (1 - entropy.mean(-1) / np.log(keys)).astype(np.float32)


def hygiene(weights: Array, shape: Array, key: Modality, unplaced: float = 0.0) -> str:
    """What to beware of in a map, in one sentence; empty where nothing stands out.

    unplaced: the share of its attention that special tokens took.
    """
    keys = weights.shape[-1]
    what = NAMES[key]
    if keys == 1:
        return f"There is only one {what} cell to look at: attention over one key is always 1."
    if unplaced > 0.5:
        return (
            f"{_percent(unplaced)} of this layer's attention is on special tokens such as [CLS]: "
            "what is shown is how the rest is shared out."
        )
    received = weights.mean(axis=(0, 1))  # (K,)
    if keys > 4 and received.max() > max(0.5, 3 / keys):
        share = _percent(float(received.max()))
        return f"One {what} cell takes {share} of all attention, whoever asks: an attention sink."
    if shape.mean() < 0.02:
        return f"Nearly uniform: this layer looks at all {what} cells alike."
    return ""


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")
