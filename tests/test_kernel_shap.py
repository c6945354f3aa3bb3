"""Kernel SHAP's fit: what it gives back of a score that is known."""

from __future__ import annotations

import torch
from captum.attr import KernelShap
from torch import Tensor

from explain.methods.draws import seeded
from explain.methods.kernel_shap import ENDS, LeastSquares

PLAYERS = 30


def fitted(own: Tensor, seed: int = 0) -> Tensor:
    """The terms of a score to which each player adds its own part, and their number much more."""

    def score(there: Tensor) -> Tensor:
        return there.float() @ own + torch.exp(-there.float().sum(dim=1) / 4)

    method = KernelShap(score)
    method.interpretable_model = LeastSquares()
    method.inf_weight = ENDS
    with seeded(seed):
        everyone = torch.ones(1, PLAYERS)
        return method.attribute(everyone, baselines=0, n_samples=300, perturbations_per_eval=16)[0]


def test_the_number_of_players_does_not_leak_into_the_terms() -> None:
    own = torch.randn(PLAYERS, generator=torch.Generator().manual_seed(0)) / 10
    of_size = (torch.exp(torch.tensor(-PLAYERS / 4)) - 1) / PLAYERS  # by symmetry, the same for all
    for seed in (0, 1):
        assert torch.allclose(fitted(own, seed), own + of_size, atol=1e-4)


def test_two_scores_have_nothing_in_common_but_the_seed() -> None:
    one, two = torch.zeros(PLAYERS), torch.zeros(PLAYERS)
    one[3] = two[7] = 1.0
    found = torch.stack([fitted(one), fitted(two)])
    assert abs(float(torch.corrcoef(found)[0, 1])) < 0.1
