"""Attention flow (Abnar and Zuidema 2020, arXiv:2005.00928) over groups of tokens.

The graph is that of rollout: each attention, with its residual, is a layer of pipes as wide as its
weights. What a group is given is the most that could flow to it from what the answer is read from,
if no other were served; so what is given does not sum to anything, and a group that the pipes can
serve with everything is given 1, which in a model with few layers happens often.

Over single tokens the exact flow takes minutes: blocks of the picture over a few frames, spans of
the sound and words are the nodes, as wide together as their tokens. Class tokens, bottlenecks and
positions of a caption stay single.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_models.clip import Modality
from explain.methods.groups import groups
from explain.methods.method import Between, Step
from explain.methods.wiring import Wiring, mean_of_heads, recorded, transition
from explain.question import Question

Array = NDArray[np.float64]
LEAST = 1e-9  # of what the answer is made of: less is no room, and no flow
PART = 4  # groups from one report to the next

Most = Annotated[int, Between(8, 200, 4)]


def flow(question: Question, *, most: Most = 60) -> Iterator[Step]:
    """The largest flow to each group, exact, spread evenly over its tokens; most: groups."""
    trace, wires = recorded(question)
    players, maps = groups(question, most), mean_of_heads(trace)
    owner = nodes(wires, players.owner)
    end = np.bincount(owner, wires.end.double().numpy()).astype(np.float64)
    pipes = [coarse(transition(x, maps, len(owner)), owner) for x in reversed(wires.steps)]
    found = torch.zeros(players.count)
    for i in range(players.count):
        if i % PART == 0:
            question.tick()
            if i:
                yield Step(i / players.count, players.spread(found))
        found[i] = largest(*towards(i, end, pipes))
    yield Step(1, players.spread(found))


def nodes(wires: Wiring, owner: Mapping[Modality, Tensor]) -> NDArray[np.int64]:
    """The node of every token of the state (N,): groups first, then each other token alone."""
    out = np.zeros(len(wires.end), np.int64)
    count = max((int(x.max()) + 1 for x in owner.values()), default=0)
    for stream, span in wires.spans.items():
        if (own := owner.get(cast(Modality, stream))) is not None:
            out[span] = own
            continue
        size = span.stop - span.start
        out[span] = np.arange(count, count + size)
        count += size
    return out


def coarse(made: Tensor, owner: NDArray[np.int64]) -> Array:
    """What tokens are made of (N, N) as what nodes are made of (n, n); rows still sum to 1."""
    belongs = np.eye(owner.max() + 1)[owner]  # (N, n)
    mixed: Array = belongs.T @ made.double().numpy() @ belongs
    return mixed / belongs.sum(axis=0)[:, None]


def towards(sink: int, end: Array, pipes: Sequence[Array]) -> tuple[Array, list[Array]]:
    """What of the graph, from the end on, leads to one node: `largest` of it is the flow."""
    keep, out = np.array([sink]), []
    for pipe in reversed(pipes):
        part = pipe[:, keep]
        keep = np.flatnonzero(part.any(axis=1))
        out.append(part[keep])
    return end[keep], out[::-1]


def largest(supply: Array, pipes: Sequence[Array]) -> float:
    """The maximum flow through a layered graph: supply (n,), pipes (n, m), (m, k), ... (z, 1).

    Preflow-push (Goldberg and Tarjan 1988) with exact distances to the sink, layer by layer.
    """
    room = [pipe.copy() for pipe in pipes]
    used = [np.zeros_like(pipe) for pipe in pipes]
    excess = [supply.copy(), *(np.zeros(pipe.shape[1]) for pipe in pipes)]
    while True:
        far = distances(room, used)
        waiting = zip(excess[:-1], far[:-1], strict=True)
        if not any((x[np.isfinite(d)] > LEAST).any() for x, d in waiting):
            return float(excess[-1][0])
        for i in range(len(room)):
            moved = pushed(excess[i], room[i], far[i], far[i + 1])
            _move(moved, room[i], used[i], excess[i], excess[i + 1])
        for i in reversed(range(len(room) - 1)):
            moved = pushed(excess[i + 1], used[i].T, far[i + 1], far[i])
            _move(moved, used[i].T, room[i].T, excess[i + 1], excess[i])


def distances(room: Sequence[Array], used: Sequence[Array]) -> list[Array]:
    """How many pipes away from the sink each node is, layer by layer; back along flow too."""
    far = [np.full(len(x), np.inf) for x in room] + [np.zeros(1)]
    changed = True
    while changed:
        changed = False
        for i in reversed(range(len(room))):
            near = np.where(room[i] > LEAST, far[i + 1], np.inf).min(axis=1, initial=np.inf) + 1
            if i:
                back = (
                    np.where(used[i - 1] > LEAST, far[i - 1][:, None], np.inf).min(
                        axis=0, initial=np.inf
                    )
                    + 1
                )
                near = np.minimum(near, back)
            changed |= bool((near < far[i]).any())
            far[i] = near
    return far


def pushed(excess: Array, room: Array, here: Array, there: Array) -> Array:
    """How much goes from each node to each of the next that is one nearer to the sink: (n, m)."""
    open_ = np.where(there == here[:, None] - 1, room, 0)
    return np.clip(excess[:, None] - (open_.cumsum(axis=1) - open_), 0, open_)


def _move(moved: Array, room: Array, used: Array, source: Array, target: Array) -> None:
    room -= moved
    used += moved
    source -= moved.sum(axis=1)
    target += moved.sum(axis=0)
