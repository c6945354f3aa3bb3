"""Shapley values of tokens by sampled orders (Castro et al. 2009; Štrumbelj & Kononenko 2010), by
Captum.

In a random order the groups of tokens come into being one after the other, and each is given what
the score changes by. The parts of every order sum to the whole change, so their mean does. A token
alone would cost too many passes: blocks of the picture over a few frames, spans of the sound and
words are the players, and a group's score is spread evenly over its tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from captum.attr import ShapleyValueSampling

from explain.methods.draws import seeded
from explain.methods.groups import ROWS, groups
from explain.methods.method import Between, Step
from explain.question import Question

Most = Annotated[int, Between(8, 400, 4)]
Orders = Annotated[int, Between(1, 200)]


def shapley(
    question: Question, *, most: Most = 60, orders: Orders = 10, seed: int = 0
) -> Iterator[Step]:
    """The mean over random orders; most: groups at most."""
    players = groups(question, most)
    everyone, change = torch.ones(1, players.count), players.change
    method = ShapleyValueSampling(players.score)
    total = torch.zeros(players.count)
    for i in range(orders):
        with seeded(seed, i):
            found = method.attribute(
                everyone, baselines=0, n_samples=1, perturbations_per_eval=ROWS
            )
        total = total + found[0]
        yield Step((i + 1) / orders, players.spread(total / (i + 1)), change)
