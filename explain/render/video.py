"""The clip as a film with its scores laid over it: picture, a strip of the sound, a cursor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core_models.clip import Clip, Modality
from core_models.layout import BandGrid, FrameGrid, Grid, TimeGrid
from explain.analysis import Analysis
from explain.attention.maps import maps
from explain.attribution import Attribution
from explain.render.tint import tint, tinted
from explain.spectrogram import heights, log_mel

STRIP = 64  # height of the sound below the picture, in pixels
WIDE = 960  # columns of the strip before it is scaled to the picture
MOST_FPS, TICK = 15, 90_000  # TICK: parts of a second in which frames are timed
# The same film byte for byte every time: x264's fast path for its rate control is not.
ENCODER = {"preset": "veryfast", "crf": "23", "x264-params": "cpu-independent=1"}
THREADS = 2
Picture = NDArray[np.uint8]
Paint = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layer:
    """What is laid over a clip: RGBA in [0, 1] on the cells of picture (T, rows, cols, 4) and
    sound (spans, 4) or (spans, bands, 4).
    """

    paint: Mapping[Modality, Paint]
    grids: Mapping[Modality, Grid]


def of_attribution(found: Attribution) -> Layer:
    """In the colours of its figure."""
    return Layer({m: tinted(found, m) for m in found.scores}, found.grids)


def of_attention(analysis: Analysis) -> Layer:
    """What the last layer reads of picture and of sound, each on a scale of its own."""
    paint: dict[Modality, Paint] = {}
    places: tuple[Modality, ...] = ("video", "audio")
    for m in places:
        own = [a for a in maps(analysis) if a.key == m]
        last = [a for a in own if a.query != m][-1:] or own[-1:]
        for a in last:
            read = a.weights.mean(axis=(0, 1))  # (K,)
            low, high = float(read.min()), float(read.max())
            heat = (read - low) / ((high - low) or 1.0)
            grid = analysis.layout[m]
            paint[m] = tint(grid.spread(heat) if m == "video" else heat, 1.0, signed=False)
    return Layer(paint, {m: analysis.layout[m] for m in paint})


def overlay(
    source: Path,
    clip: Clip,
    layer: Layer,
    out: Path,
    start: float = 0.0,
    tick: Callable[[], None] = lambda: None,
) -> None:
    """Write the film (MP4: H.264, and AAC where the clip has sound) of the window of a clip.

    source: a copy of the window that our decoder made, never a file of a stranger; it begins at
    `start` seconds of the clip's own file. tick: called at every picture; it may raise.
    """
    options = {"movflags": "+faststart"}
    with av.open(str(source)) as copy, av.open(str(out), "w", "mp4", options=options) as sink:
        sink.metadata["comment"] = " ".join(clip.notices)
        seen, heard = copy.streams.video[0], next(iter(copy.streams.audio), None)
        size = seen.width, seen.height
        film, paint = _film(sink, size, bool(len(clip.waveform))), _painter(layer, clip, size)
        sound = None if heard is None else sink.add_stream_from_template(heard)
        last = -1.0
        for packet in copy.demux(*(s for s in (seen, heard) if s is not None)):
            if packet.stream is not seen:
                if packet.dts is not None:
                    packet.stream = sound
                    sink.mux(packet)
                continue
            tick()
            for frame in packet.decode():
                at = float(frame.time)
                if last < 0 or at >= last + 0.9 / MOST_FPS:
                    _write(sink, film, paint(frame.to_ndarray(format="rgb24"), at + start), at)
                    last = at
        sink.mux(film.encode(None))


def _film(sink: Any, size: tuple[int, int], strip: bool) -> Any:
    """The stream of pictures."""
    film = sink.add_stream("libx264", rate=MOST_FPS)
    film.pix_fmt, film.options = "yuv420p", ENCODER
    film.codec_context.time_base = Fraction(1, TICK)
    film.codec_context.thread_count = THREADS
    film.width, film.height = size[0], size[1] + (STRIP if strip else 0)
    return film


def _painter(
    layer: Layer, clip: Clip, size: tuple[int, int]
) -> Callable[[Picture, float], Picture]:
    """What makes a picture of the film from one of the clip, and its time in seconds."""
    strip = _strip(clip, layer) if len(clip.waveform) else None
    grid = layer.grids.get("video")
    pane = lru_cache(1)(partial(_pane, layer, size))

    def painted(picture: Picture, at: float) -> Picture:
        if isinstance(grid, FrameGrid):  # the sampled frame that is nearest in time
            keep, add = pane(int(np.abs(grid.times - at).argmin()))
            picture = (picture * keep + add + 0.5).astype(np.uint8)
        if strip is None:
            return picture
        return np.concatenate([picture, _now(strip, size[0], at, clip)])

    return painted


def _write(sink: Any, film: Any, picture: Picture, at: float) -> None:
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
    frame.pts, frame.time_base = round(at * TICK), Fraction(1, TICK)
    sink.mux(film.encode(frame))


def _pane(
    layer: Layer, size: tuple[int, int], index: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The scores of one sampled frame, to be seen as picture * (H, W, 1) + (H, W, 3)."""
    paint = _resized(layer.paint["video"][index], size)
    return 1 - paint[..., 3:], 255 * paint[..., :3] * paint[..., 3:]


def _over(picture: Picture, paint: Paint) -> Picture:
    """Colours (H, W, 3) under RGBA (H, W, 4)."""
    alpha = paint[..., 3:]
    return (picture * (1 - alpha) + 255 * paint[..., :3] * alpha + 0.5).astype(np.uint8)


def _resized(paint: Paint, size: tuple[int, int]) -> NDArray[np.float32]:
    """Cells (rows, cols, 4) as pixels, with sharp borders."""
    small = Image.fromarray(np.rint(255 * paint).astype(np.uint8))
    return np.asarray(small.resize(size, Image.Resampling.NEAREST), np.float32) / np.float32(255)


def _strip(clip: Clip, layer: Layer) -> Picture:
    """The whole sound with its scores, low tones below: (STRIP, WIDE, 3)."""
    grey = Image.fromarray(np.rint(40 + 150 * log_mel(clip.waveform, clip.rate)).astype(np.uint8))
    seconds = len(clip.waveform) / clip.rate
    share = min(1.0, seconds / clip.duration)  # the sound may end before the picture
    plain = np.full((STRIP, WIDE), 40, np.uint8)
    columns = max(1, round(share * WIDE))
    plain[:, :columns] = np.asarray(grey.resize((columns, STRIP)))[::-1]
    strip = np.repeat(plain[..., None], 3, axis=2)
    grid = layer.grids.get("audio")
    if not isinstance(grid, TimeGrid):
        return strip
    paint = layer.paint["audio"]
    at = clip.start + (np.arange(WIDE) + 0.5) / WIDE * clip.duration
    span = np.searchsorted(grid.edges, at, side="right") - 1  # (WIDE,)
    inside = (span >= 0) & (span < len(paint))
    found = paint[span.clip(0, len(paint) - 1)] * inside.reshape(-1, *[1] * (paint.ndim - 1))
    if paint.ndim == 3:  # (WIDE, bands, 4)
        known = grid.hertz if isinstance(grid, BandGrid) else None
        rows = np.linspace(0, 1, paint.shape[1] + 1) if known is None else heights(known, clip.rate)
        height = 1 - (np.arange(STRIP) + 0.5) / STRIP
        band = (np.searchsorted(rows, height, side="right") - 1).clip(0, paint.shape[1] - 1)
        return _over(strip, found[:, band].swapaxes(0, 1))
    return _over(strip, np.broadcast_to(found, (STRIP, *found.shape)))


def _now(strip: Picture, width: int, at: float, clip: Clip) -> Picture:
    """The strip as wide as the picture, with a cursor at a moment."""
    shown = np.array(Image.fromarray(strip).resize((width, STRIP), Image.Resampling.BILINEAR))
    x = min(width - 1, int((at - clip.start) / clip.duration * width))
    shown[:, max(0, x - 1) : x + 1] = 255
    return shown
