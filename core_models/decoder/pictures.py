"""Which frames are shown at the wanted times, decoding no more than these need."""

from __future__ import annotations

import contextlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from core_models.decoder.painter import Image, Painter
from core_models.decoder.refused import Refused, Request
from core_models.decoder.scan import Index
from core_models.decoder.streams import (
    OPTIONS,
    SEEKABLE,
    Source,
    family,
    mute,
    open_source,
    packets,
)
from core_models.decoder.unneeded import unneeded

Shot = tuple[float, Image]


def decoded(
    source: Source, faults: list[int], omit: Callable[[Any], bool] | None = None
) -> Iterator[tuple[float, Any]]:
    """Frames in the order of showing, with their times; faults[0] counts damaged packets.

    omit: whether a packet is left out.
    """
    last = 0.0
    for packet in packets(source.container, source.video):
        if omit and packet.size and omit(packet):
            continue
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
    request: Request, targets: Sequence[float], index: Index | None, painter: Painter
) -> tuple[list[Shot], int]:
    """Pictures for the targets, and how many packets were damaged.

    Decodes a group of pictures only if it holds a target, and leaves out of it what no wanted frame
    is made from. Without an index, and where one cannot be trusted, it decodes everything in
    order, which gives the same pictures.
    """
    source = mute(open_source(request))
    if index and index.keys and index.shown and family(source.container) in SEEKABLE:
        places = {max(1, bisect_right(index.shown, t)) - 1 for t in targets}
        wanted = [index.shown[i] for i in sorted(places)]
        if omit := unneeded(source, frozenset(wanted)):
            shots, damaged = leap(source, targets, index.keys, painter, omit)
            if not damaged and [at for at, _ in shots] == wanted:
                return shots, 0
            source = mute(open_source(request))
        shots, damaged = leap(source, targets, index.keys, painter)
        if shots:
            return shots, damaged
        source = mute(open_source(request))
    faults = [0]
    shots = select(decoded(source, faults), targets, lambda f: painter(f, source.video))
    if not shots:
        raise nothing_decoded(source, request)
    return shots, faults[0]


def leap(
    source: Source,
    targets: Sequence[float],
    keys: Sequence[float],
    painter: Painter,
    omit: Callable[[Any], bool] | None = None,
) -> tuple[list[Shot], int]:
    """From key frame to key frame; no pictures where one of them cannot be trusted."""
    faults = [0]
    shots: list[Shot] = []
    for slot, group in groupby(targets, lambda t: max(1, bisect_right(keys, t))):
        wanted = list(group)
        if slot > 1 and not seek(source, keys[slot - 1], wanted[0]):
            return [], 0
        shown = decoded(source, faults, omit)
        part = select(shown, wanted, lambda f: painter(f, source.video))
        if slot > 1 and (not part or part[0][0] > wanted[0]):
            return [], 0
        shots += [shot for shot in part if not shots or shot[0] > shots[-1][0]]
    return shots, faults[0]


def nothing_decoded(source: Source, request: Request) -> Refused:
    """Why there was no frame."""
    context, most = source.video.codec_context, request["max_pixels"]
    width, height = (context.width, context.height) if context.width else claimed_size(request)
    if width * height > most:
        return Refused(
            f"The picture is too large: {width}×{height} are {width * height:,} pixels and the "
            f"limit is {most:,}; scale the clip down."
        )
    return Refused(
        "No frame of this video could be decoded; it is damaged, incomplete or encrypted: choose "
        "another copy."
    )


def claimed_size(request: Request) -> tuple[int, int]:
    """The size of a picture that av does not allow, which it tells in its log alone; else 0, 0."""
    av.logging.set_level(av.logging.ERROR)
    with av.logging.Capture() as said, contextlib.suppress(av.FFmpegError):
        options = OPTIONS | {"max_pixels": str(request["max_pixels"])}
        av.open(request["path"], options=options, metadata_errors="replace").close()
    av.logging.set_level(None)
    sizes = re.findall(r"Picture size (\d+)x(\d+) ", " ".join(line for *_, line in said))
    return max(((int(w), int(h)) for w, h in sizes), default=(0, 0))


def stack(shots: Sequence[Shot]) -> dict[str, NDArray[Any]]:
    return {
        "frames": np.stack([image for _, image in shots]),
        "times": np.array([at for at, _ in shots]),
    }
