"""What a file may cost, and the one error for a file that cannot be used."""

from __future__ import annotations

from dataclasses import dataclass

MAX_FRAMES, SIDE = 256, 448  # of a clip; pixels of the longer side of a frame
UNREADABLE = "This is not a video that can be read; it is damaged or of another kind."


class MediaError(ValueError):
    """A file that cannot be used; str is one plain sentence for the user."""


@dataclass(frozen=True)
class Limits:
    """What a file may cost: its size and window, and what its decoder may use.

    max_seconds: of one window; a longer file is read up to there. memory: address space, bytes.
    wall_seconds, cpu_seconds: of one question to the decoder; preview_seconds: of a preview.
    """

    max_bytes: int = 200 * 2**20
    max_seconds: float = 600.0
    max_pixels: int = 8192 * 4320
    wall_seconds: float = 60.0
    cpu_seconds: int = 120
    preview_seconds: int = 300
    memory: int = 3 * 2**30


LIMITS = Limits()
