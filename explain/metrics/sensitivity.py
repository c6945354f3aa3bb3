"""Max-sensitivity (Yeh et al. 2019, arXiv:1901.09392): how much a map moves under small noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from explain.attribution import Attribution
from explain.methods.method import Method
from explain.metrics.metric import again, changed
from explain.metrics.similarity import TokenScores, alike
from explain.question import Question

DRAWS = {"token": 5, "input": 2}
RADIUS = 0.05  # of the standard deviation of what the noise is put on
STEADY = 0.5


@dataclass(frozen=True)
class Sensitivity:
    """value: the largest change of the map, as a part of its length. moved: what the noise
    changed of the target's score, at most. alike: the least rank correlation with the map itself.
    """

    value: float
    alike: float
    moved: float
    draws: int
    radius: float
    seed: int
    why: str = ""

    @property
    def good(self) -> bool | None:
        return None if self.why else self.value <= STEADY

    @property
    def verdict(self) -> str:
        if self.why:
            return f"Sensitivity cannot be told: {self.why}."
        how = "steady" if self.good else "unsteady"
        return (
            f"The map is {how}: noise of {self.radius:.0%} changes it by {self.value:.0%} at most, "
            f"and the score by {self.moved:.2g}."
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "max_sensitivity": self.value,
            "least_rank_correlation": self.alike,
            "score_moved": self.moved,
            "draws": self.draws,
            "radius": self.radius,
            "seed": self.seed,
            "verdict": self.verdict,
        }


def sensitivity(
    question: Question,
    method: Method,
    attribution: Attribution,
    tokens: TokenScores,
    *,
    radius: float = RADIUS,
    seed: int = 0,
) -> Iterator[Sensitivity]:
    """After every draw of the noise; on tokens, or on the inputs for methods that read those."""
    flat = _flat(tokens)
    size = float(np.linalg.norm(flat))
    if size == 0:
        yield Sensitivity(0.0, 0.0, 0.0, 0, radius, seed, "the map is empty")
        return
    most = least = moved = 0.0
    for i in range(DRAWS[attribution.level]):
        near = noisy(question, attribution.level, radius, seed * 1000 + i)
        found = again(near, method, attribution)
        most = max(most, float(np.linalg.norm(_flat(found) - flat)) / size)
        least = min(least if i else 1.0, alike(found, tokens))
        moved = max(moved, abs(near.value - question.value))
        yield Sensitivity(most, least, moved, i + 1, radius, seed)


def noisy(question: Question, level: str, radius: float, seed: int) -> Question:
    """With normal noise on the tokens, or on the inputs and what the towers make of them."""
    analysis = question.analysis
    drawn = torch.Generator().manual_seed(seed)

    def near(x: Tensor) -> Tensor:
        spread = x.std() if x.numel() > 1 else x.new_zeros(())
        return x + radius * spread * torch.randn(x.shape, generator=drawn).to(x)

    if level == "token":
        values = {m: near(x) for m, x in analysis.tokens.values.items()}
        extra = {s: near(x) for s, x in analysis.tokens.extra.items()}
        tokens = replace(analysis.tokens, values=values, extra=extra)
        return changed(question, tokens=tokens)
    read = {m: near(x) for m, x in analysis.inputs.values.items()}
    inputs = replace(analysis.inputs, values=read)
    with torch.no_grad():
        tokens = analysis.model.encode(inputs)
    return changed(question, inputs=inputs, tokens=tokens)


def _flat(tokens: TokenScores) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.concatenate([np.asarray(x, np.float64) for _, x in sorted(tokens.items())])
