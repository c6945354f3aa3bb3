"""From cached features to batches: which frames, caption and sound a video is shown with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_models.clip import MODALITIES, Modality
from core_models.training.data import Video
from core_models.training.features import Features
from core_models.training.sounds import Pairing

Array = NDArray[np.float16]


@dataclass(frozen=True)
class Mix:
    """How training samples are drawn.

    frames: at most so many of a video, a new draw each time. keep: chance that a modality which
    is there is shown; at least one always is. borrow: chance that a video without a picture is
    shown with one of its category. join: chance that two or three captions are read together.
    """

    frames: int = 2
    keep: tuple[float, float, float] = (0.8, 0.5, 0.7)  # video, audio, text
    borrow: float = 0.5
    join: float = 0.15
    audio_tokens: int = 20


@dataclass(frozen=True, eq=False)
class Sample:
    """One row of a batch: frames (T, cells, d) at relative times (T,), sound (N, d), text (L, d).

    An absent modality has no rows. target: chances of the labels (C,).
    """

    video: Array
    times: NDArray[np.float64]
    audio: Array
    text: Array
    label: int
    target: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded features and what of them exists, as `CAAM.embed` takes them."""

    values: Mapping[Modality, Tensor]
    keep: Mapping[Modality, Tensor]
    times: Tensor
    labels: Tensor
    targets: Tensor


def show(
    features: Features, name: str, count: int, rng: np.random.Generator
) -> tuple[Array, NDArray[np.float64]]:
    """Some frames of a video in time order, mirrored or not: (T, cells, d) and their times."""
    key = f"{name}~" if f"{name}~" in features.video and rng.random() < 0.5 else name
    frames = features.video[key]
    picked = np.sort(rng.permutation(len(frames))[:count])
    return frames[picked], (picked + 0.5) / len(frames)


def choose(
    there: Sequence[bool], chances: Sequence[float], rng: np.random.Generator
) -> Sequence[bool]:
    """Which of the modalities that are there are shown: at least one, every subset possible."""
    while True:
        drawn = rng.random(len(there)) < chances
        shown = [bool(a and b) for a, b in zip(there, drawn, strict=True)]
        if any(shown):
            return shown


class Sampler:
    """Draws samples of training videos; every draw depends on the rng alone."""

    def __init__(
        self,
        features: Features,
        targets: Mapping[str, NDArray[np.float32]],
        pairing: Pairing,
        mix: Mix,
        videos: Sequence[Video],
    ) -> None:
        self.features, self.targets = features, targets
        self.pairing, self.mix = pairing, mix
        self.seen: dict[int, list[str]] = {}
        for video in videos:
            if video.name in features.video:
                self.seen.setdefault(video.category, []).append(video.name)

    def draw(self, video: Video, rng: np.random.Generator) -> Sample:
        """One way to show a video."""
        mix, features = self.mix, self.features
        source = video.name
        if source not in features.video and rng.random() < mix.borrow:
            source = str(rng.choice(self.seen[video.category]))
        there = [source in features.video, True, True]
        shown = choose(there, mix.keep, rng)
        none = np.zeros(0)
        frames, times = features.video.rows[:0], none
        if shown[0]:
            frames, times = show(features, source, mix.frames, rng)
        audio = self._sound(video, rng) if shown[1] else features.sound.rows[:0]
        text = self._text(video, rng) if shown[2] else features.text.rows[:0]
        return Sample(frames, times, audio, text, video.category, self.targets[video.name])

    def _sound(self, video: Video, rng: np.random.Generator) -> Array:
        """A stretch of the video's own sound, else of one that is paired with its category."""
        own = video.name in self.features.sound
        key = video.name if own else self.pairing.draw(video.category, rng)
        sound = self.features.sound[key]
        length = min(len(sound), int(rng.integers(4, self.mix.audio_tokens + 1)))
        start = int(rng.integers(len(sound) - length + 1))
        return sound[start : start + length]

    def _text(self, video: Video, rng: np.random.Generator) -> Array:
        """One caption, at times two or three behind each other."""
        count = int(rng.integers(2, 4)) if rng.random() < self.mix.join else 1
        picked = rng.permutation(len(video.captions))[:count]
        keys = [k for i in picked if (k := f"{video.name}#{i}") in self.features.text]
        return np.concatenate(
            [self.features.text[k] for k in keys] or [self.features.text.rows[:0]]
        )


def collate(samples: Sequence[Sample]) -> Batch:
    """Pad the samples to one length per modality; padding is not kept."""
    cells = samples[0].video.shape[1]
    most = max(len(s.times) for s in samples)
    values: dict[Modality, Tensor] = {}
    keep: dict[Modality, Tensor] = {}
    rows = {
        "video": [s.video.reshape(-1, s.video.shape[-1]) for s in samples],
        "audio": [s.audio for s in samples],
        "text": [s.text for s in samples],
    }
    for m in MODALITIES:
        values[m], keep[m] = pad(rows[m], most * cells if m == "video" else None)
    times = torch.zeros(len(samples), most)
    for row, sample in zip(times, samples, strict=True):
        row[: len(sample.times)] = torch.from_numpy(sample.times)
    labels = torch.tensor([s.label for s in samples])
    targets = torch.from_numpy(np.stack([s.target for s in samples]))
    return Batch(values, keep, times, labels, targets)


def pad(rows: Sequence[Array], length: int | None = None) -> tuple[Tensor, Tensor]:
    """Sequences (N_i, d) -> float (B, N, d) and which rows exist (B, N)."""
    if length is None:
        length = max(1, *(len(row) for row in rows))
    out = torch.zeros(len(rows), length, rows[0].shape[-1])
    keep = torch.zeros(len(rows), length, dtype=torch.bool)
    for i, row in enumerate(rows):
        out[i, : len(row)] = torch.from_numpy(row.astype(np.float32))
        keep[i, : len(row)] = True
    return out, keep
