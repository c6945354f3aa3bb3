"""How alike two maps on tokens are: by rank, and in what stands out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core_models.clip import Modality
from explain.attribution import Array

Reals = NDArray[np.float64]
TokenScores = Mapping[Modality, Array]
TOP = 0.1  # of all tokens: what stands out


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """The rank correlation; 0 where one of the two is the same everywhere."""
    return _correlation(_ranks(np.asarray(a)), _ranks(np.asarray(b)))


def alike(a: TokenScores, b: TokenScores) -> float:
    """The rank correlation inside the modalities that both have, tokens counting alike.

    That one modality has more than another is the same in most maps, so it is left out.
    """
    both = sorted(a.keys() & b.keys())
    return _correlation(_inside(a, both), _inside(b, both))


def overlap_of_top(a: TokenScores, b: TokenScores, share: float = TOP) -> float:
    """The part of the highest tokens of one map that are among the highest of the other, of the
    modalities that both have. Those level with the last share its places.
    """
    both = sorted(a.keys() & b.keys())
    if not both:
        return 0.0
    x, y = (np.concatenate([np.asarray(s[m]) for m in both]) for s in (a, b))
    top = max(1, round(share * len(x)))
    return float(np.minimum(_among(x, top), _among(y, top)).sum() / top)


def _among(x: Array, top: int) -> Reals:
    """How much of each is among the highest, in [0, 1]; sums to top."""
    last = np.sort(x)[-top]
    above, level = x > last, x == last
    return np.asarray(above + level * (top - above.sum()) / level.sum(), np.float64)


def _inside(scores: TokenScores, among: Sequence[Modality]) -> Reals:
    """Ranks from -1 to 1 in each modality."""
    parts = [_ranks(scores[m]) / max(1, len(scores[m])) for m in among]
    return np.concatenate([np.zeros(0), *(2 * (part - part.mean()) for part in parts if len(part))])


def _ranks(x: NDArray[np.generic]) -> Reals:
    """From 0; those that are level get their mean."""
    _, where, counts = np.unique(x, return_inverse=True, return_counts=True)
    mean = np.cumsum(counts) - (counts + 1) / 2
    return np.asarray(mean[where.ravel()], np.float64)


def _correlation(a: Reals, b: Reals) -> float:
    if not len(a):
        return 0.0
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 1e-12 else 0.0
