"""Agreement of methods (Krishna et al. 2022, arXiv:2202.01602): by rank, and in the top tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explain.metrics.similarity import TOP, Reals, TokenScores, alike, overlap_of_top

MUCH, LITTLE = 0.6, 0.3


@dataclass(frozen=True, eq=False)
class Agreement:
    """Matrices over methods, the map on trial first: ranks (M, M) in [-1, 1] are correlations
    inside modalities; tops (M, M) in [0, 1] are shared parts of the highest tenth.
    """

    methods: tuple[str, ...]
    ranks: Reals
    tops: Reals

    @property
    def mean(self) -> float | None:
        """The mean rank correlation of the first with all others; None without others."""
        return float(self.ranks[0, 1:].mean()) if len(self.methods) > 1 else None

    @property
    def good(self) -> bool | None:
        return None if self.mean is None else self.mean >= LITTLE

    @property
    def how(self) -> str:
        """In a word: how far the first agrees with the others."""
        mean = self.mean or 0.0
        return "much" if mean >= MUCH else "little" if mean < LITTLE else "in part"

    @property
    def verdict(self) -> str:
        if self.mean is None:
            return "There is no other map of this question to compare with; run another method."
        count = len(self.methods) - 1
        whom = "the other method" if count == 1 else f"the {count} other methods"
        top = float(self.tops[0, 1:].mean())
        return (
            f"It agrees {self.how} with {whom}: rank correlation {self.mean:.2f}, and {top:.0%} "
            f"of its top tokens are theirs (by chance: {TOP:.0%})."
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "methods": list(self.methods),
            "rank_correlation": np.round(self.ranks, 6).tolist(),
            "top_overlap": np.round(self.tops, 6).tolist(),
            "verdict": self.verdict,
        }


def agreement(maps: Mapping[str, TokenScores]) -> Agreement:
    """Of maps on tokens by the name of their method; the first is on trial."""
    every = list(maps.values())
    ranks = np.array([[alike(a, b) for b in every] for a in every])
    tops = np.array([[overlap_of_top(a, b) for b in every] for a in every])
    return Agreement(tuple(maps), ranks, tops)
