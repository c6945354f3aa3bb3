"""The way from one modality to another through the bottleneck (Nagrani et al. 2021).

A bottleneck token reads a modality in one layer; the other modality reads that token in the next.
The product of the two attentions, averaged over heads, is how much the second reads of the first
by this way: cell by cell, before any value is weighed.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Modality, Stream
from core_models.layout import Layout
from core_models.trace import Path, path
from explain.attention.blocks import LEAST, parts

Array = NDArray[np.float32]
# The layers in which the bottleneck reads and is read, query, key.
Route = tuple[int, int, Stream, Modality]


def routes(attention: Mapping[str, Array], layout: Layout) -> dict[Route, tuple[Array, Array]]:
    """Maps (1, Q, K), rows scaled to sum to 1, with the share (1,) that came another way.

    The new bottleneck is the mean over the modalities that wrote to it, so each way counts for its
    part of them. Where the bottleneck reads before it is read in the same layer, both lie there.
    """
    reads, read = _reads(attention, layout), _read(attention, layout)
    out = {}
    for (layer, key), (into, step) in reads.items():
        writers = sum(at == layer for at, _ in reads) if step else 1
        for (at, query), out_of in read.items():
            if at != layer + step or query.removesuffix("-cls") == key:
                continue
            way = (out_of @ into / writers)[None]  # (1, Q, K)
            mass = way.sum(-1, keepdims=True)  # (1, Q, 1)
            elsewhere = np.array([1 - mass.mean()], np.float32)
            out[layer, at, query, key] = way / np.maximum(mass, LEAST), elsewhere
    return out


def _reads(
    attention: Mapping[str, Array], layout: Layout
) -> dict[tuple[int, Modality], tuple[Array, int]]:
    """By layer and modality, what the bottleneck reads of it (n, K), mean of heads; and how many
    layers later the bottleneck is read in turn.
    """
    out: dict[tuple[int, Modality], tuple[Array, int]] = {}
    for whole, part, weights in _bottleneck(attention, layout):
        key = part.keys[0]
        if part.queries == ("bottleneck",) and (key == "video" or key == "audio" or key == "text"):
            out[part.layer, key] = weights.mean(0), int(whole.queries != ("bottleneck",))
    return out


def _read(attention: Mapping[str, Array], layout: Layout) -> dict[tuple[int, Stream], Array]:
    """By layer and stream, how it reads the bottleneck (Q, n), mean of heads."""
    return {
        (part.layer, part.queries[0]): weights.mean(0)
        for _, part, weights in _bottleneck(attention, layout)
        if part.keys == ("bottleneck",) and part.queries != ("bottleneck",)
    }


def _bottleneck(attention: Mapping[str, Array], layout: Layout) -> list[tuple[Path, Path, Array]]:
    return [
        (path(name), part, block)
        for name, weights in attention.items()
        for part, block in parts(path(name), weights, layout)
        if "bottleneck" in (*part.queries, *part.keys) and block.size
    ]
