"""GRID (Cooke et al. 2006) as it lies on disk: six-word commands, and when each word is spoken.

A command is "<command> <colour> <preposition> <letter> <digit> <adverb>". A folder holds the clips
in ``clips/``, ``labels.csv`` (file, command, color, prep, letter, digit, adverb) and ``words.csv``
(file, position, word, start_s, end_s). Models name colour and digit: "blue two".
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core_models.clip import Word

COLOUR, DIGIT = 1, 4  # places in a command
DIGITS = tuple("zero one two three four five six seven eight nine".split())
COLOURS = ("blue", "green", "red", "white")
LABELS = tuple(f"{colour} {digit}" for colour in COLOURS for digit in DIGITS)


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
