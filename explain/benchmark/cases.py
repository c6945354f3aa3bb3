"""What is asked of a model: clips, the word of the label that is asked about, and where it lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from core_models import grid, planted
from core_models.clip import MODALITIES, Clip, Modality, Word
from core_models.media import EXTENSIONS, load_clip
from explain.benchmark.truth import Region


class BenchmarkError(ValueError):
    """What cannot be measured; the message says what to do instead."""


@dataclass(frozen=True)
class Aim:
    """A question about a clip. asked: for `explain.targets.target`; word: what the answer must
    hold for the evidence to lie where the regions say.
    """

    asked: str = "auto"
    word: str = ""
    regions: Mapping[Modality, Region] = field(default_factory=dict)
    name: str = "answer"


@dataclass(frozen=True, eq=False)
class Case:
    """A clip, read when it is needed, and what is asked about it. open: from a number of frames."""

    name: str
    open: Callable[[int], Clip]
    aims: tuple[Aim, ...] = (Aim(),)


def planted_cases(count: int, first: int = 0) -> tuple[Case, ...]:
    """The clips of so many seeds: the cross decides the colour, the tone whether it rises."""
    return tuple(_planted(seed) for seed in range(first, first + count))


def _planted(seed: int) -> Case:
    made = planted.planted(seed)
    colour, sweep = planted.LABELS[made.label].split()
    event, cells = made.event, planted.SIDE // planted.CELL
    rows, columns = ((i / cells, (i + 1) / cells) for i in event.cell)
    seen = Region(time=event.shown, rows=rows, columns=columns)
    heard = Region(time=event.heard, pitch=event.hertz)
    return Case(
        made.clip.name,
        lambda frames: planted.planted(seed).clip,
        (
            Aim(colour, colour, {"video": seen}, "colour"),
            Aim(sweep, sweep, {"audio": heard}, "tone"),
        ),
    )


def grid_cases(root: Path, words: Sequence[str] = ("colour",)) -> tuple[Case, ...]:
    """The test clips of a folder with GRID, in the order of the split; words: colour, digit."""
    places = {"colour": grid.COLOUR, "digit": grid.DIGIT}
    when = grid.spoken(root)
    return tuple(
        Case(
            u.file,
            partial(_open, root / "clips" / u.file, " ".join(u.words)),
            tuple(_spoken(name, u.words, when[u.file], places[name]) for name in words),
        )
        for u in grid.split(grid.read(root)).test
    )


def _spoken(name: str, words: Sequence[str], when: Sequence[Word], place: int) -> Aim:
    start, end = when[place].start, when[place].end
    assert start is not None and end is not None
    there = Region(time=(start, end), word=place)
    return Aim(words[place], words[place], {m: there for m in MODALITIES}, name)


def folder_cases(root: Path) -> tuple[Case, ...]:
    """Every clip of a folder, without any truth about it."""
    files = sorted(p for p in root.iterdir() if p.suffix.lower() in EXTENSIONS)
    return tuple(Case(p.name, partial(_open, p, "")) for p in files)


def _open(path: Path, text: str, frames: int) -> Clip:
    return load_clip(path, text=text, frames=frames)
