"""Packets that no other picture is made from: they are decoded only to be shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core_models.decoder.streams import Source, codec_of, ticks_of

MOST_UNITS = 64  # in a packet that is looked into
SLICES = range(1, 6)


def unneeded(source: Source, wanted: frozenset[float]) -> Callable[[Any], bool] | None:
    """Whether a packet is in no way part of a frame shown at one of the wanted times.

    None where that is not known: it is for H.264 as MP4 and Matroska hold it.
    """
    head = bytes(source.video.codec_context.extradata or b"")  # ISO/IEC 14496-15, section 5.3.3
    if not wanted or codec_of(source.video) != "h264" or len(head) < 7 or head[0] != 1:
        return None
    width, ticks = (head[4] & 3) + 1, ticks_of(source.video)

    def omit(packet: Any) -> bool:
        at = source.time(packet, ticks)
        return not (at is None or at in wanted) and unreferenced(memoryview(packet), width)

    return omit


def unreferenced(data: memoryview, width: int) -> bool:
    """Whether every slice says that nothing refers to it: nal_ref_idc is 0 (H.264, 7.4.1).

    data: units, each after its length in `width` bytes. False where they do not fit.
    """
    at, found = 0, False
    for _ in range(MOST_UNITS):
        if at == len(data):
            return found
        start = at + width
        end = start + int.from_bytes(data[at:start], "big")
        if not start < end <= len(data):
            return False
        if data[start] & 31 in SLICES:
            if data[start] & 0x60:
                return False
            found = True
        at = end
    return False
