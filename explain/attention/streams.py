"""Which of the recorded maps, and which paths in them, lie between streams that are there."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
from numpy.typing import NDArray

from core_models.clip import MODALITIES, Modality, Stream
from core_models.trace import Trace, path

Array = NDArray[np.float32]


def live(stream: Stream, on: Collection[Modality]) -> bool:
    """Whether a stream has something to say; a class token does when its modality is on."""
    owner = stream.removesuffix("-cls")
    return owner not in MODALITIES or owner in on


def kept(trace: Trace, on: Collection[Modality]) -> dict[str, Array]:
    """The recorded maps between streams that are live."""
    return {
        name: weights[0].float().cpu().numpy()
        for name, weights in trace.items()
        if all(live(s, on) for s in path(name).queries)
        and any(live(s, on) for s in path(name).keys)
    }


def crossings(names: Iterable[str], on: Collection[Modality]) -> list[str]:
    """The paths in some maps on which one live stream reads another."""
    return [
        str(block)
        for name in names
        for block in path(name).blocks
        if block.queries != block.keys
        and live(block.keys[0], on)
        and not block.keys[0].endswith("-cls")
    ]
