"""GRID (Cooke et al. 2006): six-word commands of one speaker, as tables of pictures and sound.

A command is "<command> <colour> <preposition> <letter> <digit> <adverb>". The model names colour
and digit: "blue two".
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from core_models.clip import Word
from core_models.media import load_clip
from core_models.training.features import Report

COLOUR, DIGIT = 1, 4  # places in a command
DIGITS = tuple("zero one two three four five six seven eight nine".split())
COLOURS = ("blue", "green", "red", "white")
LABELS = tuple(f"{colour} {digit}" for colour in COLOURS for digit in DIGITS)
RATE, SECONDS, FRAMES = 22050, 3.0, 75  # Hz, length of a clip, its frames


@dataclass(frozen=True)
class Utterance:
    """A clip of the corpus and its six words."""

    file: str
    words: tuple[str, ...]

    @property
    def label(self) -> int:
        return LABELS.index(f"{self.words[COLOUR]} {self.words[DIGIT]}")


def read(root: Path) -> tuple[Utterance, ...]:
    """The clips of a folder with labels.csv, in its order."""
    with (root / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        Utterance(
            row["file"],
            (
                row["command"],
                row["color"],
                row["prep"],
                row["letter"],
                DIGITS[int(row["digit"])],
                row["adverb"],
            ),
        )
        for row in rows
    )


def spoken(root: Path) -> dict[str, tuple[Word, ...]]:
    """When each word is spoken, by file: the truth about evidence, never trained on."""
    out: dict[str, tuple[Word, ...]] = {}
    with (root / "words.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            word = Word(row["word"], float(row["start_s"]), float(row["end_s"]))
            out[row["file"]] = (*out.get(row["file"], ()), word)
    return out


@dataclass(frozen=True)
class Split:
    """Clips to learn from, to choose by, and to report."""

    train: tuple[Utterance, ...]
    validate: tuple[Utterance, ...]
    test: tuple[Utterance, ...]


def split(utterances: Sequence[Utterance], seed: int = 0) -> Split:
    """620, 100 and the rest (180), by clip."""
    order = np.random.default_rng(seed).permutation(len(utterances))
    mixed = [utterances[i] for i in order]
    return Split(tuple(mixed[:620]), tuple(mixed[620:720]), tuple(mixed[720:]))


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
