"""Infidelity (Yeh et al. 2019, arXiv:1901.09392), by taking random sets of tokens away.

The map predicts that a set takes its scores with it; the model says what it really took. Scores
are allowed one common factor, as not every method speaks in units of the score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from explain.metrics.similarity import Reals, TokenScores
from explain.question import Question

SETS, SHUFFLES = 48, 200
SURE = 0.05


@dataclass(frozen=True)
class Infidelity:
    """value: the mean squared error of the prediction as a part of the mean squared change, in
    [0, 1]; 0 is perfect. random: its mean when the scores are shuffled within modalities. p: how
    often a shuffled map predicts as well. sets: how many were taken away. seed: of all that.
    """

    value: float
    random: float
    p: float
    sets: int
    seed: int
    why: str = ""

    @property
    def good(self) -> bool | None:
        return None if self.why else self.p <= SURE

    @property
    def verdict(self) -> str:
        if self.why:
            return f"Infidelity cannot be told: {self.why}."
        how = "better than" if self.p <= SURE else "no better than"
        own, shuffled = 1 - self.value, 1 - self.random
        digits = next((n for n in (0, 1, 2) if f"{own:.{n}%}" != f"{shuffled:.{n}%}"), 2)
        return (
            f"What random sets of tokens change is foretold {how} by a shuffled map: "
            f"{own:.{digits}%} of it against {shuffled:.{digits}%} (p = {self.p:.3f})."
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "infidelity": self.value,
            "shuffled": self.random,
            "p": self.p,
            "sets": self.sets,
            "seed": self.seed,
            "verdict": self.verdict,
        }


def infidelity(
    question: Question,
    tokens: TokenScores,
    *,
    sets: int = SETS,
    shuffles: int = SHUFFLES,
    seed: int = 0,
) -> Infidelity:
    """Each set holds a random part of the tokens, from few to nearly all."""
    rng = np.random.default_rng(seed)
    here = question.here[0].cpu().numpy()  # (N,)
    share = rng.uniform(0.05, 0.95, (sets, 1))
    gone = (rng.random((sets, len(here))) < share) & here  # (sets, N)
    rows = torch.from_numpy(np.concatenate([here[None], here & ~gone])).to(question.here.device)
    found = question.of_rows(rows).double().cpu().numpy()
    change = found[0] - found[1:]  # (sets,)
    if np.abs(change).max() <= 1e-5 * max(1.0, abs(float(found[0]))):
        return Infidelity(1.0, 1.0, 1.0, sets, seed, "taking tokens away changes nothing")
    sizes = question.analysis.tokens.sizes
    scores = [np.asarray(tokens.get(m, np.zeros(n)), np.float64) for m, n in sizes.items()]
    value = _error(gone @ np.concatenate(scores), change)
    shuffled = np.array(
        [
            _error(gone @ np.concatenate([rng.permutation(x) for x in scores]), change)
            for _ in range(shuffles)
        ]
    )
    p = (1 + int((shuffled <= value + 1e-12).sum())) / (1 + shuffles)
    why = "" if any(np.ptp(x) for x in scores if len(x)) else "the map is the same everywhere"
    return Infidelity(value, float(shuffled.mean()), p, sets, seed, why)


def _error(told: Reals, change: Reals) -> float:
    """What the best factor leaves of the squared change; a factor below 0 is not allowed."""
    size = float(told @ told)
    factor = max(0.0, float(told @ change) / size) if size > 0 else 0.0
    rest = change - factor * told
    return float(rest @ rest) / float(change @ change)
