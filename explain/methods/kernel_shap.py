"""Kernel SHAP of tokens (Lundberg & Lee 2017, arXiv:1705.07874), by Captum.

The scores of random combinations of groups of tokens are fitted by a sum with one term for each
group: its terms are Shapley values if all combinations are tried, and near them if many are. The
terms sum to the whole change. Groups are those of `token-shapley`, and a group's score is spread
evenly over its tokens.

How many groups there are moves the score of every clip alike, and random combinations are not
balanced: what one size does would leak into the terms, the same for every clip of one seed. So only
combinations of one size are set against each other. Over all combinations that changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import torch
from captum.attr import KernelShap
from torch import Tensor

from explain.methods.draws import seeded
from explain.methods.groups import ROWS, Groups, groups
from explain.methods.method import Between, Step
from explain.question import Question

REPORTS = 8  # from the first combination to the last
ENDS = 1e10  # marks all groups and none, whose difference the terms sum to; others weigh 1

Most = Annotated[int, Between(8, 400, 4)]
Samples = Annotated[int, Between(40, 8000, 40)]


def kernel_shap(
    question: Question, *, most: Most = 48, samples: Samples = 800, seed: int = 0
) -> Iterator[Step]:
    """The best fit to so many combinations; most: groups at most.

    With fewer combinations than groups, the smallest of the many best fits.
    """
    players = groups(question, most)
    everyone, change = torch.ones(1, players.count), players.change
    known: dict[bytes, Tensor] = {}
    for i in range(REPORTS):
        method = KernelShap(lambda there: remembered(players, known, there))
        method.interpretable_model = LeastSquares()  # instead of scikit-learn's
        method.inf_weight = ENDS
        with seeded(seed):  # the combinations so far are drawn again, and then new ones
            found = method.attribute(
                everyone,
                baselines=0,
                n_samples=samples * (i + 1) // REPORTS,
                perturbations_per_eval=ROWS,
            )
        yield Step((i + 1) / REPORTS, players.spread(found[0]), change)


def remembered(players: Groups, known: dict[bytes, Tensor], there: Tensor) -> Tensor:
    """The scores (B,) of combinations (B, G), of which only new ones cost a pass."""
    keys = [row.numpy().tobytes() for row in there > 0.5]
    new = [i for i, key in enumerate(keys) if key not in known]
    if new:
        known.update(zip([keys[i] for i in new], players.score(there[new]), strict=True))
    return torch.stack([known[key] for key in keys])


class LeastSquares:
    """Least squares within each size, in float64, as Captum asks a model to be fitted."""

    def __init__(self) -> None:
        self.terms = torch.zeros(0)

    def fit(self, train_data: Any, **kwargs: Any) -> None:
        """train_data: batches of combinations (n, G), scores (n,) and weights (n,)."""
        there, scores, weights = (torch.cat(x).double() for x in zip(*train_data, strict=True))
        ends = weights > 1
        whole, none = (scores[ends & (there[:, 0] == on)][0] for on in (1, 0))
        columns = torch.cat([there, scores[:, None]], dim=1)  # (n, G + 1)
        _, size = there.sum(dim=1).unique(return_inverse=True)  # (n,)
        own = torch.nn.functional.one_hot(size).double()  # (n, sizes)
        mean = (own.T @ columns) / own.sum(dim=0)[:, None]  # (sizes, G + 1)
        apart = columns - mean[size]
        solved = torch.linalg.lstsq(apart[:, :-1], apart[:, -1:], driver="gelsd").solution[:, 0]
        self.terms = (solved + (whole - none - solved.sum()) / len(solved)).float()

    def representation(self) -> Tensor:
        """The terms: (G,)."""
        return self.terms
