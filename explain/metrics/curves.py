"""The curves of deletion and insertion, and what they say against random orders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Modality

Part = Modality | Literal["all"]
Reals = NDArray[np.float64]
Word = Literal["better than random", "no better than random", "worse than random", "cannot be told"]

BETTER: Word = "better than random"
SURE = 0.05  # the p-value from which an order is said to differ from random ones
SOONER = 0.8  # of what random orders need: less is worth saying
WILD = 3.0  # times the change from all to none: curves that run so far have no half
STILL = 1e-5  # of the score: what moves less does not move


@dataclass(frozen=True, eq=False)
class RandomOrders:
    """What random orders do to one question: the same for every method.

    part: whose tokens come and go, all others stay. count: how many there are. fractions: (F,) from
    0 to 1. deletion, insertion: (R, F) scores. full, empty: the score with all and with none.
    """

    part: Part
    count: int
    fractions: Reals
    deletion: Reals
    insertion: Reals
    full: float
    empty: float
    seed: int

    @property
    def still(self) -> bool:
        """The score does not depend on these tokens."""
        return bool(np.ptp(self.deletion) <= STILL * max(1.0, abs(self.full)))

    @property
    def scale(self) -> float:
        """The change from none to all, the unit of curves; where that is next to nothing, a tenth
        of what random orders run through.
        """
        return max(abs(self.full - self.empty), 0.1 * float(np.ptp(self.deletion))) or 1.0

    def unit(self, scores: Reals) -> Reals:
        """As parts of the change, from 0 for nothing."""
        return (scores - self.empty) / self.scale


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of one attribution; 0 is the score of nothing, 1 that of the clip (-1 where the
    tokens speak against the target).

    deletion, insertion: (F,) over fractions. random_deletion, random_insertion: (R, F).
    why: why nothing can be told, as a clause; empty where it can.
    """

    part: Part
    fractions: Reals
    deletion: Reals
    insertion: Reals
    random_deletion: Reals
    random_insertion: Reals
    full: float
    empty: float
    seed: int
    why: str = ""

    @property
    def deletion_area(self) -> float:
        """Small is good: the score falls early."""
        return float(_area(self.deletion, self.fractions))

    @property
    def insertion_area(self) -> float:
        """Large is good: the score rises early."""
        return float(_area(self.insertion, self.fractions))

    @property
    def gap(self) -> float:
        """The area between the curves: large is good, 0 is random, below 0 is upside down."""
        return self.insertion_area - self.deletion_area

    @property
    def random_gaps(self) -> Reals:
        """(R,)"""
        return _area(self.random_insertion, self.fractions) - _area(
            self.random_deletion, self.fractions
        )

    @property
    def effect(self) -> float:
        """The gap less that of random orders, in their standard deviations."""
        gaps = self.random_gaps
        spread = float(gaps.std(ddof=1)) if len(gaps) > 1 else 0.0
        return 0.0 if self.why or spread == 0 else (self.gap - float(gaps.mean())) / spread

    @property
    def p(self) -> float:
        """How often random orders do as well, or as badly if it is worse: a permutation test."""
        gaps, room = self.random_gaps, 1e-6
        better = int((gaps >= self.gap - room).sum())
        worse = int((gaps <= self.gap + room).sum())
        return (1 + min(better, worse)) / (1 + len(gaps))

    @property
    def word(self) -> Word:
        """The verdict."""
        if self.why:
            return "cannot be told"
        if self.p > SURE:
            return "no better than random"
        return BETTER if self.effect > 0 else "worse than random"

    @property
    def halves(self) -> tuple[float, float] | None:
        """The fractions whose deletion takes half of the score: by the map, by random orders.

        None where the score with all is not well above that with none.
        """
        if self.why or self.deletion[0] < 1 or np.ptp(self.random_deletion) > WILD:
            return None
        mean = self.random_deletion.mean(axis=0)
        return _half(self.deletion, self.fractions), _half(mean, self.fractions)

    def said(self, target: str) -> str:
        """The verdict on the order, as a sentence without its stop."""
        if self.why:
            return f"The order cannot be judged: {self.why}"
        word, chance = self.word.capitalize(), f"p = {self.p:.3f}"
        if self.word == BETTER and self.halves is not None:
            own, others = self.halves
            if own < SOONER * others:
                return (
                    f"{word}: deleting {own:.0%} of the tokens in its order takes half of "
                    f"{quoted(target)}; random orders need {others:.0%} ({chance})"
                )
        return (
            f"{word} for {quoted(target)}: {self.effect:+.1f} standard deviations of random orders "
            f"({chance})"
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the random curves as mean, lowest and highest."""
        return {
            "part": self.part,
            "fractions": _listed(self.fractions),
            "deletion": _listed(self.deletion),
            "insertion": _listed(self.insertion),
            "random_deletion": _band(self.random_deletion),
            "random_insertion": _band(self.random_insertion),
            "deletion_area": self.deletion_area,
            "insertion_area": self.insertion_area,
            "effect": self.effect,
            "p": self.p,
            "verdict": self.word,
            "why": self.why,
            "score_full": self.full,
            "score_empty": self.empty,
            "seed": self.seed,
        }


def quoted(name: str) -> str:
    """The name of a target in a sentence; the words of a caption are in quotes already."""
    return name if "“" in name else f"“{name}”"


def _area(curve: Reals, fractions: Reals) -> Reals:
    """Under curves (..., F), by the trapezoidal rule."""
    mean = (curve[..., 1:] + curve[..., :-1]) / 2
    return np.asarray((mean * np.diff(fractions)).sum(axis=-1))


def _half(curve: Reals, fractions: Reals) -> float:
    """Where a curve that ends below a half first falls below it."""
    i = int(np.argmax(curve < 0.5))
    above, below = curve[i - 1], curve[i]
    share = (above - 0.5) / (above - below)
    return float(fractions[i - 1] + share * (fractions[i] - fractions[i - 1]))


def _listed(x: Reals) -> list[float]:
    return [round(float(v), 6) for v in x]


def _band(curves: Reals) -> dict[str, list[float]]:
    return {
        "mean": _listed(curves.mean(axis=0)),
        "low": _listed(curves.min(axis=0)),
        "high": _listed(curves.max(axis=0)),
    }
