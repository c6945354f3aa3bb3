"""Completeness (Sundararajan et al. 2017, arXiv:1703.01365): do the scores sum to the change?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from explain.attribution import Attribution

CLOSE, FAR = 0.05, 0.2  # of the change
LEAST = 1e-3  # of a score: a change below it is none


@dataclass(frozen=True)
class Completeness:
    """total: the sum of all scores. change: what they promise to sum to; None: no promise."""

    total: float
    change: float | None

    @property
    def residual(self) -> float | None:
        """What is too much in the sum."""
        return None if self.change is None else self.total - self.change

    @property
    def relative(self) -> float | None:
        """The residual as a part of the change, without sign."""
        if self.change is None:
            return None
        return abs(self.total - self.change) / max(abs(self.change), LEAST)

    @property
    def good(self) -> bool | None:
        return None if self.relative is None else self.relative <= FAR

    @property
    def verdict(self) -> str:
        if self.change is None or self.relative is None:
            return "The method does not promise that its scores sum to anything."
        sums = f"sum to {self.total:+.3g}; the score changed by {self.change:+.3g}"
        if abs(self.change) < LEAST:
            return f"The scores {sums}: there is no change to share out."
        if self.relative <= CLOSE:
            return f"The scores {sums}: all is accounted for."
        if self.relative <= FAR:
            return f"The scores {sums}: {self.relative:.0%} is missing or too much; try more steps."
        return f"The scores {sums}: {self.relative:.0%} off, so do not read them as amounts."

    def to_dict(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "change": self.change,
            "residual": self.residual,
            "relative": self.relative,
            "verdict": self.verdict,
        }


def completeness(attribution: Attribution) -> Completeness:
    """The sum includes what fell to streams without a place."""
    return Completeness(attribution.total, attribution.change)
