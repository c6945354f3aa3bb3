"""Partial information decomposition: gates worked out by hand, identities, and a full search."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from itertools import product

import numpy as np
import pytest

from explain.dataset.pid import (
    Codes,
    Decomposition,
    coded,
    decomposed,
    entropy,
    information,
    measured,
)

Gate = Callable[[int, int], Hashable]
AND = 0.8112781244591328  # bits of an AND of two fair coins, all of which both tell


def parts(d: Decomposition) -> list[float]:
    return [d.redundant, d.first, d.second, d.synergy]


def of_gate(gate: Gate) -> Decomposition:
    """Two fair coins, and what a gate makes of them."""
    x, y = zip(*product((0, 1), repeat=2), strict=True)
    t = [gate(a, b) for a, b in zip(x, y, strict=True)]
    return decomposed(coded(t), coded(x), coded(y))


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        (lambda a, b: a ^ b, [0, 0, 0, 1]),  # either coin alone says nothing
        (lambda a, b: a, [0, 1, 0, 0]),
        (lambda a, b: b, [0, 0, 1, 0]),
        (lambda a, b: (a, b), [0, 1, 1, 0]),  # where I_min would call one bit redundant
        (lambda a, b: "always", [0, 0, 0, 0]),
        # Each coin tells 0.311 bits, and these may be the same; the other half bit needs both.
        (lambda a, b: a & b, [AND - 0.5, 0, 0, 0.5]),
    ],
    ids=["xor", "first", "second", "both", "constant", "and"],
)
def test_two_coins(gate: Gate, expected: list[float]) -> None:
    np.testing.assert_allclose(parts(of_gate(gate)), expected, atol=1e-4)


def test_copies_are_redundant() -> None:
    t = coded(list("abcd"))
    np.testing.assert_allclose(parts(decomposed(t, t, t)), [2, 0, 0, 0], atol=1e-9)


def test_a_copy_and_a_constant_are_unique() -> None:
    t, none = coded(list("abcd")), coded(list("xxxx"))
    np.testing.assert_allclose(parts(decomposed(t, t, none)), [0, 2, 0, 0], atol=1e-9)


def test_half_of_each() -> None:
    """Two bits: the sources share one, the other is an XOR of what only each has."""
    rows = list(product((0, 1), repeat=3))  # shared, a, b
    t, x, y = (coded(v) for v in zip(*[((s, a ^ b), (s, a), (s, b)) for s, a, b in rows],
                                     strict=True))  # fmt: skip
    np.testing.assert_allclose(parts(decomposed(t, x, y)), [1, 0, 0, 1], atol=1e-4)


def sample(seed: int, clips: int = 200, labels: int = 4) -> tuple[Codes, Codes, Codes]:
    """Sources that are right now and then, and wrong in their own ways."""
    rng = np.random.default_rng(seed)
    t = rng.integers(labels, size=clips)
    x, y = (
        np.where(rng.random(clips) < p, t, rng.integers(labels, size=clips)) for p in (0.4, 0.7)
    )
    return coded(t.tolist()), coded(x.tolist()), coded(y.tolist())


@pytest.mark.parametrize("seed", range(6))
def test_the_parts_sum_to_what_is_told(seed: int) -> None:
    t, x, y = sample(seed)
    d = decomposed(t, x, y)
    both = coded(list(zip(x.tolist(), y.tolist(), strict=True)))
    assert d.total == pytest.approx(information(t, both))
    assert d.redundant + d.first == pytest.approx(information(t, x))
    assert d.redundant + d.second == pytest.approx(information(t, y))
    assert min(parts(d)) > -1e-9 and d.total <= entropy(t) + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_names_and_order_do_not_matter(seed: int) -> None:
    t, x, y = sample(seed)
    found = parts(decomposed(t, x, y))
    order = np.random.default_rng(seed).permutation(len(t))
    again = decomposed(*(coded([f"label {v}" for v in source[order]]) for source in (t, x, y)))
    np.testing.assert_allclose(parts(again), found, atol=1e-5)
    np.testing.assert_allclose(parts(decomposed(t, y, x)), np.array(found)[[0, 2, 1, 3]], atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_no_other_distribution_with_the_same_pairs_tells_less(seed: int) -> None:
    """Of coins, all such distributions are two numbers: search them all."""
    t, x, y = sample(seed, clips=60, labels=2)
    p = np.zeros((2, 2, 2))
    np.add.at(p, (t, x, y), 1 / len(t))
    swing = np.array([[1, -1], [-1, 1]])  # keeps both margins of a target's table
    least = np.inf
    for a, b in product(np.linspace(-0.5, 0.5, 401), repeat=2):
        q = p + np.stack([a * swing, b * swing])
        if q.min() >= 0:
            least = min(least, told(q))
    d = decomposed(t, x, y)
    assert d.total - d.synergy == pytest.approx(least, abs=2e-3)
    assert d.total - d.synergy <= least + 1e-5


def told(q: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Of the target, axis 0, by both others."""
    whole = q.sum(0)[None] * q.sum((1, 2))[:, None, None]
    there = q > 0
    return float((q[there] * np.log2(q[there] / whole[there])).sum())


def test_what_few_clips_find_by_chance_is_said() -> None:
    rng = np.random.default_rng(0)
    t, x, y = (rng.integers(8, size=60).tolist() for _ in range(3))
    found = measured(t, x, y)
    assert found.clips == 60 and found.entropy == pytest.approx(entropy(coded(t)))
    assert found.chance.total == pytest.approx(found.found.total, rel=0.1) and found.found.total > 1
    sure = measured(x, x, y)
    assert sure.found.total > sure.chance.total + 0.2
    assert measured(t, x, y) == found  # the same seed
    assert measured(t, x, y, seed=1).chance != found.chance
