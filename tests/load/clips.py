"""The clip, the words and the marks by which one user is told from all others."""

from __future__ import annotations

import colorsys
import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.media_files import tone

FPS, SECONDS, SIZE, RATE = 10, 2.0, (192, 144), 44_100


@dataclass(frozen=True)
class Marker:
    """What belongs to one user alone. tag: stands in the clip's name and in the typed text."""

    number: int
    tag: str
    path: Path
    text: str
    sha256: str


def marker(folder: Path, number: int, of: int) -> Marker:
    """The marker clip of one user: its own colour, number and pitch."""
    tag = f"marker{number:02d}{hashlib.sha256(str(number).encode()).hexdigest()[:6]}"
    path = _write(folder / f"{tag}.mp4", number, of)
    text = f"{tag} person {number} speaks of {'music cooking sports news'.split()[number % 4]}"
    return Marker(number, tag, path, text, hashlib.sha256(path.read_bytes()).hexdigest())


def _picture(number: int, of: int, at: int) -> NDArray[np.uint8]:
    """Pixels (H, W, 3)."""
    hue = colorsys.hsv_to_rgb(number / max(of, 1), 0.8, 0.9)
    image = Image.new("RGB", SIZE, tuple(round(255 * part) for part in hue))
    draw = ImageDraw.Draw(image)
    draw.text((40, 20), str(number), fill="white", font_size=90)
    draw.rectangle((8 * at, 125, 8 * at + 12, 140), fill="black")
    return np.asarray(image)


def _write(path: Path, number: int, of: int) -> Path:
    with av.open(str(path), "w") as sink:
        video = sink.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        sound = sink.add_stream("aac", rate=RATE, layout="mono")
        for at in range(round(SECONDS * FPS)):
            frame = av.VideoFrame.from_ndarray(_picture(number, of, at), "rgb24")
            frame.pts, frame.time_base = at, Fraction(1, FPS)
            sink.mux(video.encode(frame))
        wave = tone(SECONDS, RATE, 200.0 + 45 * number)
        for first in range(0, len(wave), 1024):
            block = av.AudioFrame.from_ndarray(wave[None, first : first + 1024], "fltp", "mono")
            block.sample_rate, block.pts, block.time_base = RATE, first, Fraction(1, RATE)
            sink.mux(sound.encode(block))
        for stream in (video, sound):
            sink.mux(stream.encode(None))
    return path
