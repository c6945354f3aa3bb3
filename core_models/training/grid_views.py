"""How a training clip of GRID is shown: at another pace and place, in other light, in noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_models.training.grid import FRAMES, RATE, SECONDS, Table, Utterance, with_noise

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Views:
    """How far a view may be from the clip.

    shift: seconds; pace: share of the speed; place: pixels; light: share; gain: powers of ten.
    clean: chance of no noise, else white noise at an snr of that range in dB. keep: chance that
    picture, sound is shown; at least one is. masks: of the spectrogram, so many of at most so
    many bands and frames.
    """

    shift: float = 0.2
    pace: float = 0.1
    place: int = 5
    light: float = 0.15
    gain: float = 0.3
    clean: float = 0.3
    snr: tuple[float, float] = (-12.0, 15.0)
    keep: tuple[float, float] = (0.85, 0.8)
    masks: int = 2
    mask_bands: int = 8
    mask_frames: int = 20


def eased(views: Views, share: float) -> Views:
    """Views with a share of the noise and of the change of pace: words are learned clean first."""
    low, high = views.snr
    return replace(
        views,
        clean=1 - share * (1 - views.clean),
        snr=(high - share * (high - low), high),
        pace=share * views.pace,
    )


@dataclass(frozen=True, eq=False)
class Batch:
    """frames (B, T, 1, side, side) in [0, 1]; sound as heard and without noise (B, S); mask
    (B, bands, frames): what of the spectrogram is blanked; shown (B, 2): picture, sound.
    """

    frames: Tensor
    heard: Tensor
    clean: Tensor
    mask: Tensor
    shown: Tensor
    clips: Sequence[Utterance]


def frames_of(table: Table, row: int, at: NDArray[np.float64], move: tuple[int, int]) -> Array:
    """The frames at some seconds, moved by (down, right) pixels: (T, side, side) in [0, 1]."""
    count, side = (at * FRAMES / SECONDS).astype(int).clip(0, FRAMES - 1), table.frames.shape[2]
    rows, columns = ((np.arange(side) - by).clip(0, side - 1) for by in move)
    picked: Array = table.frames[row][count][:, rows][:, :, columns].astype(np.float32) / 255
    return picked


def draw(
    table: Table,
    clips: Sequence[Utterance],
    views: Views,
    count: int,
    mel: tuple[int, int],
    rng: np.random.Generator,
) -> Batch:
    """One view of each clip. count: of frames; mel: bands and frames of a spectrogram."""
    rows = [_one(table, table.row[u.file], views, count, rng) for u in clips]
    frames, heard, clean = (torch.from_numpy(np.stack(x)) for x in zip(*rows, strict=True))
    shown = np.stack([_shown(views.keep, rng) for _ in clips])
    mask = np.stack([_mask(views, mel, rng) for _ in clips])
    return Batch(
        frames[:, :, None], heard, clean, torch.from_numpy(mask), torch.from_numpy(shown), clips
    )


def _one(
    table: Table, row: int, views: Views, count: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    length = SECONDS * rng.uniform(1 - views.pace, 1 + views.pace)
    start = (SECONDS - length) / 2 + rng.uniform(-views.shift, views.shift)
    at = start + (np.arange(count) + 0.5) / count * length
    down, right = rng.integers(-views.place, views.place + 1, 2)
    frames = frames_of(table, row, at, (int(down), int(right)))
    low, high = 1 - views.light, 1 + views.light
    frames = frames * np.float32(rng.uniform(low, high)) + np.float32(rng.uniform(low, high) - 1)
    wave, every = table.sound[row].astype(np.float32), np.arange(table.sound.shape[1])
    clean = np.interp(start * RATE + every * length / SECONDS, every, wave, 0, 0)
    clean = (clean * 10 ** rng.uniform(-views.gain, views.gain)).astype(np.float32)
    if rng.random() < views.clean:
        return frames, clean, clean
    return frames, with_noise(clean, rng.uniform(*views.snr), rng), clean


def _shown(keep: tuple[float, float], rng: np.random.Generator) -> NDArray[np.bool_]:
    while True:
        if (shown := rng.random(2) < keep).any():
            return shown


def _mask(views: Views, mel: tuple[int, int], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Bands and spans of time to blank, as SpecAugment does (Park et al. 2019): (bands, frames)."""
    out = np.zeros(mel, bool)
    for _ in range(views.masks):
        band, time = rng.integers(0, mel[0]), rng.integers(0, mel[1])
        out[band : band + rng.integers(views.mask_bands + 1)] = True
        out[:, time : time + rng.integers(views.mask_frames + 1)] = True
    return out
