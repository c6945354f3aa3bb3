"""Attention maps on the cells that people see, with what can be said of their shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Stream
from explain.analysis import Analysis, tower_path
from explain.attention.blocks import blocks
from explain.attention.cells import on_cells
from explain.attention.route import routes
from explain.attention.towers import own_cells

Array = NDArray[np.float32]
Group = Literal["fusion", "decoder", "route", "video tower", "text tower"]

NAMES: dict[Stream, str] = {
    "video": "video",
    "audio": "sound",
    "text": "text",
    "bottleneck": "bottleneck",
    "video-cls": "picture class",
    "audio-cls": "sound class",
    "caption": "caption",
}


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """One directed map: weights (heads, Q, K) from query cells to key cells, rows sum to 1.

    layer: the index within its group. In the video tower a query is a whole frame (its summary
    token), and a row is zero outside that frame. A route leads through the bottlenecks of `layer`.
    focus: (heads,), 1 − entropy / log K averaged over the queries: 0 is uniform, 1 is one cell.
    cut: the change of the answer's probability when this path is cut; None where none is.
    unplaced: (heads,), the share that other keys took before the rows were scaled to 1: special
    tokens in a tower, the other streams of the same attention in the fusion and the decoder.
    warning: one plain sentence, or nothing.
    """

    name: str
    group: Group
    layer: int
    query: Stream
    key: Stream
    weights: Array
    focus: Array
    cut: float | None
    unplaced: Array
    warning: str


def maps(analysis: Analysis) -> tuple[AttentionMap, ...]:
    """The maps of a run in the order of the layers: fusion, decoder, routes, then the towers."""
    return (*_crossing(analysis), *_routes(analysis), *_towers(analysis))


def _crossing(analysis: Analysis) -> list[AttentionMap]:
    out = []
    for name, block in blocks(analysis.attention, analysis.layout).items():
        group, layer, (query,), (key,) = block.path
        cells = on_cells(block.weights, analysis.layout[query], analysis.layout[key])
        shape, kind = focus(cells), cast(Group, group)
        cut, warning = analysis.cuts.get(name), hygiene(cells, shape, key)
        out.append(
            AttentionMap(name, kind, layer, query, key, cells, shape, cut, block.elsewhere, warning)
        )
    return out


def _routes(analysis: Analysis) -> list[AttentionMap]:
    """What a modality reads of another by way of the bottleneck."""
    out = []
    for (layer, read, query, key), (weights, elsewhere) in routes(
        analysis.attention, analysis.layout
    ).items():
        cells = on_cells(weights, analysis.layout[query], analysis.layout[key])
        shape, name = focus(cells), f"route.{layer}>{read}.{query}<-{key}"
        warning = hygiene(cells, shape, key)
        out.append(
            AttentionMap(name, "route", layer, query, key, cells, shape, None, elsewhere, warning)
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
    """(heads, Q, K) -> (heads,): 1 − normalised entropy, averaged over the queries that read."""
    keys = weights.shape[-1]
    if keys == 1:
        return np.ones(len(weights), np.float32)
    entropy = -(weights * np.log(np.maximum(weights, 1e-12))).sum(-1)  # (heads, Q)
    reads = weights.sum(-1) > 0  # (heads, Q)
    mean = (entropy * reads).sum(-1) / np.maximum(reads.sum(-1), 1)  # (heads,)
    return (1 - mean / np.log(keys)).astype(np.float32)


def hygiene(weights: Array, shape: Array, key: Stream, unplaced: float = 0.0) -> str:
    """What to beware of in a map, in one sentence; empty where nothing stands out.

    unplaced: the share of its attention that special tokens took.
    """
    keys = weights.shape[-1]
    what = NAMES[key]
    if keys == 1:
        return f"There is only one {what} cell to look at: attention over one key is always 1."
    if unplaced > 0.5:
        return (
            f"{unplaced:.0%} of this layer's attention is on special tokens such as [CLS]: "
            "what is shown is how the rest is shared out."
        )
    received = weights.mean(axis=(0, 1))  # (K,)
    if keys > 4 and received.max() > max(0.5, 3 / keys):
        share = f"{float(received.max()):.0%}"
        return f"One {what} cell takes {share} of all attention, whoever asks: an attention sink."
    if shape.mean() < 0.02:
        return f"Nearly uniform: this layer looks at all {what} cells alike."
    return ""
