"""Exact Shapley values (Shapley 1953) and Harsanyi dividends (1963) of a game of few players.

A game is an array (2^M, ...): what every coalition is worth, on the first axis, where player j is
in coalition i if bit j of i is set; further axes are games side by side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def players(values: NDArray[np.floating]) -> int:
    """M; ValueError where there are not 2^M coalitions."""
    count = len(values).bit_length() - 1
    if len(values) != 1 << count:
        raise ValueError(f"{len(values)} is not the number of coalitions of any number of players")
    return count


def dividends(values: NDArray[np.floating]) -> Array:
    """What each coalition adds to all that its parts make without it: (2^M, ...).

    A coalition is worth the sum of the dividends of all coalitions inside it.
    """
    out = np.array(values, np.float64)
    every = np.arange(len(out))
    for player in range(players(values)):
        with_it = every[every >> player & 1 == 1]
        out[with_it] -= out[with_it - (1 << player)]
    return out


def shapley(values: NDArray[np.floating]) -> Array:
    """Every player's part (M, ...): each dividend, shared equally by its members.

    The parts sum to what all are worth less what nobody is.
    """
    found, count = dividends(values), players(values)
    sizes = np.array([row.bit_count() for row in range(len(found))]).clip(min=1)
    each = found / sizes.reshape(-1, *(1 for _ in found.shape[1:]))  # (2^M, ...)
    member = np.arange(len(found)) >> np.arange(count)[:, None] & 1 == 1  # (M, 2^M)
    return np.stack([each[row].sum(axis=0) for row in member]) if count else each[:0]
