"""Clips of GRID as tables of pictures and sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from core_models.grid import DIGITS, LABELS, Utterance, read, split, spoken
from core_models.media import load_clip
from core_models.training.features import Report

__all__ = [
    "DIGITS",
    "FRAMES",
    "LABELS",
    "RATE",
    "SECONDS",
    "Table",
    "Utterance",
    "read",
    "split",
    "spoken",
    "table",
    "with_noise",
]

RATE, SECONDS, FRAMES = 22050, 3.0, 75  # Hz, length of a clip, its frames


@dataclass(frozen=True, eq=False)
class Table:
    """Every clip decoded: grey frames uint8 (N, 75, side, side), squashed to a square, and sound
    float16 (N, samples) at RATE; row: which is whose.
    """

    frames: NDArray[np.uint8]
    sound: NDArray[np.float16]
    row: dict[str, int]


def table(root: Path, cache: Path, side: int, report: Report = print) -> Table:
    """The clips of a folder, from the cache or decoded now."""
    folder, files = cache / f"grid-{side}", [u.file for u in read(root)]
    if not (folder / "sound.npy").exists():
        _decode(root, files, folder, side, report)
    frames = np.load(folder / "frames.npy", mmap_mode="r")
    return Table(frames, np.load(folder / "sound.npy"), {f: i for i, f in enumerate(files)})


def _decode(root: Path, files: Sequence[str], folder: Path, side: int, report: Report) -> None:
    """Read every clip; sound.npy, written last, marks a whole table."""
    folder.mkdir(parents=True, exist_ok=True)
    shape = (len(files), FRAMES, side, side)
    frames = np.lib.format.open_memmap(folder / "frames.npy", "w+", np.uint8, shape)
    sound = np.zeros((len(files), round(RATE * SECONDS)), np.float16)
    for i, file in enumerate(files):
        clip = load_clip(root / "clips" / file, frames=FRAMES, rate=RATE)
        x = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float()  # (T, 3, H, W)
        x = F.interpolate(x, size=(side, side), mode="bilinear", antialias=True).mean(dim=1)
        frames[i] = x[np.linspace(0, len(x) - 1, FRAMES).round()].round().byte().numpy()
        wave = clip.waveform[: sound.shape[1]]
        sound[i, : len(wave)] = wave
        if i % 100 == 99:
            report(f"  {i + 1} / {len(files)} clips decoded")
    frames.flush()
    np.save(folder / "sound.npy", sound)


def with_noise(
    wave: NDArray[np.float32], snr: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """White noise added to sound (S,), with the power of the sound snr dB above its own."""
    power = float(np.mean(np.square(wave))) * 10 ** (-snr / 10)
    noise = rng.standard_normal(wave.shape, dtype=np.float32)
    return wave + noise * np.float32(np.sqrt(power))
