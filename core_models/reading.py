"""What the decoder says of a file, as values of checked form."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from core_models.conversation import Arrays
from core_models.subtitles import Cue, plain

Span = tuple[float, float]
_T = TypeVar("_T")


@dataclass(frozen=True)
class ClipInfo:
    """What a file holds.

    duration: seconds, from the timestamps; declared: what the file says, or None.
    size: width and height as shown upright. picture, sound: the seconds that each covers.
    frames: how many of the picture are whole, and how many the file lists, 0 where it does not.
    tracks: how many of picture and of sound; read: the numbers in the file of those that are read.
    """

    format: str
    duration: float
    declared: float | None
    size: tuple[int, int]
    fps: float
    frames: tuple[int, int]
    picture: Span
    sound: Span | None
    video_codec: str
    pixels: str
    audio_codec: str | None
    audio_rate: int
    audio_channels: int
    subtitles: tuple[str, ...]
    tracks: tuple[int, int]
    read: tuple[int, ...]

    @property
    def has_audio(self) -> bool:
        return self.audio_codec is not None


@dataclass(frozen=True, eq=False)
class Reading:
    """What the decoder answered for one window.

    faults, lost: pieces of picture and of sound that could not be decoded. broken: samples that
    were no numbers. unread: the sentence that says why the sound was left out, or "".
    """

    info: ClipInfo
    start: float
    end: float
    cues: tuple[Cue, ...]
    faults: int
    broken: int
    lost: int
    unread: str
    frames: NDArray[np.uint8]
    times: NDArray[np.float64]
    waveform: NDArray[np.float32]


def read_window(facts: Any, arrays: Arrays) -> Reading:
    """A window out of an answer; ValueError or the like where it has not the right form."""
    read = Reading(
        info=read_info(facts),
        start=_number(facts["start"]),
        end=_number(facts["end"]),
        cues=tuple((_number(a), _number(b), str(c)) for a, b, c in facts["cues"]),
        faults=int(facts["faults"]),
        broken=int(facts["broken"]),
        lost=int(facts["lost"]),
        unread=plain(str(facts["unread"]))[:300],
        frames=read_array(arrays, "frames", "uint8", 4),
        times=read_array(arrays, "times", "float64", 1),
        waveform=read_array(arrays, "waveform", "float32", 1),
    )
    if not len(read.frames) == len(read.times) > 0 or read.frames.shape[3] != 3:
        raise ValueError("frames and times do not agree")
    return read


def read_info(facts: Any) -> ClipInfo:
    """What a file holds, out of the facts of an answer."""
    sound, declared, codec = facts["sound"], facts["declared"], facts["audio_codec"]
    return ClipInfo(
        format=_name(facts["format"]),
        duration=_number(facts["duration"]),
        declared=None if declared is None else _number(declared),
        size=_pair(facts["size"], int),
        fps=_number(facts["fps"]),
        frames=_pair(facts["frames"], int),
        picture=_pair(facts["picture"], _number),
        sound=None if sound is None else _pair(sound, _number),
        video_codec=_name(facts["video_codec"]),
        pixels=_name(facts["pixels"]),
        audio_codec=None if codec is None else _name(codec),
        audio_rate=int(facts["audio_rate"]),
        audio_channels=int(facts["audio_channels"]),
        subtitles=tuple(_name(s) for s in facts["subtitles"]),
        tracks=_pair(facts["tracks"], int),
        read=tuple(int(n) for n in facts["read"][:2]),
    )


def read_array(arrays: Arrays, name: str, kind: str, dims: int) -> NDArray[Any]:
    """An array of an answer, of one kind and number of dimensions."""
    array = arrays[name]
    if array.dtype != np.dtype(kind) or array.ndim != dims:
        raise ValueError(f"{name} is not {kind} with {dims} dimensions")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds what is not a number")
    return np.ascontiguousarray(array)


def _number(value: Any) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError("a number that is not finite")
    return number


def _name(value: Any) -> str:
    return "".join(c for c in str(value) if c.isascii() and (c.isalnum() or c in ",._-"))[:64]


def _pair(values: Any, kind: Callable[[Any], _T]) -> tuple[_T, _T]:
    first, second = values
    return kind(first), kind(second)
