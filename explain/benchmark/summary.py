"""From rows to what can be said of a method, each mean with the interval that clips give it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from explain.benchmark.rows import Row

DRAWS = 2000  # of the bootstrap (Efron 1979)
ENOUGH = 10  # clips, to be the best
LEAST = 1e-3  # a chance below which no ratio to it is given

Reals = NDArray[np.float64]


class Key(NamedTuple):
    """What numbers of several methods can be compared in."""

    model: str
    aim: str
    measure: str
    metric: str
    modality: str


@dataclass(frozen=True)
class Cell:
    """A method's mean over clips with its 95 % interval, and chance.

    ratio: of the mean to chance, with its interval; NaN where chance is next to nothing or there
    is none. beats: the difference to chance is above 0 in all of its interval.
    """

    key: Key
    method: str
    clips: int
    mean: float
    low: float
    high: float
    chance: float
    ratio: float
    ratio_low: float
    ratio_high: float
    beats: bool


@dataclass(frozen=True)
class Belief:
    """The method with the highest mean, and those whose difference to it may be chance."""

    best: Cell
    tied: tuple[str, ...]


def summary(rows: Iterable[Row], seed: int = 0) -> list[Cell]:
    """One cell for each key and method, in the order of the rows."""
    groups: dict[tuple[Key, str], list[Row]] = defaultdict(list)
    for row in rows:
        key = Key(row.model, row.aim, row.measure, row.metric, row.modality)
        groups[key, row.method].append(row)
    return [_cell(key, method, found, seed) for (key, method), found in groups.items()]


def _cell(key: Key, method: str, rows: Sequence[Row], seed: int) -> Cell:
    values, chances = (np.array([getattr(x, name) for x in rows]) for name in ("value", "chance"))
    drawn = draws(len(rows), seed)
    means, chance = values[drawn].mean(axis=1), float(chances.mean())
    low, high = between(means)
    ratio = ratio_low = ratio_high = float("nan")
    if chance > LEAST:
        ratio = float(values.mean()) / chance
        ratio_low, ratio_high = between(means / chances[drawn].mean(axis=1))
    beats = between((values - chances)[drawn].mean(axis=1))[0] > 0
    return Cell(
        key, method, len(rows), float(values.mean()), low, high,
        chance, ratio, ratio_low, ratio_high, beats,
    )  # fmt: skip


def between(means: Reals) -> tuple[float, float]:
    """The middle 95 % of bootstrapped means (DRAWS,)."""
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


@cache
def draws(count: int, seed: int) -> NDArray[np.int64]:
    """Which clips each bootstrap sample holds: (DRAWS, count)."""
    return np.random.default_rng(seed).integers(count, size=(DRAWS, count))


def believe(
    cells: Sequence[Cell], rows: Iterable[Row], key: Key, without: Sequence[str], seed: int = 0
) -> Belief | None:
    """Who is best by a key, leaving out some methods and those tried on few clips; None where
    nobody was measured.
    """
    here = [c for c in cells if c.key == key and c.method not in without]
    if not here:
        return None
    enough = min(ENOUGH, max(c.clips for c in here))
    values: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if Key(row.model, row.aim, row.measure, row.metric, row.modality) == key:
            values[row.method][row.clip] = row.value
    best = max((c for c in here if c.clips >= enough), key=lambda c: c.mean)
    tied = [
        c.method
        for c in sorted(here, key=lambda c: -c.mean)
        if c is not best and not _apart(values[best.method], values[c.method], seed)
    ]
    return Belief(best, tuple(tied))


def _apart(one: Mapping[str, float], two: Mapping[str, float], seed: int) -> bool:
    """Whether the mean of one lies above that of two on the clips that both have."""
    both = [one[clip] - two[clip] for clip in one if clip in two]
    return bool(both) and between(np.array(both)[draws(len(both), seed)].mean(axis=1))[0] > 0
