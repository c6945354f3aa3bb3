"""What two answers tell of a third: redundant, unique, or only both together, in bits.

Partial information decomposition as Bertschinger, Rauh, Olbrich, Jost and Ay define it
("Quantifying unique information", Entropy 2014, 16, 2161-2183, arXiv:1311.2839), called BROJA:
unique is what no joint distribution that keeps each pair of source and target can take away. It is
found by alternating projections (Banerjee, Rauh and Montúfar, "Computing the unique information",
ISIT 2018, arXiv:1709.07487). A decomposition belongs to a distribution, that is to many clips: of
one clip there is none. On multimodal models: Liang et al. 2023, arXiv:2302.12247.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
ROUNDS, SWEEPS, LOOK = 5_000, 2, 20  # at most; projections a round; rounds between looks
MANY = 200  # projections in the end, so that the margins are right
CLOSE = 1e-6  # bits by which it still falls from look to look
TINY = 1e-15  # mass that a cell keeps
SHUFFLES = 10


@dataclass(frozen=True)
class Decomposition:
    """In bits; the four sum to what both sources tell of the target together.

    first, second: what only that source tells.
    """

    redundant: float
    first: float
    second: float
    synergy: float

    @property
    def total(self) -> float:
        return self.redundant + self.first + self.second + self.synergy


@dataclass(frozen=True)
class Measured:
    """Of a sample: found in it, and the mean over shuffles of the target, which is what so few
    clips find where there is nothing. entropy: of the target, the most that could be told.
    """

    found: Decomposition
    chance: Decomposition
    entropy: float
    clips: int


def measured(
    target: Sequence[Hashable],
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    seed: int = 0,
    shuffles: int = SHUFFLES,
) -> Measured:
    """Of the counts of (target, first, second) over clips, at least one."""
    t, x, y = (coded(values) for values in (target, first, second))
    rng = np.random.default_rng(seed)
    by_chance = [decomposed(rng.permutation(t), x, y) for _ in range(shuffles)]
    names = ("redundant", "first", "second", "synergy")
    means = (float(np.mean([getattr(d, n) for d in by_chance])) for n in names)
    return Measured(decomposed(t, x, y), Decomposition(*means), entropy(t), len(t))


def coded(values: Sequence[Hashable]) -> Codes:
    """Each value as the number of its first place among those seen."""
    seen = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([seen[value] for value in values], np.int64)


def decomposed(target: Codes, first: Codes, second: Codes) -> Decomposition:
    """Of clips that count alike, each (n,)."""
    apart = information(target, first), information(target, second)
    both = information(target, first * (second.max() + 1) + second)
    least = max(*apart, min(both, _least(target, first, second)))  # the minimum lies between
    return Decomposition(sum(apart) - least, least - apart[1], least - apart[0], both - least)


def entropy(values: Codes) -> float:
    """Of what is seen, in bits."""
    return _bits(np.bincount(values) / len(values))


def information(one: Codes, other: Codes) -> float:
    """Mutual information of what is seen, in bits."""
    both = one * (other.max() + 1) + other
    return max(0.0, entropy(one) + entropy(other) - entropy(both))


def _least(target: Codes, first: Codes, second: Codes) -> float:
    """The least information that sources with the same (target, first) and (target, second) as
    here can give together.

    Cells are the triples (t, x, y) for which both pairs are seen: no others can have mass.
    """
    wide_x, wide_y = int(first.max()) + 1, int(second.max()) + 1
    pairs_x, at_x = np.unique(target * wide_x + first, return_counts=True)
    pairs_y, at_y = np.unique(target * wide_y + second, return_counts=True)
    meet = (pairs_x // wide_x)[:, None] == (pairs_y // wide_y)[None, :]
    ix, iy = np.nonzero(meet)  # (cells,): which pair of each kind a cell belongs to
    t = pairs_x[ix] // wide_x
    of_t = np.bincount(target)[t] / len(target)  # (cells,)
    px, py = at_x / len(target), at_y / len(target)
    ixy = np.unique(pairs_x[ix] % wide_x * wide_y + pairs_y[iy] % wide_y, return_inverse=True)[1]
    q = px[ix] * py[iy] / of_t  # independent given t: inside the polytope
    u, last = np.ones_like(px), np.inf  # scales of the projection, kept from round to round
    for i in range(ROUNDS):
        if i % LOOK == 0:
            now = _information(q, ixy, of_t)
            if abs(last - now) < CLOSE:
                break
            last = now
        u, q = _projected(_shared(q, ixy), ix, iy, px, py, u, SWEEPS)
    _, q = _projected(_shared(q, ixy), ix, iy, px, py, u, MANY)
    return _information(q, ixy, of_t)


def _information(q: Array, ixy: Codes, of_t: Array) -> float:
    """Between target and both sources, in bits, of masses (cells,)."""
    return float((q * np.log2(np.maximum(q, TINY) / (_shared(q, ixy) * of_t))).sum())


def _shared(q: Array, ixy: Codes) -> Array:
    """What all targets have together at the (x, y) of each cell, nowhere nothing: (cells,)."""
    return np.asarray(np.bincount(ixy, q)[ixy] + TINY)


def _projected(
    r: Array, ix: Codes, iy: Codes, px: Array, py: Array, u: Array, sweeps: int
) -> tuple[Array, Array]:
    """The nearest to r by divergence with margins px, py: r scaled in turns (Sinkhorn 1967)."""
    for _ in range(sweeps):
        v = py / np.bincount(iy, r * u[ix])
        u = px / np.bincount(ix, r * v[iy])
    return u, r * u[ix] * v[iy]


def _bits(p: Array) -> float:
    p = p[p > 0]
    return float(-(p * np.log2(p)).sum())
