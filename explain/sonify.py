"""Listen to a map: the sound weighted by what speaks for the target, and what is left of it."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass

import numpy as np
import torch

from core_models.layout import BandGrid, TimeGrid
from explain.analysis import Analysis
from explain.attribution import Array, Attribution
from explain.fields import LINES, STEP, spectrum, waveform

FADE = 0.02  # seconds from one span to the next
LOUD = 95  # percentile of the scores above 0 from which the sound is left as loud as it was


class NothingToHearError(ValueError):
    """The map has no scores on sound."""


@dataclass(frozen=True, eq=False)
class Heard:
    """The sound by its scores, (S,) in [-1, 1]; both together are the sound of the clip."""

    marked: Array
    rest: Array
    rate: int


def heard(attribution: Attribution, analysis: Analysis) -> Heard:
    """Scores on tones weigh tones, others weigh spans of time; those below 0 are silent."""
    grid = attribution.grids.get("audio")
    if not isinstance(grid, TimeGrid):
        raise NothingToHearError(
            "This map has no scores on sound; choose a model and a clip with sound, switched on."
        )
    clip = analysis.clip
    weights = strength(attribution.scores["audio"])
    if isinstance(grid, BandGrid) and grid.hertz is not None:
        marked, rest = _by_tone(clip.waveform, clip.rate, clip.start, grid, weights)
    else:
        spans = weights if not isinstance(grid, BandGrid) else grid.spread(weights) / grid.bands
        gain = _gain(np.asarray(spans), grid, len(clip.waveform), clip.rate, clip.start)
        marked, rest = clip.waveform * gain, clip.waveform * (1 - gain)
    return Heard(marked, rest, clip.rate)


def strength(scores: Array) -> Array:
    """Scores as weights in [0, 1]; no score above 0 gives silence."""
    above = scores[scores > 0]
    if not len(above):
        return np.zeros_like(scores)
    return np.asarray(np.clip(scores / np.percentile(above, LOUD), 0, 1), np.float32)


def wav(samples: Array, rate: int) -> bytes:
    """A WAV file of mono samples (S,) in [-1, 1], 16 bit; what is louder is cut."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes())
    return out.getvalue()


def _by_tone(
    sound: Array, rate: int, start: float, grid: BandGrid, weights: Array
) -> tuple[Array, Array]:
    """Each cell of the short-time Fourier transform by its weight, and by what 1 leaves of it."""
    assert grid.hertz is not None
    whole = spectrum(torch.from_numpy(sound)[None])  # (1, 2, lines, columns)
    hertz = np.linspace(0, rate / 2, LINES // 2 + 1)
    at = start + np.arange(whole.shape[-1]) * STEP / rate
    band = np.searchsorted(grid.hertz[1:-1], hertz, side="right")  # (lines,)
    span = np.searchsorted(grid.edges[1:-1], at, side="right")  # (columns,)
    mask = torch.from_numpy(weights.reshape(-1, grid.bands)[span][:, band].T.copy())
    marked, rest = (waveform(whole * part, len(sound))[0].numpy() for part in (mask, 1 - mask))
    return marked, rest


def _gain(spans: Array, grid: TimeGrid, samples: int, rate: int, start: float) -> Array:
    """The weight of every sample (S,), with smooth edges between spans."""
    at = start + (np.arange(samples) + 0.5) / rate
    steps = spans[np.searchsorted(grid.edges[1:-1], at, side="right")]
    half = round(FADE * rate / 2)
    window = np.hanning(2 * half + 1 + 2)[1:-1]
    padded = np.pad(steps, half, mode="edge")
    gain = np.convolve(padded, window / window.sum(), mode="valid")
    return np.asarray(np.clip(gain, 0, 1), np.float32)
