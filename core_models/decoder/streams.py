"""Opening a file: what may be opened, and which of its streams are read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av

from core_models.decoder.refused import Refused, Request
from core_models.decoder.whole import cut_short

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
THREADS = min(4, os.cpu_count() or 1)
SHARE = 1_000_000  # pixels: in smaller pictures a second thread costs more than it gains


@dataclass(frozen=True, eq=False)
class Source:
    """An open file, the streams that are read, and the second at which its time starts.

    cut: it ends before it says that it does. request: as it was asked, for its limits.
    """

    container: Any
    video: Any
    audio: Any
    captions: Any
    origin: float
    cut: bool
    request: Request

    def time(self, item: Any, ticks: tuple[int, int] | None = None) -> float | None:
        """When a packet or frame is shown, or None if it does not say.

        ticks: a second's share as a numerator and a denominator, for who knows: it is slow to ask.
        """
        stamp, ticks = item.pts, ticks or ticks_of(item)
        stamp = item.dts if stamp is None else stamp
        if stamp is None or ticks is None:
            return None
        return float(stamp * ticks[0] / ticks[1]) - self.origin


def ticks_of(item: Any) -> tuple[int, int] | None:
    """The unit in which a stream, packet or frame counts time, as a fraction of a second."""
    base = item.time_base
    return (base.numerator, base.denominator) if base else None


def codec_of(stream: Any) -> str:
    context = stream.codec_context
    return "unknown" if context is None else str(context.codec.canonical_name)


def family(container: Any) -> str:
    return str(container.format.name.split(",")[0])


def video_streams(container: Any) -> list[Any]:
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
    limit, most = str(request["max_pixels"]), request["max_streams"]
    cut = cut_short(request["path"])
    container = av.open(
        request["path"], options=OPTIONS | {"max_pixels": limit}, metadata_errors="replace"
    )
    if len(container.streams) > most:
        raise Refused(
            f"This file has {len(container.streams)} tracks and the limit is {most}; keep one of "
            "picture and one of sound."
        )
    video = best(container, "video", video_streams(container))
    if video is None:
        raise Refused("This file has no video track; choose a clip with a picture.")
    if codec_of(video) == "unknown":
        raise Refused(
            "The picture of this file cannot be identified; it is damaged or incomplete: "
            "choose another copy."
        )
    if codec_of(video) not in VIDEO_CODECS:
        raise Refused(
            f"The picture is coded as {codec_of(video)}, which is not read here; "
            "convert the clip to H.264 in an MP4 file."
        )
    video.codec_context.options = {"max_pixels": limit}
    pixels = video.codec_context.width * video.codec_context.height
    video.codec_context.thread_count = min(THREADS, max(1, pixels // SHARE))
    video.thread_type = "AUTO"
    audio = best(container, "audio", container.streams.audio)
    text = [s for s in container.streams.subtitles if codec_of(s) in TEXT_CODECS]
    wanted = {s.index for s in (video, audio, *text[:1]) if s is not None}
    for stream in container.streams:
        if stream.index not in wanted:
            stream.discard = av.stream.Discard.all
    captions = text[0] if text else None
    return Source(container, video, audio, captions, origin_of(video, audio), cut, request)


def mute(source: Source) -> Source:
    """The same, of which nothing but the picture is read from here on."""
    for stream in source.container.streams:
        if stream.index != source.video.index:
            stream.discard = av.stream.Discard.all
    return source


def packets(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets of the streams, up to the end or to the first break in the file."""
    with contextlib.suppress(av.FFmpegError):
        yield from container.demux(*(s for s in streams if s is not None))
