"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365), by Captum.

The straight path from nothing to the clip is cut into parts that follow each other; the integrals
over the parts add up, so the sum so far can be shown, and the work be stopped, after every part.
Of inputs, parts are shorter near nothing: a tower that normalises is steep there, and even steps
miss much.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from explain.methods import call
from explain.methods.method import Between, Step
from explain.question import Question

PART = 4  # steps of the integral from one report to the next
SLOW = {"token": 1, "input": 3}  # part i of n begins at (i / n) ** SLOW of the path

Steps = Annotated[int, Between(4, 200, 4)]


def of_tokens(question: Question, *, steps: Steps = 32) -> Iterator[Step]:
    """Over the tokens that the towers made, from those that they make of nothing."""
    yield from integrated(call.of_tokens(question), steps)


def of_inputs(question: Question, *, steps: Steps = 32) -> Iterator[Step]:
    """Over pixels, the spectrum of the sound and word embeddings."""
    yield from integrated(call.of_inputs(question), steps)


def integrated(asked: call.Call, steps: int) -> Iterator[Step]:
    """The integral of the gradient along the path, times the path."""
    begins, ends = asked.nothing, tuple(x.detach() for x in asked.values)
    with torch.no_grad():
        change = float(asked(*ends)) - float(asked(*begins))
    method, total = IntegratedGradients(asked), [torch.zeros_like(x) for x in ends]
    parts, slow = -(-steps // PART), SLOW[asked.level]
    for i in range(parts):
        start, stop = (_between(begins, ends, (j / parts) ** slow) for j in (i, i + 1))
        found = method.attribute(stop, start, n_steps=PART, internal_batch_size=asked.batch)
        total = [x + y.detach() for x, y in zip(total, found, strict=True)]
        yield asked.step((i + 1) / parts, total, change)


def _between(begins: tuple[Tensor, ...], ends: tuple[Tensor, ...], at: float) -> tuple[Tensor, ...]:
    return tuple(a + at * (b - a) for a, b in zip(begins, ends, strict=True))
