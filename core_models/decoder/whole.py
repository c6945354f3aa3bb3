"""What the first bytes and the boxes of a file say: whether it is a film, and all there."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from core_models.decoder.refused import Refused

PICTURES = {
    b"\x89PNG": "PNG", b"\xff\xd8\xff": "JPEG", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"8BPS": "PSD",
}  # fmt: skip
FIRST = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"uuid"})
MAX_BOXES = 10_000


def cut_short(path: str) -> bool:
    """Whether the file ends before it says that it does.

    Refused for a still picture, and for an MP4 or MOV file without a whole index.
    """
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        head = file.read(64)
        kind = next((name for mark, name in PICTURES.items() if head.startswith(mark)), None)
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            kind = "WebP"
        if kind:
            raise Refused(f"This is a still picture ({kind}), not a video; choose a clip.")
        if head[4:8] in FIRST:
            return _cut_boxes(file, size)
    if head[:4] == b"RIFF":
        return 8 + int.from_bytes(head[4:8], "little") > size
    return head[:4] == b"\x1aE\xdf\xa3" and _cut_segment(head, size)


def _cut_boxes(file: BinaryIO, size: int) -> bool:
    """Walks the outermost boxes of an ISO base media file (ISO/IEC 14496-12, section 4.2)."""
    at, indexed = 0, False
    for _ in range(MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head[:8])
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
        length = length or size - at  # 0: to the end
        if length < 8:
            return False  # no box: the decoder shall find out
        if kind == b"moov" and at + length > size:
            break
        indexed = indexed or kind in (b"moov", b"meta")
        at += length
        if at >= size:
            break
    if not indexed:
        raise Refused(
            "The index of this file is missing or cut off; it is incomplete: choose a whole copy."
        )
    return at > size


def _cut_segment(head: bytes, size: int) -> bool:
    """The same for the one segment of a Matroska or WebM file (RFC 8794)."""
    length, used = _number(head[4:])
    at = 4 + used + length
    if head[at : at + 4] != b"\x18S\x80g":
        return False
    length, used = _number(head[at + 4 :])
    endless = length == (1 << 7 * used) - 1  # written live
    return not endless and at + 4 + used + length > size


def _number(data: bytes) -> tuple[int, int]:
    """A number of variable length, and how many bytes it takes."""
    used = 9 - data[0].bit_length() if data and data[0] else 9
    if used > min(8, len(data)):
        return 0, 0
    return int.from_bytes(data[:used], "big") & ((1 << 7 * used) - 1), used
