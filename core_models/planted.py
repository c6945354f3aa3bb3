"""Clips made by a seed, in which an event of known place, time and pitch decides the class.

A cross of some colour flashes in one cell of the picture, and a tone rises or falls for a moment.
Discs and frames of every colour, steady tones and bursts of noise stand around, and all of it lies
in textured noise; so nothing but the event says what the label is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Clip

COLOURS = {
    "red": (230, 60, 60),
    "green": (60, 200, 80),
    "blue": (70, 100, 240),
    "yellow": (230, 210, 60),
}
SWEEPS = {"rising": 1.0, "falling": -1.0}
LABELS = tuple(f"{colour} {sweep}" for colour in COLOURS for sweep in SWEEPS)
FRAMES, SIDE, CELL = 8, 48, 8  # pictures of a clip, their side and that of a cell in pixels
RATE, SECONDS = 16000, 2.0  # Hz, and the length of a clip
BURST = 0.25  # seconds of a tone
SPAN = 540.0  # mel that a tone rises or falls
LOW, HIGH = 700.0, 2400.0  # mel, of the middle of a tone
OTHERS = 4  # shapes, and sounds, that mean nothing

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Event:
    """What of a clip decides, in seconds, cells (row, column) and Hz.

    shown: when the cross is there; heard: when the tone is.
    """

    shown: tuple[float, float]
    cell: tuple[int, int]
    heard: tuple[float, float]
    hertz: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Planted:
    """A clip, the index of its label and its event."""

    clip: Clip
    label: int
    event: Event


def planted(seed: int) -> Planted:
    """The clip of a seed."""
    rng = np.random.default_rng(seed)
    label = int(rng.integers(len(LABELS)))
    colour, sweep = LABELS[label].split()
    frames, shown, cell = _picture(rng, COLOURS[colour])
    sound, heard, hertz = _sound(rng, SWEEPS[sweep])
    clip = Clip(
        name=f"planted-{seed}",
        key=hashlib.sha256(f"planted-{seed}".encode()).hexdigest(),
        frames=frames,
        times=(np.arange(FRAMES) + 0.5) * SECONDS / FRAMES,
        waveform=sound,
        rate=RATE,
        words=(),
        start=0.0,
        duration=SECONDS,
        file_duration=SECONDS,
        size=(SIDE, SIDE),
    )
    return Planted(clip, label, Event(shown, cell, heard, hertz))


def _picture(
    rng: np.random.Generator, colour: tuple[int, int, int]
) -> tuple[NDArray[np.uint8], tuple[float, float], tuple[int, int]]:
    """Frames (T, side, side, 3), when the cross is shown, and in which cell."""
    coarse = 22 * _normal(rng, (1, SIDE // 6, SIDE // 6, 3)).repeat(6, 1).repeat(6, 2)
    frames = 105 + coarse + 12 * _normal(rng, (FRAMES, SIDE, SIDE, 3))
    per_row = SIDE // CELL
    cells = rng.permutation(per_row**2)[: 1 + OTHERS]
    palette = list(COLOURS.values())
    for i, cell in enumerate(cells):
        row, column = divmod(int(cell), per_row)
        length = int(rng.integers(2, 4))
        start = int(rng.integers(FRAMES - length + 1))
        drawn = colour if i == 0 else palette[rng.integers(len(palette))]
        shape = CROSS if i == 0 else (DISC, FRAME)[rng.integers(2)]
        part = frames[
            start : start + length,
            row * CELL : (row + 1) * CELL,
            column * CELL : (column + 1) * CELL,
        ]
        part[:, shape] = np.asarray(drawn) + 12 * _normal(rng, (length, int(shape.sum()), 3))
        if i == 0:
            shown = (start * SECONDS / FRAMES, (start + length) * SECONDS / FRAMES)
            place = (row, column)
    return frames.clip(0, 255).astype(np.uint8), shown, place


def _sound(
    rng: np.random.Generator, sweep: float
) -> tuple[Array, tuple[float, float], tuple[float, float]]:
    """A waveform (S,), when the tone that rises or falls is heard, and between which pitches."""
    samples = round(RATE * SECONDS)
    wave = 0.01 * _normal(rng, (samples,))
    starts = rng.permutation(int(SECONDS / BURST))[: 1 + OTHERS] * BURST
    for i, start in enumerate(starts):
        middle, loud = rng.uniform(LOW, HIGH), rng.uniform(0.08, 0.16)
        begin, count = round(start * RATE), round(BURST * RATE)
        slope = SPAN * sweep if i == 0 else 0.0
        tone = _tone(middle, slope, count) if i < OTHERS else 0.7 * _normal(rng, (count,))
        wave[begin : begin + count] += loud * tone * np.hanning(count) ** 0.5
        if i == 0:
            heard = (begin / RATE, (begin + count) / RATE)
            low, high = _hertz(middle + np.array([-SPAN, SPAN]) / 2)
            hertz = (float(low), float(high))
    return wave, heard, hertz


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.standard_normal(shape, np.float32)


def _tone(middle: float, slope: float, count: int) -> Array:
    """A tone whose pitch goes through `middle` mel and changes by `slope` mel."""
    pitch = _hertz(middle + slope * np.linspace(-0.5, 0.5, count))
    return np.sin(2 * np.pi * np.cumsum(pitch) / RATE).astype(np.float32)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700 * (10 ** (mel / 2595) - 1)


def _shapes() -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """A cross, a disc and a frame in a cell."""
    y, x = (np.indices((CELL, CELL)) - (CELL - 1) / 2).astype(np.float64)
    cross = np.minimum(abs(x - y), abs(x + y)) < 1.1
    disc = x**2 + y**2 < (CELL / 2 - 0.4) ** 2
    frame = np.maximum(abs(x), abs(y)) > CELL / 2 - 1.6
    return cross, disc, frame


CROSS, DISC, FRAME = _shapes()
