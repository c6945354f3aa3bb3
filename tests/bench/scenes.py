"""Films that cost as much to decode as those that people upload: things that move, grain, noise."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from tests.bench.stage import FPS, SIZE

CODING = {"preset": "veryfast", "crf": "23", "g": str(2 * FPS), "threads": "1"}  # B-frames too
GRAIN, RATE = 3.0, 22050  # levels; Hz


def scene(path: Path, seconds: int, size: tuple[int, int] = SIZE, sound: bool = False) -> Path:
    """A camera that wanders over a landscape of noise, a key frame every two seconds."""
    random, (width, height) = np.random.default_rng(0), size
    land = landscape(random, 2 * height, 2 * width)
    grain = random.normal(0, GRAIN, (4, height, width, 1)).astype(np.float32)
    with av.open(str(path), "w") as sink:
        video = sink.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt, video.options = width, height, "yuv420p", CODING
        audio = sink.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for i in range(seconds * FPS):
            y, x = ((0.5 + 0.5 * np.sin(i / np.array([31, 47]))) * (height, width)).astype(int)
            image = (land[y : y + height, x : x + width] + grain[i % 4]).clip(0, 255)
            frame = av.VideoFrame.from_ndarray(image.astype(np.uint8), "rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FPS)
            sink.mux(video.encode(frame))
            if audio is not None:
                heard = random.normal(0, 0.1, (1, RATE // FPS)).astype(np.float32)
                noise = av.AudioFrame.from_ndarray(heard, "fltp", "mono")
                noise.sample_rate, noise.pts = RATE, i * (RATE // FPS)
                sink.mux(audio.encode(noise))
        for stream in (video, audio):
            if stream is not None:
                sink.mux(stream.encode(None))
    return path


def landscape(random: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """Noise in several octaves: levels (height, width, 3), the coarse ones the strongest."""
    land = np.full((height, width, 3), 128, np.float32)
    for step in (64, 32, 16, 8, 4):
        cells = random.normal(0, step**0.5 * 4, (height // step + 1, width // step + 1, 3))
        grown = cells.astype(np.float32).repeat(step, 0).repeat(step, 1)[:height, :width]
        land += grown
    return land


def repeated(path: Path, source: Path, times: int) -> Path:
    """The same packets again and again: a film that much longer."""
    with av.open(str(path), "w") as sink, av.open(str(source)) as first:
        copies = {s.index: sink.add_stream_from_template(s) for s in first.streams}
        packets = [p for p in first.demux() if p.size]
        spans = {i: sum(p.duration for p in packets if p.stream_index == i) for i in copies}
        for i in range(times):
            for packet in packets:
                again, shift = av.Packet(bytes(packet)), i * spans[packet.stream_index]
                again.stream, again.time_base = copies[packet.stream_index], packet.time_base
                again.pts, again.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
                again.duration, again.is_keyframe = packet.duration, packet.is_keyframe
                sink.mux(again)
    return path
