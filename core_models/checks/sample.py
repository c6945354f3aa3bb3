"""The clip that models are checked on, made here: noise, a chirp, and words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from core_models.clip import Clip, Modality, Word
from core_models.interface import FusionModel

WORDS = ("somebody", "whistles", "a", "rising", "tone", "over", "flickering", "noise")


def sample(frames: int = 3, seconds: float = 2.0, start: float = 3.0, rate: int = 22050) -> Clip:
    """A window that does not begin at 0: a place without the start of the window lies outside."""
    rng = np.random.default_rng(0)
    time = np.arange(int(seconds * rate)) / rate
    chirp = 0.4 * np.sin(2 * np.pi * (300 + 300 * time) * time)
    return Clip(
        name="sample",
        key="0" * 64,
        frames=rng.integers(0, 256, (frames, 90, 160, 3), dtype=np.uint8),
        times=start + (np.arange(frames) + 0.5) * seconds / frames,
        waveform=chirp.astype(np.float32),
        rate=rate,
        words=tuple(Word(w) for w in WORDS),
        start=start,
        duration=seconds,
        file_duration=start + seconds + 1,
        size=(160, 90),
        text_source="typed",
    )


def only(clip: Clip, kept: Collection[Modality]) -> Clip:
    """The same clip as if it had been made with some modalities alone."""
    frames = len(clip.frames) if "video" in kept else 0
    return replace(
        clip,
        frames=clip.frames[:frames],
        times=clip.times[:frames],
        waveform=clip.waveform if "audio" in kept else clip.waveform[:0],
        words=clip.words if "text" in kept else (),
    )


def subsets(model: FusionModel) -> list[Sequence[Modality]]:
    """Every subset of the modalities that a model reads, the empty one first."""
    names = model.modalities
    return [some for size in range(len(names) + 1) for some in combinations(names, size)]
