"""The recorded maps, taken apart into what one stream reads of another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core_models.clip import MODALITIES, Stream
from core_models.layout import Layout
from core_models.trace import Path, path

Array = NDArray[np.float32]
LEAST = np.float32(1e-12)


@dataclass(frozen=True, eq=False)
class Block:
    """One stream's part of a map: (heads, Q, K), rows scaled to sum to 1.

    elsewhere: (heads,), the share of the rows that went to other streams.
    """

    path: Path
    weights: Array
    elsewhere: Array


def blocks(attention: Mapping[str, Array], layout: Layout) -> dict[str, Block]:
    """What is shown of recorded maps (heads, Q, K), by path, in their order.

    Left out: class tokens as keys (one key always gets all), what bottlenecks, class tokens and
    modalities read of themselves, and streams without tokens.
    """
    out = {}
    for name, weights in attention.items():
        for part, raw in parts(path(name), weights, layout):
            if not _shown(part) or not raw.size:
                continue
            mass, whole = raw.sum(-1, keepdims=True), weights.sum(-1)  # (heads, Q, 1), (heads, Q)
            reads = whole.sum(0) > 0  # (queries of the map,)
            elsewhere = np.zeros(len(raw), np.float32)
            if part != path(name):
                rows = _rows(path(name), part, layout)
                share = mass[..., 0] / np.maximum(whole[:, rows], LEAST)  # (heads, Q)
                elsewhere = (1 - share[:, reads[rows]].mean(-1)).astype(np.float32)
                raw = raw / np.maximum(mass, LEAST)
            out[str(part)] = Block(part, raw, elsewhere)
    return out


def parts(whole: Path, weights: Array, layout: Layout) -> Iterator[tuple[Path, Array]]:
    """Every block of a map as it was recorded."""
    for part in whole.blocks:
        (query,), (key,) = part.queries, part.keys
        rows, columns = (
            _span(whole.queries, query, layout),
            _span(whole.keys, key, layout),
        )
        yield part, weights[:, rows, columns]


def _rows(whole: Path, part: Path, layout: Layout) -> slice:
    return _span(whole.queries, part.queries[0], layout)


def _span(streams: tuple[Stream, ...], wanted: Stream, layout: Layout) -> slice:
    """Where a stream's tokens lie in a row of streams."""
    start = sum(_size(s, layout) for s in streams[: streams.index(wanted)])
    return slice(start, start + _size(wanted, layout))


def _size(stream: Stream, layout: Layout) -> int:
    return layout[stream].size if stream in layout else 0


def _shown(part: Path) -> bool:
    (query,), (key,) = part.queries, part.keys
    own = query == key and (query in MODALITIES or query == "bottleneck")
    return not own and not key.endswith("-cls")
