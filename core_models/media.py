"""A file on disk as a `Clip`: asks the decoder process and says plainly what went wrong."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Clip
from core_models.subtitles import Cue, Cues, choose_words, plain, read_cues

EXTENSIONS = frozenset(
    ".mp4 .m4v .mov .3gp .3g2 .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .ogv .ogg .flv .gif "
    ".m4a .mp3 .wav .flac".split()
)
PLAYABLE = {".mp4": "mov", ".m4v": "mov", ".mov": "mov", ".webm": "matroska"}
PLAYABLE_VIDEO = frozenset({"h264", "vp8", "vp9", "av1"})
PLAYABLE_AUDIO = frozenset({"aac", "opus", "mp3", "vorbis"})
PLAYABLE_PIXELS = frozenset({"yuv420p", "yuvj420p"})
MAX_FRAMES, LONG, SIDE = 256, 30.0, 448
MAX_HEADER = 16_000_000
UNREADABLE = "This is not a video that can be read; it is damaged or of another kind."

FilePath = str | os.PathLike[str]
Arrays = dict[str, NDArray[Any]]
Span = tuple[float, float]
_T = TypeVar("_T")


class MediaError(ValueError):
    """A file that cannot be used; str is one plain sentence for the user."""


@dataclass(frozen=True)
class Limits:
    """What a file may cost: its size and window, and what its decoder may use.

    max_seconds: of one window; a longer file is read up to there. memory: address space, bytes.
    wall_seconds, cpu_seconds: of one question to the decoder; preview_seconds: of a preview.
    """

    max_bytes: int = 200_000_000
    max_seconds: float = 600.0
    max_pixels: int = 8192 * 4320
    wall_seconds: float = 60.0
    cpu_seconds: int = 120
    preview_seconds: int = 300
    memory: int = 3 * 2**30


LIMITS = Limits()


@dataclass(frozen=True)
class ClipInfo:
    """What a file holds.

    duration: seconds, from the timestamps; declared: what the file says, or None.
    size: width and height as shown upright. picture, sound: the seconds that each covers.
    tracks: how many of picture and of sound; the main ones are read.
    """

    format: str
    duration: float
    declared: float | None
    size: tuple[int, int]
    fps: float
    picture: Span
    sound: Span | None
    video_codec: str
    pixels: str
    audio_codec: str | None
    audio_rate: int
    audio_channels: int
    subtitles: tuple[str, ...]
    tracks: tuple[int, int]

    @property
    def has_audio(self) -> bool:
        return self.audio_codec is not None


@dataclass(frozen=True, eq=False)
class Reading:
    """What the decoder answered for one window."""

    info: ClipInfo
    start: float
    end: float
    cues: tuple[Cue, ...]
    faults: int
    broken: int
    lost: int
    readable: bool
    frames: NDArray[np.uint8]
    times: NDArray[np.float64]
    waveform: NDArray[np.float32]


# ---- what can be asked -----------------------------------------------------------------------


def load_clip(
    path: FilePath,
    text: str = "",
    subtitles: FilePath | None = None,
    frames: int = 8,
    start: float = 0.0,
    length: float | None = None,
    limits: Limits = LIMITS,
    rate: int = 22050,
) -> Clip:
    """Read a window of a file, the whole by default; MediaError says why it cannot be.

    frames: how many to sample, each shown at the middle of one of that many equal segments.
    rate: of the sound, in Hz. Words come from text, else subtitles, else the file itself.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise MediaError(f"Choose between 1 and {MAX_FRAMES} frames.")
    if not (math.isfinite(start) and start >= 0) or not (length is None or 0 < length < math.inf):
        raise MediaError("Choose a window that starts at 0 s or later and is longer than 0 s.")
    source = check(path, limits)
    beside = None if subtitles is None or text.strip() else _subtitle_file(subtitles)
    asked = {"frames": frames, "start": start, "length": length, "rate": rate, "side": SIDE}
    with _distrust():
        read = _reading(*_ask("load", source, limits, **asked))
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
    with _distrust():
        return _info(_ask("probe", source, limits)[0])


def thumbnails(
    path: FilePath, count: int = 12, height: int = 64, limits: Limits = LIMITS
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Times (N,) and small pictures (N, height, W, 3) along the whole file, N at most count."""
    source = check(path, limits)
    with _distrust():
        arrays = _ask("thumbnails", source, limits, count=count, height=height)[1]
        return _array(arrays, "times", "float64", 1), _array(arrays, "frames", "uint8", 4)


def playable(path: FilePath, limits: Limits = LIMITS) -> bool:
    """Whether every browser plays the file as it is."""
    info = probe(path, limits)
    return (
        info.format.split(",")[0] == PLAYABLE.get(Path(path).suffix.lower())
        and info.video_codec in PLAYABLE_VIDEO
        and info.pixels in PLAYABLE_PIXELS
        and info.audio_codec in {None, *PLAYABLE_AUDIO}
    )


def preview(
    path: FilePath,
    out_path: FilePath,
    start: float = 0.0,
    length: float | None = None,
    limits: Limits = LIMITS,
) -> None:
    """Write an MP4 (H.264, AAC, longer side at most 640) of a window, on the same time axis.

    The copy starts at the start of the window.
    """
    source, out = check(path, limits), Path(out_path).resolve()
    part = out.with_name(out.name + ".part")
    try:
        _ask("preview", source, limits, start=start, length=length, out=str(part))
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)


# ---- before anything is opened ---------------------------------------------------------------


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
    if size > limits.max_bytes:
        raise MediaError(
            f"This file has {size / 1e6:.0f} MB and the limit is {limits.max_bytes / 1e6:.0f} MB; "
            "cut or compress it."
        )
    return source


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


# ---- what was read, in words -----------------------------------------------------------------


def notices(read: Reading, asked: int, length: float | None, rate: int) -> tuple[str, ...]:
    """One sentence for everything that was missing, cut or assumed."""
    return tuple(_window_notices(read, asked, length)) + tuple(_sound_notices(read, rate))


def _window_notices(read: Reading, asked: int, length: float | None) -> Iterator[str]:
    info, count, span = read.info, len(read.times), read.end - read.start
    if info.declared and info.duration < info.declared - max(0.15, 0.01 * info.declared):
        yield (
            f"The file breaks off at {info.duration:.1f} s of {info.declared:.1f} s; "
            "only that part was read."
        )
    if length is None and read.end < info.duration - 0.01:
        yield (
            f"Only {span:.0f} s of {info.duration:.0f} s were read; "
            "choose a window to see another part."
        )
    elif length is not None and span < length - 0.1:
        yield f"The window was shortened from {length:.1f} s to {span:.1f} s."
    if length is None and span > LONG and count > 1:
        yield (
            f"{count} frames over {span:.0f} s: one every {span / count:.1f} s; "
            "choose a window to look closer."
        )
    if count < asked:
        yield f"This window holds only {count} of the {asked} frames asked for."
    low, high = info.picture
    if low > read.start + 0.5 or high < read.end - 0.5:
        yield f"The picture covers {low:.1f} s to {high:.1f} s of {info.duration:.1f} s."
    if read.faults:
        yield f"Damaged pieces of the picture were left out: {read.faults}."
    if max(info.tracks) > 1:
        yield (
            f"The file has {info.tracks[0]} picture and {info.tracks[1]} sound tracks; "
            "the main ones were read."
        )


def _sound_notices(read: Reading, rate: int) -> Iterator[str]:
    info, wave = read.info, read.waveform
    if not info.has_audio:
        yield "This clip has no sound track."
    elif not len(wave) and not read.readable and info.audio_codec != "unknown":
        yield f"The sound is coded as {info.audio_codec}, which is not read here."
    elif not len(wave):
        yield "No sound could be read in this window."
    else:
        low, high = info.sound or (read.start, read.end)
        if low > read.start + 0.5 or read.start + len(wave) / rate < read.end - 0.5:
            yield f"The sound covers {low:.1f} s to {high:.1f} s of {info.duration:.1f} s."
        if float(np.abs(wave).max()) < 1e-4:
            yield "The sound is silent."
    if read.lost:
        yield f"Damaged pieces of the sound were left out: {read.lost}."
    if read.broken:
        yield f"{read.broken:,} sound samples were not valid numbers and were set to 0."


# ---- the decoder process ---------------------------------------------------------------------


@contextlib.contextmanager
def _distrust() -> Iterator[None]:
    """An answer that does not have its form is a file that cannot be read."""
    try:
        yield
    except MediaError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, struct.error):
        raise MediaError(UNREADABLE) from None


def _ask(task: str, source: Path, limits: Limits, **asked: Any) -> tuple[Any, Arrays]:
    """Facts and arrays from a decoder process of its own."""
    writes = task == "preview"
    request = {"task": task, "path": str(source), **asked}
    request |= {"max_pixels": limits.max_pixels, "max_seconds": limits.max_seconds}
    request |= {"memory": limits.memory, "file_size": limits.max_bytes if writes else 0}
    request["cpu_seconds"] = 2 * limits.preview_seconds if writes else limits.cpu_seconds
    seconds = limits.preview_seconds if writes else limits.wall_seconds
    largest = MAX_HEADER + MAX_FRAMES * SIDE * SIDE * 3
    largest += 4 * math.ceil(limits.max_seconds * asked.get("rate", 0))
    with _distrust():
        facts, arrays = _parse(_converse(json.dumps(request).encode(), seconds, largest))
        if "refused" in facts:
            raise MediaError(plain(str(facts["refused"]))[:300])
        return facts, arrays


def _converse(request: bytes, seconds: float, largest: int) -> bytearray:
    """The answer of a decoder, which is stopped after some seconds or too many bytes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "core_models.decoder"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=os.path.abspath(os.sep),
        env=_environment(),
        start_new_session=True,
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(seconds, stop)
    timer.start()
    reply = bytearray()
    with process:
        try:
            assert process.stdin and process.stdout
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(request)
                process.stdin.close()
            while len(reply) <= largest and (block := process.stdout.read(1 << 20)):
                reply += block
            if len(reply) <= largest:
                process.wait()
        finally:
            timer.cancel()
            _kill(process)
    if late.is_set() or -process.returncode == getattr(signal, "SIGXCPU", None):
        raise MediaError(f"Reading this file took longer than {seconds:g} s; try a shorter clip.")
    if process.returncode:
        raise MediaError(
            "The decoder stopped on this file, which is damaged or unusual; "
            "convert it to H.264 in an MP4 file and try again."
        )
    return reply


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


def _environment() -> dict[str, str]:
    """No more than Python needs to find the same packages: no keys, tokens or proxies."""
    kept = {n: os.environ[n] for n in ("SYSTEMROOT", "LD_LIBRARY_PATH") if n in os.environ}
    root = str(Path(__file__).resolve().parents[1])
    packages = [root, *(p for p in sys.path if os.path.isabs(p) and p != root)]
    return kept | {
        "PATH": os.defpath,
        "HOME": os.path.abspath(os.sep),
        "PYTHONPATH": os.pathsep.join(packages),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def _parse(reply: bytearray) -> tuple[Any, Arrays]:
    """Facts and arrays out of an answer; ValueError unless every byte is accounted for."""
    (size,) = struct.unpack(">I", reply[:4])
    header = json.loads(reply[4 : 4 + size])
    rest = memoryview(reply)[4 + size :]
    arrays: Arrays = {}
    for name, kind, shape in header["arrays"]:
        if kind not in ("uint8", "float32", "float64") or min(shape, default=0) < 0:
            raise ValueError("an array of an unknown kind")
        count = math.prod(shape)
        flat = np.frombuffer(rest, np.dtype(kind), count) if count else np.zeros(0, kind)
        arrays[str(name)] = flat.reshape(shape)
        rest = rest[flat.nbytes :]
    if len(rest):
        raise ValueError("bytes that belong to no array")
    return header["facts"], arrays


def _array(arrays: Arrays, name: str, kind: str, dims: int) -> NDArray[Any]:
    array = arrays[name]
    if array.dtype != np.dtype(kind) or array.ndim != dims:
        raise ValueError(f"{name} is not {kind} with {dims} dimensions")
    return np.ascontiguousarray(array)


def _reading(facts: Any, arrays: Arrays) -> Reading:
    read = Reading(
        info=_info(facts),
        start=_number(facts["start"]),
        end=_number(facts["end"]),
        cues=tuple((_number(a), _number(b), str(c)) for a, b, c in facts["cues"]),
        faults=int(facts["faults"]),
        broken=int(facts["broken"]),
        lost=int(facts["lost"]),
        readable=bool(facts["readable"]),
        frames=_array(arrays, "frames", "uint8", 4),
        times=_array(arrays, "times", "float64", 1),
        waveform=_array(arrays, "waveform", "float32", 1),
    )
    if not len(read.frames) == len(read.times) > 0 or read.frames.shape[3] != 3:
        raise ValueError("frames and times do not agree")
    return read


def _info(facts: Any) -> ClipInfo:
    sound, declared, codec = facts["sound"], facts["declared"], facts["audio_codec"]
    return ClipInfo(
        format=_name(facts["format"]),
        duration=_number(facts["duration"]),
        declared=None if declared is None else _number(declared),
        size=_pair(facts["size"], int),
        fps=_number(facts["fps"]),
        picture=_pair(facts["picture"], _number),
        sound=None if sound is None else _pair(sound, _number),
        video_codec=_name(facts["video_codec"]),
        pixels=_name(facts["pixels"]),
        audio_codec=None if codec is None else _name(codec),
        audio_rate=int(facts["audio_rate"]),
        audio_channels=int(facts["audio_channels"]),
        subtitles=tuple(_name(s) for s in facts["subtitles"]),
        tracks=_pair(facts["tracks"], int),
    )


def _number(value: Any) -> float:
    if not math.isfinite(number := float(value)):
        raise ValueError("a number that is not finite")
    return number


def _name(value: Any) -> str:
    return "".join(c for c in str(value) if c.isascii() and (c.isalnum() or c in ",._-"))[:64]


def _pair(values: Any, kind: Callable[[Any], _T]) -> tuple[_T, _T]:
    first, second = values
    return kind(first), kind(second)
