"""Reading a clip, beside decoding just the frames that it cannot do without, and decord."""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from pathlib import Path

import av

from core_models.decoder.painter import Painter
from core_models.decoder.pictures import shoot
from core_models.decoder.refused import Request
from core_models.decoder.scan import scan
from core_models.decoder.streams import mute, open_source
from core_models.decoder.window import middles
from core_models.limits import LIMITS, SIDE
from tests.bench.measure import Contest
from tests.bench.scenes import repeated, scene
from tests.bench.stage import FPS, Stage

SHORT, LONG = 4, 12  # times ten seconds: both hold more groups of pictures than are sampled


def contests(stage: Stage) -> list[Contest]:
    ten = scene(stage.folder / "scene.mp4", 10)
    short = repeated(stage.folder / "short.mp4", ten, SHORT)  # whose sampled frames are the same
    long = repeated(stage.folder / "long.mp4", ten, LONG)
    made = [against_mandatory("10 s", ten, count) for count in (8, 32)]
    made.append(
        against_mandatory("10 s of plain grey, which are decoded in no time", stage.file, 8)
    )
    made.append(
        Contest(f"8 frames of {LONG}0 s", f"8 frames of {SHORT}0 s",
                partial(sample, long, 8), partial(sample, short, 8), 1.1)
    )  # fmt: skip
    try:
        from decord import VideoReader, cpu
    except ImportError:
        return made

    def decord(path: Path, count: int) -> None:
        reader = VideoReader(str(path), ctx=cpu(0), width=SIDE, height=SIDE, num_threads=1)
        reader.get_batch([int((i + 0.5) * len(reader) / count) for i in range(count)])

    return made + [
        Contest(f"{count} frames of 10 s, from the file", "decord",
                partial(sample, ten, count), partial(decord, ten, count), 1.1)
        for count in (8, 32)
    ]  # fmt: skip


def against_mandatory(what: str, path: Path, count: int) -> Contest:
    index = scan(open_source(request(path)))
    keys, length = [at - index.picture[0] for at in index.keys], index.picture[1]
    return Contest(f"{count} frames of {what}, from the file", "decoding these frames alone",
                   partial(sample, path, count), partial(mandatory, path, keys, length, count),
                   1.5)  # fmt: skip


def request(path: Path) -> Request:
    return {"path": str(path), **vars(LIMITS)}


def sample(path: Path, count: int) -> None:
    """As the decoder does it: an index of the file, then the groups that hold a frame."""
    index = scan(mute(open_source(request(path))))
    painter = Painter((SIDE, SIDE))
    shoot(request(path), middles(*index.picture, count), index, painter)


def mandatory(path: Path, keys: list[float], length: float, count: int) -> None:
    """From the key frame before each wanted frame to that frame, with all places known."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        frames, last = source.decode(stream), -1
        for at in middles(0.0, length, count):
            slot = bisect_right(keys, at) - 1
            if slot != last:
                source.seek(round(keys[slot] / float(stream.time_base)), stream=stream)
                frames, last = source.decode(stream), slot
            next(frame for frame in frames if frame.time + 1 / FPS > at)
