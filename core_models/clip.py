"""What a clip is: sampled frames, mono sound and words, each with its time in the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Modality = Literal["video", "audio", "text"]
MODALITIES: tuple[Modality, ...] = ("video", "audio", "text")

# What a map may lie between: modalities, bottleneck tokens, class tokens, the words of a caption.
Stream = Literal["video", "audio", "text", "bottleneck", "video-cls", "audio-cls", "caption"]

TextSource = Literal["none", "typed", "subtitles", "embedded", "generated"]


@dataclass(frozen=True)
class Word:
    """One word of the text; start and end in seconds, or None where the text has no timing."""

    text: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, eq=False)
class Clip:
    """A decoded clip: everything a model may look at, and what had to be assumed.

    frames: uint8 (T, H, W, 3), upright; T = 0 when there is no picture.
    times: float64 (T,), seconds from the start of the file, increasing.
    waveform: float32 (S,), mono in [-1, 1]; S = 0 when there is no sound.
    start, duration: the window that was read, in seconds of the file.
    size: width and height of the upright picture in the file, in pixels.
    key: sha256 of the file's bytes, in hexadecimal.
    notices: one plain sentence for everything that was missing, cut or assumed.
    """

    name: str
    key: str
    frames: NDArray[np.uint8]
    times: NDArray[np.float64]
    waveform: NDArray[np.float32]
    rate: int
    words: tuple[Word, ...]
    start: float
    duration: float
    file_duration: float
    size: tuple[int, int]
    text_source: TextSource = "none"
    notices: tuple[str, ...] = ()

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that this clip really has."""
        sizes = (len(self.frames), len(self.waveform), len(self.words))
        return tuple(m for m, size in zip(MODALITIES, sizes, strict=True) if size)
