"""Feature ablation of tokens, by Captum: what the score loses when they do not exist."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from captum.attr import FeatureAblation

from explain.methods.groups import ROWS, groups, others_on
from explain.methods.method import Between, Step
from explain.question import Question

Most = Annotated[int, Between(8, 2000, 4)]


def ablation(question: Question, *, most: Most = 500) -> Iterator[Step]:
    """One group after the other; most: groups at most, of one token each where that suffices.

    The pieces of a word always go together.
    """
    players = groups(question, most)
    found = torch.zeros(players.count)
    for first in range(0, players.count, ROWS):
        some = torch.ones(1, min(ROWS, players.count - first))
        method = FeatureAblation(
            lambda there, first=first: players.score(others_on(there, first, players.count))
        )
        lost = method.attribute(some, baselines=0, perturbations_per_eval=ROWS)[0]
        found[first : first + len(lost)] = lost
        yield Step((first + len(lost)) / players.count, players.spread(found))
