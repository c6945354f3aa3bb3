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
from core_models.decoder.streams import open_source
from core_models.decoder.window import middles
from core_models.limits import LIMITS, SIDE
from tests.bench.measure import Contest
from tests.bench.stage import FPS, Stage, film

LONG = 60  # seconds: more groups of pictures than frames are sampled


def contests(stage: Stage) -> list[Contest]:
    ten, long = stage.file, film(stage.folder / "long.mp4", LONG)
    index = scan(open_source(request(ten)))
    keys, end = [at - index.picture[0] for at in index.keys], index.picture[1]
    made = [
        Contest(f"{count} frames of 10 s, from the file", "decoding these frames alone",
                partial(sample, ten, count), partial(mandatory, ten, keys, end, count), 1.5)
        for count in (8, 32)
    ]  # fmt: skip
    made.append(
        Contest(f"8 frames of {2 * LONG} s", f"8 frames of {LONG} s",
                partial(sample, film(stage.folder / "longer.mp4", 2 * LONG), 8),
                partial(sample, long, 8), 1.1)
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


def request(path: Path) -> Request:
    return {"path": str(path), "max_pixels": LIMITS.max_pixels}


def sample(path: Path, count: int) -> None:
    """As the decoder does it: an index of the file, then the groups that hold a frame."""
    index = scan(open_source(request(path)))
    painter = Painter((SIDE, SIDE))
    shoot(request(path), middles(*index.picture, count), index.keys, painter)


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
