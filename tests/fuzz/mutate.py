"""Damage to files: flipped bits, cuts, splices, and sizes in boxes that lie."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

SIZES = (0, 1, 7, 8, 9, 0x7FFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)
# What a length stands before or behind, in MP4, AVI and WAV, and the markers of other formats.
NAMES = (
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"stts", b"stsc", b"stsz", b"stco",
    b"tkhd", b"mdhd", b"mvhd", b"elst", b"avcC", b"esds", b"mdat", b"ftyp", b"RIFF", b"strh",
    b"strf", b"movi", b"idx1", b"data", b"fmt ", b"tx3g", b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b",
    b"\x1a\x45\xdf\xa3", b"\x2c\x00\x00", b"\x21\xf9", b"\x47\x40",
)  # fmt: skip
Damage = Callable[[bytearray, bytes, random.Random], bytearray]


def flip(data: bytearray, other: bytes, dice: random.Random) -> bytearray:
    """Some bits anywhere."""
    for _ in range(dice.choice((1, 2, 8, 64))):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return data


def cut(data: bytearray, other: bytes, dice: random.Random) -> bytearray:
    """The end, the start or the middle taken out."""
    first, last = sorted(dice.randrange(len(data) + 1) for _ in range(2))
    return dice.choice((data[:last], data[first:], data[:first] + data[last:])) or data[:1]


def splice(data: bytearray, other: bytes, dice: random.Random) -> bytearray:
    """A piece of another file, put in or written over."""
    first, last = sorted(dice.randrange(len(other) + 1) for _ in range(2))
    at, piece = dice.randrange(len(data)), other[first:last]
    return data[:at] + piece + data[at + dice.choice((0, len(piece))) :]


def resize(data: bytearray, other: bytes, dice: random.Random) -> bytearray:
    """A lie about a length, or about what stands beside it."""
    found = [at for name in NAMES for at in _places(bytes(data), name)]
    at = dice.choice(found or [0]) + dice.choice((-4, 4, 8, 12, 16, 20))
    value = dice.choice((*SIZES, dice.randrange(2**32)))
    if 0 <= at <= len(data) - 4:
        data[at : at + 4] = struct.pack(dice.choice((">I", "<I")), value)
    return data


def fill(data: bytearray, other: bytes, dice: random.Random) -> bytearray:
    """A stretch of zeros or of ones, or one piece again and again."""
    at, size = dice.randrange(len(data)), dice.randrange(1, 200)
    new = dice.choice((b"\0" * size, b"\xff" * size, bytes(data[at : at + 8]) * 50))
    data[at : at + len(new)] = new
    return data


DAMAGES: tuple[Damage, ...] = (flip, cut, splice, resize, resize, fill)


def damaged(data: bytes, other: bytes, seed: int) -> bytes:
    """One to four kinds of damage; the same for the same seed."""
    dice, out = random.Random(seed), bytearray(data or b"\0")
    for _ in range(dice.choice((1, 1, 2, 4))):
        out = dice.choice(DAMAGES)(out, other or b"\0", dice) or bytearray(b"\0")
    return bytes(out)


def _places(data: bytes, name: bytes, most: int = 20) -> list[int]:
    found: list[int] = []
    at = data.find(name)
    while at >= 0 and len(found) < most:
        found.append(at)
        at = data.find(name, at + 1)
    return found
