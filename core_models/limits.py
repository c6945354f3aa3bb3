"""What a file may cost, and the one error for a file that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite

MAX_FRAMES, SIDE = 256, 448  # of a clip; pixels of the longer side of a frame
UNREADABLE = (
    "This is not a video that can be read; it is damaged, incomplete, encrypted or of another "
    "kind: choose another file."
)
PREFIX = "FUSIONSCOPE_"


class MediaError(ValueError):
    """A file that cannot be used; str is one plain sentence for the user."""


@dataclass(frozen=True)
class Limits:
    """What a file may cost: its size and window, and what its decoder may use.

    max_seconds: of one window; a longer file is read up to there. max_frames: of the picture in
    the whole file. max_streams: tracks of every kind. max_rate: samples of sound per second.
    memory: address space, bytes. wall_seconds, cpu_seconds: of one question to the decoder;
    preview_seconds: of a preview.
    tick: called while the decoder works; what it raises ends the decoder and is passed on.
    """

    max_bytes: int = 200 * 2**20
    max_seconds: float = 600.0
    max_pixels: int = 8192 * 4320
    max_frames: int = 500_000
    max_streams: int = 64
    max_rate: int = 384_000
    wall_seconds: float = 60.0
    cpu_seconds: int = 120
    preview_seconds: int = 300
    memory: int = 3 * 2**30
    tick: Callable[[], None] = lambda: None


def configured(environment: Mapping[str, str]) -> Limits:
    """The limits, with those that the environment sets: FUSIONSCOPE_MAX_SECONDS=60 and so on.

    ValueError names a variable that is not a number above 0.
    """
    chosen = {}
    numbers = {n: v for n, v in vars(Limits()).items() if not callable(v)}
    for name, usual in numbers.items():
        variable = PREFIX + name.upper()
        if text := environment.get(variable, "").strip():
            try:
                value = float(text)
            except ValueError:
                value = 0.0
            if not (isfinite(value) and type(usual)(value) > 0):
                raise ValueError(f"{variable} must be a number above 0, not “{text}”.")
            chosen[name] = type(usual)(value)
    return Limits(**chosen)


try:
    LIMITS = configured(os.environ)
except ValueError as error:  # of whoever starts the program, who is told in one line
    raise SystemExit(str(error)) from None
