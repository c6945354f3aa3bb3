"""Attention flow: the largest flow, against a plain search for paths."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from explain.methods.flow import coarse, largest, towards

Array = NDArray[np.float64]


def by_paths(supply: Array, pipes: list[Array]) -> float:
    """The maximum flow by shortest paths with room (Edmonds and Karp 1972)."""
    sizes = [1, len(supply), *(p.shape[1] for p in pipes)]
    starts = np.cumsum([0, *sizes])
    room = np.zeros((starts[-1], starts[-1]))
    for i, pipe in enumerate([supply[None], *pipes]):
        room[starts[i] : starts[i + 1], starts[i + 1] : starts[i + 2]] = pipe
    total, sink = 0.0, int(starts[-1]) - 1
    while True:
        came, queue = {0: 0}, deque([0])
        while queue and sink not in came:
            node = queue.popleft()
            for j in np.nonzero(room[node] > 1e-9)[0].tolist():
                if j not in came:
                    came[j] = node
                    queue.append(j)
        if sink not in came:
            return total
        way = [sink]
        while way[-1]:
            way.append(came[way[-1]])
        edges = list(zip(way[1:], way[:-1], strict=True))
        least = min(room[i, j] for i, j in edges)
        for i, j in edges:
            room[i, j] -= least
            room[j, i] += least
        total += least


@pytest.mark.parametrize("seed", range(12))
def test_the_flow_is_the_largest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(2, 7, 4)]
    pipes = [
        rng.dirichlet(np.full(m, 0.3), n) * (rng.random((n, m)) < 0.7) for n, m in pairwise(sizes)
    ]
    end = rng.dirichlet(np.ones(sizes[0]))
    for sink in range(sizes[-1]):
        supply, towards_it = towards(sink, end, pipes)
        assert largest(supply, towards_it) == pytest.approx(by_paths(supply, towards_it), abs=1e-6)


def test_two_tokens_by_hand() -> None:
    """Half of the end stands at each token; token 0 is only itself, token 1 half of both."""
    pipes, end = [np.array([[1.0, 0.0], [0.5, 0.5]])], np.array([0.5, 0.5])
    assert largest(*towards(0, end, pipes)) == pytest.approx(1.0)
    assert largest(*towards(1, end, pipes)) == pytest.approx(0.5)


def test_nodes_are_as_wide_as_their_tokens() -> None:
    made = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.2, 0.4, 0.4]])
    found = coarse(made, np.array([0, 1, 1]))
    assert np.allclose(found, [[0.5, 0.5], [0.1, 0.9]])
