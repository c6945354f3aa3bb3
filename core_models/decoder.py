"""The process that touches untrusted bytes: one request in, numbers and pictures out.

`python -m core_models.decoder` reads a JSON request on standard input and answers on standard
output with a length, a JSON header and raw arrays. `core_models.media` asks; nothing else does.
All times are seconds from the start of the file, as a browser's player counts them.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,ogg,flv,gif,"
    "wav,flac,mp3",
}
VIDEO_CODECS = frozenset(
    "h264 hevc av1 vp8 vp9 mpeg1video mpeg2video mpeg4 msmpeg4v2 msmpeg4v3 h263 flv1 theora "
    "mjpeg prores dnxhd ffv1 gif png rawvideo".split()
)
AUDIO_CODECS = frozenset(
    "aac mp3 mp2 ac3 eac3 opus vorbis flac alac pcm_u8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be "
    "pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_f64be pcm_alaw pcm_mulaw".split()
)
TEXT_CODECS = frozenset({"mov_text", "subrip", "webvtt", "ass", "text"})
SEEKABLE = frozenset({"mov", "matroska"})
SCALING = Interpolation.BICUBIC | Interpolation.ACCURATE_RND
MAX_RATE, MAX_CHANNELS, MAX_CUES, MAX_LETTERS = 384_000, 64, 2000, 500
THREADS = min(4, os.cpu_count() or 1)
THUMBNAIL_WIDTH, PREVIEW_SIDE, PREVIEW_RATE, PREVIEW_FPS = 8, 640, 48_000, 60

Image = NDArray[np.uint8]
Shot = tuple[float, Image]
Turn = tuple[bool, bool, bool]
Request = dict[str, Any]
Answer = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class Refused(Exception):
    """A file that is not read; the message is one plain sentence for the user."""


# ---- opening ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Source:
    """An open file, the streams that are read, and the second at which its time starts."""

    container: Any
    video: Any
    audio: Any
    captions: Any
    origin: float

    def time(self, item: Any) -> float | None:
        """When a packet or frame is shown, or None if it does not say."""
        stamp = item.dts if item.pts is None else item.pts
        if stamp is None or not item.time_base:
            return None
        return float(stamp * item.time_base) - self.origin


def codec_of(stream: Any) -> str:
    context = stream.codec_context
    return "unknown" if context is None else str(context.codec.canonical_name)


def family(container: Any) -> str:
    return str(container.format.name.split(",")[0])


def pictures(container: Any) -> list[Any]:
    """The video streams that move: cover art is not video."""
    cover = av.stream.Disposition.attached_pic
    return [s for s in container.streams.video if not s.disposition & cover]


def best(container: Any, kind: str, streams: Sequence[Any]) -> Any:
    """The stream that a player would choose, out of those given, or None."""
    choice = container.streams.best(kind)
    if choice is not None and any(choice.index == s.index for s in streams):
        return choice
    return streams[0] if streams else None


def origin_of(*streams: Any) -> float:
    """Where time starts: at the first picture or sound, as in a browser."""
    known = [s for s in streams if s is not None and s.start_time is not None and s.time_base]
    return min((float(s.start_time * s.time_base) for s in known), default=0.0)


def open_source(request: Request) -> Source:
    """The file with its main picture, sound and text; refuses what is not on the lists."""
    limit = str(request["max_pixels"])
    container = av.open(
        request["path"], options=OPTIONS | {"max_pixels": limit}, metadata_errors="replace"
    )
    video = best(container, "video", pictures(container))
    if video is None:
        raise Refused("This file has no video track; choose a clip with a picture.")
    if codec_of(video) == "unknown":
        raise Refused("The picture of this file cannot be identified; it is damaged or incomplete.")
    if codec_of(video) not in VIDEO_CODECS:
        raise Refused(
            f"The picture is coded as {codec_of(video)}, which is not read here; "
            "convert the clip to H.264 in an MP4 file."
        )
    video.codec_context.options = {"max_pixels": limit}
    video.codec_context.thread_count = THREADS
    video.thread_type = "AUTO"
    audio = best(container, "audio", container.streams.audio)
    text = [s for s in container.streams.subtitles if codec_of(s) in TEXT_CODECS]
    wanted = {s.index for s in (video, audio, *text[:1]) if s is not None}
    for stream in container.streams:
        if stream.index not in wanted:
            stream.discard = av.stream.Discard.all
    return Source(container, video, audio, text[0] if text else None, origin_of(video, audio))


# ---- one pass over the packets ---------------------------------------------------------------


@dataclass(frozen=True)
class Index:
    """What the packets say: key frames, the spans of picture and sound, and the file's end."""

    keys: tuple[float, ...]
    count: int
    picture: tuple[float, float]
    sound: tuple[float, float] | None
    declared: float | None

    @property
    def end(self) -> float:
        return max(self.picture[1], self.sound[1] if self.sound else 0.0)


def packets(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets of the streams, up to the end or to the first break in the file."""
    with contextlib.suppress(av.FFmpegError):
        yield from container.demux(*(s for s in streams if s is not None))


def scan(source: Source, sound: Sound | None = None, cues: list[Any] | None = None) -> Index:
    """Read the file once, decoding the sound and the text on the way."""
    shown: list[float] = []
    keys: list[float] = []
    spans: dict[str, list[float]] = {}
    streams = source.video, source.audio, source.captions if cues is not None else None
    for packet in packets(source.container, *streams):
        at, kind = source.time(packet), packet.stream.type
        if kind == "audio" and sound is not None:
            sound.feed(source, packet, at)
        if at is None or not packet.size:
            continue
        if not packet.is_discard:
            span = spans.setdefault(kind, [at, at])
            lasts = min(60.0, float((packet.duration or 0) * packet.time_base))
            span[0], span[1] = min(span[0], at), max(span[1], at + lasts)
        if kind == "video":
            shown.append(at)
            if packet.is_keyframe:
                keys.append(at)
        elif kind == "subtitle" and cues is not None and len(cues) < MAX_CUES:
            cues.extend(cue(packet, at))
    if not shown:
        raise Refused("No frame of this video could be read; it is damaged or incomplete.")
    first, last = spans.get("video", [min(shown), max(shown)])
    if last == max(shown):  # the last frame does not say how long it stays
        last += (last - first) / max(1, len(shown) - 1)
    heard = spans.get("audio")
    return Index(
        keys=tuple(sorted(set(keys))),
        count=len(shown),
        picture=(max(0.0, first), max(last, first + 0.001)),
        sound=(max(0.0, heard[0]), heard[1]) if heard else None,
        declared=declared_length(source),
    )


def declared_length(source: Source) -> float | None:
    """The length that the file claims for picture and sound, where it does."""
    streams = [s for s in (source.video, source.audio) if s is not None]
    ends = [
        float(((s.start_time or 0) + s.duration) * s.time_base) - source.origin
        for s in streams
        if s.duration and s.time_base
    ]
    whole = source.container.duration
    if not ends and family(source.container) in SEEKABLE and whole:
        return None if source.container.streams.subtitles else float(whole / av.time_base)
    return max(ends, default=None)


def cue(packet: Any, at: float) -> list[tuple[float, float, str]]:
    """The subtitles in a packet: start, end and text with its markup."""
    lasts = float((packet.duration or 0) * packet.time_base)
    try:
        lines = [s.dialogue for s in packet.decode() if s.type in (b"ass", b"text")]
    except (av.FFmpegError, ValueError):
        return []
    return [(at, at + lasts, line.decode("utf-8", "replace")[:MAX_LETTERS]) for line in lines]


# ---- sound -----------------------------------------------------------------------------------


class Sound:
    """The sound of a window as mono float32 at one rate, placed by its timestamps."""

    def __init__(self, start: float, length: float, rate: int) -> None:
        self.start, self.length, self.rate = start, length, rate
        self.native = 0  # samples per second in the file
        self.placed = 0  # native samples so far, from the start of the window
        self.broken = 0  # samples that were not numbers, or not sound
        self.faults = 0  # packets that could not be decoded
        self.usable = True
        self.shape: tuple[str, str, int] | None = None
        self.blocks: list[NDArray[np.float32]] = []

    def feed(self, source: Source, packet: Any, at: float | None) -> None:
        """Decode a packet if it can hold sound of the window."""
        early = at is not None and at < self.start - 1.0
        late = at is not None and at > self.start + self.length
        if early or late or not self.usable:
            return
        if codec_of(packet.stream) not in AUDIO_CODECS:
            self.usable = False
            return
        try:
            for frame in packet.decode():
                self.take(frame, source.time(frame))
        except (av.FFmpegError, ValueError):
            self.faults += 1

    def take(self, frame: Any, at: float | None) -> None:
        channels = frame.layout.nb_channels
        if not 0 < frame.sample_rate <= MAX_RATE or not 0 < channels <= MAX_CHANNELS:
            self.usable = False
            return
        if not self.native:
            self.native = frame.sample_rate
            self.out = av.AudioResampler("flt", "mono", self.rate)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self.shape:  # packed first: reading many planes at once is not safe in av
            self.shape = shape
            self.pack = av.AudioResampler("flt", frame.layout, self.native)
        for packed in self.pack.resample(frame):
            samples = packed.to_ndarray().reshape(-1, channels)
            odd = ~(np.abs(samples) < 1e3)
            self.broken += int(odd.sum())
            mono = np.where(odd, 0, samples).clip(-1, 1).mean(axis=1, dtype=np.float32)
            self.place(mono, at)
            at = None

    def place(self, mono: NDArray[np.float32], at: float | None) -> None:
        """Put samples where their time says, with silence in gaps; small jitter is ignored."""
        gap = 0 if at is None else round((at - self.start) * self.native) - self.placed
        if self.placed and abs(gap) <= self.native // 20:
            gap = 0
        total = round(self.length * self.native)
        while gap > 0 and self.placed < total:
            step = min(gap, self.native, total - self.placed)
            self.push(np.zeros(step, np.float32))
            gap -= step
        self.push(mono[max(0, -gap) :][: max(0, total - self.placed)])

    def push(self, mono: NDArray[np.float32]) -> None:
        if not len(mono):
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono)[None], "flt", "mono")
        frame.sample_rate = self.native
        frame.pts, frame.time_base = self.placed, Fraction(1, self.native)
        self.placed += len(mono)
        self.collect(self.out.resample(frame))

    def collect(self, frames: list[Any]) -> None:
        self.blocks += [f.to_ndarray()[0].copy() for f in frames if f is not None]

    def finish(self, length: float) -> NDArray[np.float32]:
        """The waveform (S,) in [-1, 1] from the start of the window, at most `length` long."""
        if self.placed:
            self.collect(self.out.resample(None))
        wave = np.concatenate([*self.blocks, np.zeros(0, np.float32)])
        return wave[: round(length * self.rate)].clip(-1, 1).astype(np.float32)


# ---- pictures --------------------------------------------------------------------------------


def decoded(source: Source, faults: list[int]) -> Iterator[tuple[float, Any]]:
    """Frames in the order of showing, with their times; faults[0] counts damaged packets."""
    last = 0.0
    for packet in packets(source.container, source.video):
        try:
            frames = packet.decode()
        except av.error.EOFError:
            return
        except (av.FFmpegError, ValueError):
            faults[0] += 1
            continue
        for frame in frames:
            at = source.time(frame)
            last = last if at is None else at
            yield last, frame


def seek(source: Source, key: float, target: float) -> bool:
    """Go to a key frame; False if the file lands behind the target."""
    stamp = round((key + source.origin) / float(source.video.time_base))
    try:
        source.container.seek(stamp, stream=source.video)
        packet = next(packets(source.container, source.video))
        at = source.time(packet)
        source.container.seek(stamp, stream=source.video)
    except (av.FFmpegError, StopIteration):
        return False
    return at is not None and packet.is_keyframe and at <= target


def select(
    shown: Iterable[tuple[float, Any]], targets: Sequence[float], paint: Callable[[Any], Image]
) -> list[Shot]:
    """For each target the last frame shown at or before it, else the first; no frame twice."""
    shots: list[Shot] = []
    current: tuple[float, Any] | None = None

    def keep(at: float, frame: Any) -> None:
        if not shots or at > shots[-1][0]:
            shots.append((at, paint(frame)))

    done = 0
    for here in shown:
        while done < len(targets) and targets[done] < here[0]:
            keep(*(current or here))
            done += 1
        if done == len(targets):
            return shots
        current = here
    if current:
        keep(*current)
    return shots


def shoot(
    request: Request, targets: Sequence[float], keys: Sequence[float], painter: Painter
) -> tuple[list[Shot], int]:
    """Pictures for the targets, and how many packets were damaged.

    Decodes a group of pictures only if it holds a target. Without keys, and where a key frame
    cannot be trusted, it decodes everything in order, which gives the same pictures.
    """
    source = open_source(request)
    if family(source.container) not in SEEKABLE:
        keys = ()
    shots: list[Shot] = []
    faults = [0]
    for slot, group in groupby(targets, lambda t: max(1, bisect_right(keys, t))):
        wanted = list(group)
        if slot > 1 and not seek(source, keys[slot - 1], wanted[0]):
            return shoot(request, targets, (), painter)
        part = select(decoded(source, faults), wanted, lambda f: painter(f, source.video))
        if slot > 1 and (not part or part[0][0] > wanted[0]):
            return shoot(request, targets, (), painter)
        shots += [shot for shot in part if not shots or shot[0] > shots[-1][0]]
    if not shots:
        raise nothing_decoded(source, request)
    return shots, faults[0]


QUARTERS = ((False, False, False), (True, False, True), (False, True, True), (True, True, False))


def turn(frame: Any) -> Turn:
    """How to make a frame upright: transpose, then flip left-right, then up-down."""
    try:
        side = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # beside it lies something that av has no name for
        return QUARTERS[round(frame.rotation / 90) % 4]
    data = bytes(side) if side is not None else bytes(36)
    a, b, _, c, d = struct.unpack("=5i", data[:20])
    swap = abs(b) + abs(c) > abs(a) + abs(d)
    return swap, (c if swap else a) < 0, (b if swap else d) < 0


def upright(image: Image, how: Turn) -> Image:
    """A (H, W, 3) picture turned and flipped."""
    swap, mirror, flip = how
    image = image.swapaxes(0, 1) if swap else image
    image = image[:, ::-1] if mirror else image
    return np.ascontiguousarray(image[::-1] if flip else image)


def display_size(frame: Any, video: Any) -> tuple[int, int]:
    """Width and height as shown, before turning: pixels that are not square count."""
    aspect = float(video.sample_aspect_ratio or 1)
    aspect = aspect if 0.1 < aspect < 10 else 1.0
    return max(1, round(frame.width * aspect)), frame.height


def fit(size: tuple[int, int], bound: tuple[int, int], step: int = 1) -> tuple[int, int]:
    """The size scaled down to lie within the bound, both sides multiples of step."""
    scale = min(1.0, bound[0] / size[0], bound[1] / size[1])
    width, height = (max(step, round(side * scale / step) * step) for side in size)
    return width, height


class Painter:
    """Frames as upright RGB, all of one size: that of the first, scaled down into a bound."""

    def __init__(self, bound: tuple[int, int], step: int = 1) -> None:
        self.bound, self.step = bound, step
        self.size = self.shown = (0, 0)  # scaled, as stored; in the file, upright
        self.how = QUARTERS[0]

    def __call__(self, frame: Any, video: Any) -> Image:
        """Pixels (H, W, 3)."""
        if not self.size[0]:
            self.how = turn(frame)
            order = -1 if self.how[0] else 1
            bound = self.bound[::order]
            size = display_size(frame, video)
            self.size = fit(size, (bound[0], bound[1]), self.step)
            self.shown = (size[::order][0], size[::order][1])
        width, height = self.size
        plain = {"format": "rgb24", "interpolation": SCALING, "threads": 1}
        try:
            scaled = frame.reformat(width, height, **plain)
        except (av.FFmpegError, ValueError):  # a colour space that swscale does not know
            scaled = frame.reformat(
                width, height, src_colorspace="ITU601", dst_colorspace="ITU601", **plain
            )
        return upright(scaled.to_ndarray(), self.how)


# ---- the four things that can be asked -------------------------------------------------------


def describe(source: Source, index: Index, painter: Painter) -> dict[str, Any]:
    """The facts of a file, for `ClipInfo`."""
    audio, context = source.audio, source.audio.codec_context if source.audio else None
    return {
        "format": source.container.format.name,
        "duration": index.end,
        "declared": index.declared,
        "size": painter.shown,
        "fps": index.count / (index.picture[1] - index.picture[0]),
        "picture": index.picture,
        "sound": index.sound,
        "video_codec": codec_of(source.video),
        "pixels": str(source.video.codec_context.pix_fmt),
        "audio_codec": codec_of(audio) if audio else None,
        "audio_rate": context.sample_rate if context else 0,
        "audio_channels": context.layout.nb_channels if context else 0,
        "subtitles": [codec_of(s) for s in source.container.streams.subtitles][:64],
        "tracks": [len(pictures(source.container)), len(source.container.streams.audio)],
    }


def nothing_decoded(source: Source, request: Request) -> Refused:
    """Why there was no frame."""
    area = source.video.codec_context.width * source.video.codec_context.height
    if not 0 < area <= request["max_pixels"]:  # av may set a size that it does not allow to 0
        return Refused(
            "The picture has no valid size or is larger than the limit of "
            f"{request['max_pixels'] / 1e6:.0f} million pixels; scale the clip down."
        )
    return Refused(
        "No frame of this video could be decoded; it is damaged, incomplete or encrypted."
    )


def middles(start: float, end: float, count: int) -> list[float]:
    """The middle of each of `count` equal segments."""
    return [start + (end - start) * (i + 0.5) / count for i in range(count)]


def stack(shots: Sequence[Shot]) -> dict[str, NDArray[Any]]:
    return {
        "frames": np.stack([image for _, image in shots]),
        "times": np.array([at for at, _ in shots]),
    }


def window(request: Request, index: Index) -> tuple[float, float]:
    """Start and end of what is read, within the file and the limit."""
    start, length = request["start"], request["length"]
    if start >= index.end:
        raise Refused(
            f"The window starts at {start:.1f} s, but the clip ends at {index.end:.1f} s; "
            "choose an earlier start."
        )
    limit = request["max_seconds"]
    return start, min(index.end, start + min(limit, limit if length is None else length))


def in_window(index: Index, start: float, end: float) -> tuple[float, float]:
    """The part of a window that has a picture."""
    low, high = max(start, index.picture[0]), min(end, index.picture[1])
    if low >= high:
        raise Refused(
            f"There is no picture between {start:.1f} s and {end:.1f} s; choose another window."
        )
    return low, high


def load(request: Request) -> Answer:
    source = open_source(request)
    cues: list[Any] = []
    span = request["max_seconds"] if request["length"] is None else request["length"]
    sound = Sound(request["start"], min(span, request["max_seconds"]), request["rate"])
    index = scan(source, sound, cues)
    start, end = window(request, index)
    painter = Painter((request["side"], request["side"]))
    targets = middles(*in_window(index, start, end), request["frames"])
    shots, faults = shoot(request, targets, index.keys, painter)
    facts = describe(source, index, painter)
    facts |= {"start": start, "end": end, "cues": cues, "faults": faults}
    facts |= {"broken": sound.broken, "lost": sound.faults, "readable": sound.usable}
    wave = sound.finish(end - start)
    return facts, stack(shots) | {"waveform": wave}


def probe(request: Request) -> Answer:
    source = open_source(request)
    index, painter = scan(source), Painter((16, 16))
    shoot(request, [index.picture[0]], (), painter)
    return describe(source, index, painter), {}


def thumbnails(request: Request) -> Answer:
    source = open_source(request)
    index = scan(source)
    targets = middles(*index.picture, request["count"])
    slots = [bisect_right(index.keys, t) - 1 for t in targets]
    if slots[0] >= 0 and len(set(slots)) == len(slots):  # enough key frames: they are cheap
        targets = [index.keys[i] for i in slots]
    height = request["height"]
    painter = Painter((height * THUMBNAIL_WIDTH, height))
    return {}, stack(shoot(request, targets, index.keys, painter)[0])


def preview(request: Request) -> Answer:
    """Write an H.264/AAC copy of a window that every browser plays."""
    source = open_source(request)
    sound = Sound(request["start"], request["max_seconds"], PREVIEW_RATE)
    index = scan(source, sound)
    start, end = window(request, index)
    wave = sound.finish(end - start)
    source, painter = open_source(request), Painter((PREVIEW_SIDE, PREVIEW_SIDE), step=2)
    options = {"movflags": "+faststart"}
    with av.open(request["out"], "w", format="mp4", options=options) as sink:
        track = Track(sink, wave)
        last = -np.inf
        for at, frame in decoded(source, [0]):
            if at >= end:
                break
            if at < start or at < last + 0.9 / PREVIEW_FPS:
                continue
            track.write(painter(frame, source.video), at - start)
            last = at
        if not painter.size[0]:
            raise nothing_decoded(source, request)
        track.close()
    return {}, {}


class Track:
    """The two streams of a preview, fed in step so that they are interleaved."""

    def __init__(self, sink: Any, wave: NDArray[np.float32]) -> None:
        self.sink, self.wave, self.heard, self.opened = sink, wave, 0, False
        self.video = sink.add_stream("libx264", rate=PREVIEW_FPS)
        self.video.pix_fmt = "yuv420p"
        self.video.options = {"preset": "veryfast", "crf": "24"}
        self.video.codec_context.time_base = Fraction(1, 90_000)
        self.video.codec_context.thread_count = THREADS
        self.audio = sink.add_stream("aac", rate=PREVIEW_RATE, layout="mono") if len(wave) else None

    def write(self, image: Image, at: float) -> None:
        if not self.opened:
            self.video.height, self.video.width = image.shape[:2]
            self.opened = True
        frame = av.VideoFrame.from_ndarray(image, "rgb24")
        frame.pts, frame.time_base = round(at * 90_000), Fraction(1, 90_000)
        self.sink.mux(self.video.encode(frame))
        self.speak(round(at * PREVIEW_RATE))

    def speak(self, until: int) -> None:
        while self.audio is not None and self.heard < min(until, len(self.wave)):
            block = self.wave[self.heard : self.heard + 1024]
            frame = av.AudioFrame.from_ndarray(block[None], "fltp", "mono")
            frame.sample_rate = PREVIEW_RATE
            frame.pts, frame.time_base = self.heard, Fraction(1, PREVIEW_RATE)
            self.heard += len(block)
            self.sink.mux(self.audio.encode(frame))

    def close(self) -> None:
        self.speak(len(self.wave))
        for stream in (self.video, self.audio):
            if stream is not None:
                self.sink.mux(stream.encode(None))


TASKS = {"load": load, "probe": probe, "thumbnails": thumbnails, "preview": preview}


# ---- the process -----------------------------------------------------------------------------


def restrict(memory: int, seconds: int, file_size: int) -> None:
    """Bound what this process may use from here on, where the system can do that."""
    try:
        import resource
    except ImportError:
        return
    bounds = {"AS": memory, "CPU": seconds, "FSIZE": file_size, "NOFILE": 64, "CORE": 0}
    for name, bound in bounds.items():
        with contextlib.suppress(ValueError, OSError):
            hard = bound + 1 if name == "CPU" else bound  # the soft one has a signal of its own
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (bound, hard))


def answer(request: Request) -> Answer:
    """What was asked, or {"refused": sentence}."""
    try:
        return TASKS[request["task"]](request)
    except Refused as refusal:
        return {"refused": str(refusal)}, {}
    except MemoryError:
        return {"refused": "Reading this needs too much memory; it is damaged or too large."}, {}
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, UnicodeError):
        return {
            "refused": "This is not a video that can be read; it is damaged or of another kind."
        }, {}


def main() -> None:
    request = json.load(sys.stdin.buffer)
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # libraries that print must not garble the answer
        restrict(request["memory"], request["cpu_seconds"], request["file_size"])
        facts, arrays = answer(request)
        shapes = [(name, x.dtype.name, x.shape) for name, x in arrays.items()]
        header = json.dumps({"facts": facts, "arrays": shapes}).encode()
        out.write(struct.pack(">I", len(header)) + header)
        for array in arrays.values():
            out.write(np.ascontiguousarray(array).data)


if __name__ == "__main__":
    main()
