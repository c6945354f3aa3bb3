"""Small clips, made where they are needed: every frame shows its own number as a grey level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from core_models.media import MediaError, load_clip

RATE = 22050  # of the sound of a clip, where nothing else is asked for
TICKS = Fraction(1, 1000)
HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
Wave = NDArray[np.float32]


def grey(number: int) -> int:
    """The level of frame `number`: neighbours differ by far more than coding does."""
    return 20 + 37 * number % 200


def picture(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A grey frame (H, W, 3) with a white upper left quarter."""
    width, height = size
    image = np.full((height, width, 3), grey(number), np.uint8)
    image[: height // 2, : width // 2] = 255
    return image


def tone(seconds: float, rate: int, hertz: float = 440.0) -> Wave:
    """A sine (S,) at half of full scale."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)).astype("f4")


def clicks(seconds: float, rate: int, at: Iterable[float]) -> Wave:
    """Silence (S,) with 20 ms of noise at each of some seconds."""
    wave = np.zeros(int(seconds * rate), np.float32)
    noise = np.random.default_rng(0).uniform(-0.9, 0.9, rate // 50).astype("f4")
    for second in at:
        start = int(second * rate)
        wave[start : start + len(noise)] = noise
    return wave


def even(seconds: float, fps: float) -> list[float]:
    """The times of the frames of a steady clip."""
    return [i / fps for i in range(round(seconds * fps))]


def make_clip(
    path: Path,
    times: Sequence[float],
    *,
    size: tuple[int, int] = (64, 48),
    codec: str = "libx264",
    options: dict[str, str] | None = None,
    pixels: str = "yuv420p",
    wave: Wave | None = None,
    rate: int = 44100,
    layout: str = "stereo",
    sound_codec: str = "aac",
    sound_start: float = 0.0,
    cues: Sequence[tuple[float, float, str]] = (),
) -> Path:
    """A file with a frame at each time (none: no picture), a sound and a text track.

    wave: (S,), the same in every channel of the layout.
    """
    with av.open(str(path), "w") as sink:
        last = times[-1] - times[-2] if len(times) > 1 else 0.1
        video = sink.add_stream(codec, rate=round(1 / last)) if times else None
        sound = sink.add_stream(sound_codec, rate=rate, layout=layout) if wave is not None else None
        text = sink.add_stream("mov_text") if cues else None
        if text is not None:
            text.codec_context.subtitle_header = HEADER
        if video is not None:
            video.width, video.height, video.pix_fmt = *size, pixels
            video.options = {"g": "250", "bf": "0", "sc_threshold": "0"} | (options or {})
            video.codec_context.time_base = TICKS
            ends = [*times[1:], times[-1] + last]
            for number, at in enumerate(times):
                frame = av.VideoFrame.from_ndarray(picture(number, size), "rgb24")
                frame.pts, frame.time_base = round(at * 1000), TICKS
                frame.duration = round((ends[number] - at) * 1000)
                sink.mux(video.encode(frame))
            sink.mux(video.encode(None))
        if wave is not None and sound is not None:
            for frame in _frames(wave, rate, layout, sound.codec_context, sound_start):
                sink.mux(sound.encode(frame))
            sink.mux(sound.encode(None))
        for start, end, line in cues:
            packet = av.Packet(len(line.encode()).to_bytes(2, "big") + line.encode())
            packet.stream, packet.time_base = text, TICKS
            packet.pts = packet.dts = round(start * 1000)
            packet.duration = round((end - start) * 1000)
            sink.mux(packet)
    return path


def _frames(wave: Wave, rate: int, layout: str, context: Any, start: float) -> Iterable[Any]:
    channels = av.AudioLayout(layout).nb_channels
    kind = context.format.name
    for first in range(0, len(wave), 1024):
        block = wave[first : first + 1024]
        packed = np.repeat(block, channels)[None]  # (1, S × channels)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), "flt", layout)
        frame.sample_rate = rate
        frame.pts, frame.time_base = first + round(start * rate), Fraction(1, rate)
        yield from av.AudioResampler(kind, layout, rate).resample(frame)


def turn_file(path: Path, matrix: Sequence[int]) -> Path:
    """Write a display matrix (a, b, c, d: each -1, 0 or 1) into the first track of an MP4."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 44
    a, b, c, d = matrix
    values = (a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    data[at : at + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in values)
    path.write_bytes(data)
    return path


def refusal(*args: Any, **kwargs: Any) -> str:
    """The sentence with which load_clip refuses a file."""
    with pytest.raises(MediaError) as caught:
        load_clip(*args, **kwargs)
    return str(caught.value)
