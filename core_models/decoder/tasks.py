"""The questions that the decoder answers, each with facts and arrays."""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import Any

import av
from numpy.typing import NDArray

from core_models.decoder.painter import Painter
from core_models.decoder.pictures import shoot, stack
from core_models.decoder.preview import write_preview
from core_models.decoder.refused import Request
from core_models.decoder.scan import Index, scan
from core_models.decoder.sound import Sound
from core_models.decoder.streams import (
    Source,
    codec_of,
    family,
    mute,
    open_source,
    packets,
    video_streams,
)
from core_models.decoder.window import in_window, middles, window

THUMBNAIL_WIDTH = 8
INTACT_SECONDS = 3.0  # of computing
Answer = tuple[dict[str, Any], dict[str, NDArray[Any]]]


def load(request: Request) -> Answer:
    source = open_source(request)
    cues: list[Any] = []
    span = request["max_seconds"] if request["length"] is None else request["length"]
    length = min(span, request["max_seconds"])
    sound = Sound(request["start"], length, request["rate"], request["max_rate"])
    index = scan(source, sound, cues)
    start, end = window(request, index)
    painter = Painter((request["side"], request["side"]))
    targets = middles(*in_window(index, start, end), request["frames"])
    shots, faults = shoot(request, targets, index, painter)
    facts = describe(source, index, painter)
    facts |= {"start": start, "end": end, "cues": cues, "faults": faults}
    wave = sound.finish(end - start)
    facts |= {"broken": sound.broken, "lost": sound.faults, "unread": sound.unread}
    return facts, stack(shots) | {"waveform": wave}


def probe(request: Request) -> Answer:
    source = open_source(request)
    index, painter = scan(source), Painter((16, 16))
    shoot(request, [index.picture[0]], None, painter)
    return describe(source, index, painter), {}


def thumbnails(request: Request) -> Answer:
    source = open_source(request)
    index = scan(source if source.cut else mute(source))
    return {}, along(request, index, request["count"], request["height"])[0]


def glance(request: Request) -> Answer:
    """The facts of a file, and pictures along it: fewer and larger ones of a short file.

    With a number of frames, a file that says that it is short is loaded at once.
    """
    source = open_source(request)
    declared = source.container.duration
    if request["frames"] and declared and declared / av.time_base <= request["seconds"]:
        return load(request)
    index = scan(source)
    count, height = request["long" if index.end > request["seconds"] else "short"]
    pictures, painter = along(request, index, count, height)
    return describe(source, index, painter), pictures


def along(
    request: Request, index: Index, count: int, height: int
) -> tuple[dict[str, NDArray[Any]], Painter]:
    """Small pictures along the whole file, of key frames where there are enough."""
    targets = middles(*index.picture, count)
    slots = [bisect_right(index.keys, t) - 1 for t in targets]
    if slots[0] >= 0 and len(set(slots)) == len(slots):  # enough key frames: they are cheap
        targets = [index.keys[i] for i in slots]
    painter = Painter((height * THUMBNAIL_WIDTH, height))
    return stack(shoot(request, targets, index, painter)[0]), painter


def preview(request: Request) -> Answer:
    write_preview(request)
    return {}, {}


def intact(request: Request) -> Answer:
    """Whether it is of the kinds asked for, and nothing in it damaged.

    That is told by as much of it as a few seconds of computing show.
    """
    source = open_source(request)
    sound = codec_of(source.audio) if source.audio else None
    kinds = {
        "formats": family(source.container),
        "video": codec_of(source.video),
        "pixels": str(source.video.codec_context.pix_fmt),
        "audio": sound,
    }
    if any(kind not in request[name] for name, kind in kinds.items()):
        return {"intact": False}, {}
    read = [s for s in (source.video, source.audio) if s and s.codec_context]
    for stream in read:
        stream.codec_context.options = {**stream.codec_context.options, "err_detect": "explode"}
    end = time.process_time() + INTACT_SECONDS
    for packet in packets(source.container, *read):
        try:
            packet.decode()
        except av.error.EOFError:
            continue
        except (av.FFmpegError, ValueError):
            return {"intact": False}, {}
        if packet.is_corrupt:
            return {"intact": False}, {}
        if time.process_time() > end:
            break
    return {"intact": True}, {}


def describe(source: Source, index: Index, painter: Painter) -> dict[str, Any]:
    """The facts of a file, for `ClipInfo`."""
    audio, context = source.audio, source.audio.codec_context if source.audio else None
    return {
        "format": source.container.format.name,
        "duration": index.end,
        "declared": index.declared,
        "size": painter.shown,
        "fps": index.count / (index.picture[1] - index.picture[0]),
        "frames": [index.count, index.listed],
        "picture": index.picture,
        "sound": index.sound,
        "video_codec": codec_of(source.video),
        "pixels": str(source.video.codec_context.pix_fmt),
        "audio_codec": codec_of(audio) if audio else None,
        "audio_rate": context.sample_rate if context else 0,
        "audio_channels": context.layout.nb_channels if context else 0,
        "subtitles": [codec_of(s) for s in source.container.streams.subtitles][:64],
        "tracks": [len(video_streams(source.container)), len(source.container.streams.audio)],
        "read": [s.index + 1 for s in (source.video, audio) if s],
    }


TASKS = {
    "load": load, "probe": probe, "thumbnails": thumbnails, "glance": glance, "intact": intact,
    "preview": preview,
}  # fmt: skip
