"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365), by Captum.

The straight path from nothing to the clip is cut into parts that follow each other; the integrals
over the parts add up, so the sum so far can be shown, and the work be stopped, after every part.
What a part must sum to is known: the change of the score from its begin to its end. So half of the
steps are a first look, and the others go where it missed most: the worst part is halved, until
little is missed or no step is left. Of inputs, parts are shorter near nothing, where a tower that
normalises is steep.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import Annotated

import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from explain.methods import call
from explain.methods.method import Between, Step
from explain.question import Question

PART = 4  # steps in a part
ENOUGH = 0.01  # of the change, that all parts together may miss
SLOW = {"token": 1, "input": 3}  # a part that begins at p begins at p ** SLOW of the path

Steps = Annotated[int, Between(4, 200, 4)]


@dataclass(frozen=True, eq=False)
class Part:
    """Of the path, with what it adds to each stream; missed: of the change of the score."""

    start: float
    stop: float
    found: tuple[Tensor, ...]
    missed: float


def of_tokens(question: Question, *, steps: Steps = 32) -> Iterator[Step]:
    """Over the tokens that the towers made, from those that they make of nothing."""
    yield from integrated(call.of_tokens(question), steps)


def of_inputs(question: Question, *, steps: Steps = 32) -> Iterator[Step]:
    """Over pixels, the spectrum of the sound and word embeddings."""
    yield from integrated(call.of_inputs(question), steps)


def integrated(asked: call.Call, steps: int) -> Iterator[Step]:
    """The integral of the gradient along the path, times the path; steps: at most."""
    slow, method = SLOW[asked.level], IntegratedGradients(asked)
    begins, ends = asked.nothing, tuple(x.detach() for x in asked.values)

    def at(place: float) -> tuple[Tensor, ...]:
        share = place**slow
        return tuple(a + share * (b - a) for a, b in zip(begins, ends, strict=True))

    @cache
    def score(place: float) -> float:
        with torch.no_grad():
            return float(asked(*at(place)))

    def part(start: float, stop: float) -> Part:
        found = method.attribute(at(stop), at(start), n_steps=PART, internal_batch_size=asked.batch)
        kept = tuple(x.detach() for x in found)
        total = sum(float(x.sum(dtype=torch.float64)) for x in kept)
        return Part(start, stop, kept, abs(total - (score(stop) - score(start))))

    change, count = score(1) - score(0), max(1, steps // (2 * PART))
    parts: list[Part] = []
    for i in range(count):
        parts.append(part(i / count, (i + 1) / count))
        yield asked.step(len(parts) * PART / (steps + 1), summed(parts), change)
    left = steps // PART - count
    while left >= 2 and sum(x.missed for x in parts) > ENOUGH * abs(change):
        worst = max(parts, key=lambda x: x.missed)
        middle, left = (worst.start + worst.stop) / 2, left - 2
        parts.remove(worst)
        parts += [part(worst.start, middle), part(middle, worst.stop)]
        yield asked.step(1 - (left + 1) * PART / (steps + PART), summed(parts), change)
    yield asked.step(1, summed(parts), change)


def summed(parts: Sequence[Part]) -> list[Tensor]:
    """Over all parts, stream by stream."""
    return [reduce(torch.add, some) for some in zip(*(x.found for x in parts), strict=True)]
