"""One pass over the packets of a file: how long it is, and where its key frames lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av

from core_models.decoder.refused import Refused
from core_models.decoder.sound import Sound
from core_models.decoder.streams import SEEKABLE, Source, family, packets, ticks_of

MAX_CUES, MAX_LETTERS = 2000, 500
LEAST = 0.1  # of the length of a file that is cut short
SHORT_TICK = 0.004  # seconds


@dataclass(frozen=True)
class Index:
    """What the packets say: key frames, the spans of picture and sound, and the file's end.

    shown: when each frame is, in order. count: whole frames of the picture; listed: those that the
    file names, 0 where it does not.
    """

    keys: tuple[float, ...]
    shown: tuple[float, ...]
    count: int
    listed: int
    picture: tuple[float, float]
    sound: tuple[float, float] | None
    declared: float | None

    @property
    def end(self) -> float:
        return max(self.picture[1], self.sound[1] if self.sound else 0.0)


def scan(source: Source, sound: Sound | None = None, cues: list[Any] | None = None) -> Index:
    """Read the file once, decoding the sound and the text on the way."""
    read: list[float] = []
    shown: list[float] = []
    most, torn = source.request["max_frames"], 0
    if listed(source) > most:
        raise too_many(f"{listed(source):,}", most)
    keys: list[float] = []
    spans: dict[str, tuple[float, float]] = {}
    streams = source.video, source.audio, source.captions if cues is not None else None
    kinds = {s.index: (s.type, ticks_of(s)) for s in streams if s is not None}
    for packet in packets(source.container, *streams):
        size = packet.size  # 0: the end of a stream, whose number av does not set
        kind, ticks = kinds[packet.stream_index if size else packet.stream.index]
        ticks = ticks or ticks_of(packet)
        at = source.time(packet, ticks)
        if kind == "audio" and sound is not None:
            sound.feed(source, packet, at)
        if at is None or ticks is None or not size:
            continue
        if kept := not packet.is_discard:
            until = at + min(60.0, (packet.duration or 0) * ticks[0] / ticks[1])
            low, high = spans.get(kind, (at, at))
            spans[kind] = low if low < at else at, high if high > until else until
        if kind == "video":
            read.append(at)
            torn += packet.is_corrupt
            if len(read) > most:
                raise too_many("more", most)
            if packet.is_keyframe:
                keys.append(at)
            if kept:
                shown.append(at)
        elif kind == "subtitle" and cues is not None and len(cues) < MAX_CUES:
            cues.extend(cue(packet, at))
    if not read:
        raise Refused(
            "No frame of this video could be read; it is damaged or incomplete: "
            "choose another copy."
        )
    first, last = spans.get("video", (min(read), max(read)))
    if last == max(read):  # the last frame does not say how long it stays
        last += (last - first) / max(1, len(read) - 1)
    heard = spans.get("audio")
    index = Index(
        keys=tuple(sorted(set(keys))),
        shown=tuple(sorted(shown)),
        count=len(read) - torn,
        listed=listed(source),
        picture=(max(0.0, first), max(last, first + 0.001)),
        sound=(max(0.0, heard[0]), heard[1]) if heard else None,
        declared=declared_length(source),
    )
    if source.cut and index.declared and index.end < LEAST * index.declared:
        raise stump(index.end, index.declared, source.request["max_seconds"])
    return index


def listed(source: Source) -> int:
    """How many frames the file names, 0 where it does not.

    What an edit list leaves out is not among them; an AVI file in short ticks counts these instead.
    """
    if family(source.container) == "mov":
        return len(source.video.index_entries)
    ticks = source.video.time_base and source.video.time_base < SHORT_TICK
    return 0 if ticks and family(source.container) == "avi" else int(source.video.frames)


def too_many(count: str, most: int) -> Refused:
    return Refused(f"This file has {count} frames and the limit is {most:,}; cut it.")


def stump(end: float, declared: float, most: float) -> Refused:
    """For a file of which next to nothing is there."""
    over = f", which is over the limit of {most:g} s," if declared > most else ""
    return Refused(
        f"This file says that it lasts {declared:,.1f} s{over} but holds only {end:.2f} s; it is "
        "incomplete: choose a whole copy."
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
