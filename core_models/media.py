"""A file on disk as a `Clip`: asks the decoder process and says plainly what went wrong."""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Clip
from core_models.conversation import ask, distrust
from core_models.limits import LIMITS, MAX_FRAMES, SIDE, UNREADABLE, Limits, MediaError
from core_models.notices import LONG, notices
from core_models.reading import ClipInfo, Reading, read_array, read_info, read_window
from core_models.subtitles import Cues, choose_words, plain, read_cues

__all__ = [
    "EXTENSIONS",
    "LIMITS",
    "LONG",
    "MAX_FRAMES",
    "SIDE",
    "UNREADABLE",
    "ClipInfo",
    "Glance",
    "Limits",
    "MediaError",
    "Reading",
    "check",
    "file_key",
    "glance",
    "load_clip",
    "perhaps_playable",
    "playable",
    "preview",
    "probe",
    "thumbnails",
]

EXTENSIONS = frozenset(
    ".mp4 .m4v .mov .3gp .3g2 .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .ogv .ogg .flv .gif "
    ".avif .m4a .mp3 .wav .flac".split()
)
PLAYABLE = {".mp4": "mov", ".m4v": "mov", ".mov": "mov", ".webm": "matroska"}
PLAYABLE_VIDEO = ("h264", "vp8", "vp9", "av1")
PLAYABLE_AUDIO = (None, "aac", "opus", "mp3", "vorbis")  # None: no sound
PLAYABLE_PIXELS = ("yuv420p", "yuvj420p")
RATE = 22050  # samples of sound a second
FilePath = str | os.PathLike[str]


def load_clip(
    path: FilePath,
    text: str = "",
    subtitles: FilePath | None = None,
    frames: int = 8,
    start: float = 0.0,
    length: float | None = None,
    limits: Limits = LIMITS,
    rate: int = RATE,
    *,
    max_seconds: float | None = None,
    known: Reading | None = None,
) -> Clip:
    """Read a window of a file, the whole by default; MediaError says why it cannot be.

    frames: how many to sample, each shown at the middle of one of that many equal segments.
    rate: of the sound, in Hz. Words come from text, else subtitles, else the file itself.
    max_seconds: of the window, instead of limits.max_seconds; a longer file is read up to there.
    known: what the decoder answered for this very window, if it was asked before.
    """
    _check_window(frames, start, length, max_seconds)
    if max_seconds is not None:
        limits = replace(limits, max_seconds=max_seconds)
    source = check(path, limits)
    beside = None if subtitles is None or text.strip() else _subtitle_file(subtitles)
    asked = {"frames": frames, "start": start, "length": length, "rate": rate, "side": SIDE}
    with distrust():
        read = known or read_window(*ask("load", source, limits, **asked))
    words, origin, remarks = choose_words(text, beside, read.cues, read.start, read.end)
    return Clip(
        name=source.name,
        key=file_key(source),
        frames=read.frames,
        times=read.times,
        waveform=read.waveform,
        rate=rate,
        words=words,
        start=read.start,
        duration=read.end - read.start,
        file_duration=read.info.duration,
        size=read.info.size,
        text_source=origin,
        notices=(*notices(read, frames, length, rate), *remarks),
    )


def probe(path: FilePath, limits: Limits = LIMITS) -> ClipInfo:
    """What a file holds; MediaError if it cannot be read."""
    source = check(path, limits)
    with distrust():
        return read_info(ask("probe", source, limits)[0])


def thumbnails(
    path: FilePath, count: int = 12, height: int = 64, limits: Limits = LIMITS
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Times (N,) and small pictures (N, height, W, 3) along the whole file, N at most count."""
    source = check(path, limits)
    with distrust():
        arrays = ask("thumbnails", source, limits, count=count, height=height)[1]
        return read_array(arrays, "times", "float64", 1), read_array(arrays, "frames", "uint8", 4)


@dataclass(frozen=True, eq=False)
class Glance:
    """What a file holds, and pictures (N, H, W, 3) along it. read: all of a short one."""

    info: ClipInfo
    pictures: NDArray[np.uint8]
    read: Reading | None = None


def glance(
    path: FilePath,
    short: tuple[int, int],
    long: tuple[int, int],
    limits: Limits = LIMITS,
    frames: int = 0,
    rate: int = RATE,
) -> Glance:
    """What a file holds, and pictures along it, in one question.

    short, long: how many pictures and how high, of a file of up to LONG seconds, and of a longer.
    frames: with so many of them a short file is read as `load_clip` does, and one is its picture.
    """
    source = check(path, limits)
    whole = {"frames": frames, "start": 0.0, "length": None, "rate": rate, "side": SIDE}
    with distrust():
        facts, arrays = ask("glance", source, limits, seconds=LONG, short=short, long=long, **whole)
        if "waveform" not in arrays:
            return Glance(read_info(facts), read_array(arrays, "frames", "uint8", 4))
        read = read_window(facts, arrays)
    if read.info.duration > LONG:  # longer than it says
        return glance(path, short, long, limits)
    middle = len(read.frames) // 2
    return Glance(read.info, read.frames[middle : middle + 1], read)


def perhaps_playable(path: FilePath) -> bool:
    """Whether browsers may play a file of this name."""
    return Path(path).suffix.lower() in PLAYABLE


def playable(path: FilePath, limits: Limits = LIMITS) -> bool:
    """Whether every browser plays the file as it is: they stop at the first damaged piece."""
    source = check(path, limits)
    if not perhaps_playable(source):
        return False
    kind = PLAYABLE[source.suffix.lower()]
    told, _ = ask(
        "intact", source, limits, formats=[kind], video=PLAYABLE_VIDEO, audio=PLAYABLE_AUDIO,
        pixels=PLAYABLE_PIXELS,
    )  # fmt: skip
    return bool(told["intact"])


def preview(
    path: FilePath,
    out_path: FilePath,
    start: float = 0.0,
    length: float | None = None,
    limits: Limits = LIMITS,
) -> None:
    """Write an MP4 (H.264, AAC, longer side at most 640) of a window, on the same time axis.

    The copy starts at the start of the window. OSError if it cannot be written there.
    """
    source, out = check(path, limits), Path(out_path).resolve()
    part = out.with_name(out.name + ".part")
    part.touch()  # a folder that cannot be written to is no fault of the file
    try:
        ask("preview", source, limits, start=start, length=length, out=str(part))
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


def check(path: FilePath, limits: Limits = LIMITS) -> Path:
    """The absolute path of a file that may be handed to the decoder."""
    source = Path(path).absolute()
    if source.suffix.lower() not in EXTENSIONS:
        raise MediaError(
            f"Files of type {plain(source.suffix)[:12] or '(none)'} are not read; choose a video "
            "such as .mp4, .mov, .webm, .mkv or .avi."
        )
    try:
        size = source.stat().st_size if source.is_file() else -1
    except (OSError, ValueError):
        size = -1
    if size < 0:
        raise MediaError("This file does not exist or cannot be opened; choose it again.")
    if size == 0:
        raise MediaError("This file is empty (0 bytes); choose another one.")
    have, most = round(size / 2**20), round(limits.max_bytes / 2**20)
    if size > limits.max_bytes:
        raise MediaError(f"This file has {have} MB and the limit is {most} MB; cut or compress it.")
    return source


def _check_window(
    frames: int, start: float, length: float | None, max_seconds: float | None
) -> None:
    if not 1 <= frames <= MAX_FRAMES:
        raise MediaError(f"Choose between 1 and {MAX_FRAMES} frames.")
    spans = [span for span in (length, max_seconds) if span is not None]
    if not (math.isfinite(start) and start >= 0 and all(0 < span < math.inf for span in spans)):
        raise MediaError("Choose a window that starts at 0 s or later and is longer than 0 s.")


def file_key(path: FilePath) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _subtitle_file(path: FilePath) -> Cues:
    try:
        return read_cues(Path(path))
    except ValueError as error:
        raise MediaError(str(error)) from None
