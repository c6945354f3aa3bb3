"""Integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365), by Captum.

The straight path from nothing to the clip is cut into parts that follow each other; the integrals
over the parts add up, so the sum so far can be shown, and the work be stopped, after every part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from core_models.clip import Stream
from explain.methods.method import Between, Step
from explain.question import Question

Score = Callable[[Mapping[Stream, Tensor]], Tensor]  # values (B, ...) per stream -> (B,)
PART = 4  # steps of the integral from one report to the next

Steps = Annotated[int, Between(4, 200, 4)]


def of_tokens(question: Question, *, steps: Steps = 32) -> Iterator[Step]:
    """Over the tokens that the towers made, from those that they make of nothing."""
    score: Score = question.of_tokens
    for step in integrated(score, question.tokens, question.empty, steps):
        yield step._replace(scores={s: x.sum(dim=-1) for s, x in step.scores.items()})


def of_inputs(question: Question, *, steps: Steps = 32) -> Iterator[Step]:
    """Over pixels, the spectrum of the sound and word embeddings."""
    fields = question.fields
    yield from integrated(question.of_inputs, fields.values, fields.nothing, steps)


def integrated(
    score: Score, values: Mapping[Stream, Tensor], nothing: Mapping[Stream, Tensor], steps: int
) -> Iterator[Step]:
    """The integral of the gradient along the path, times the path: of the shape of values."""
    streams = tuple(values)
    ends = tuple(values[s] for s in streams)
    begins = tuple(nothing[s] for s in streams)

    def forward(*mixed: Tensor) -> Tensor:
        return score(dict(zip(streams, mixed, strict=True)))

    with torch.no_grad():
        change = float(forward(*ends)) - float(forward(*begins))
    total = [torch.zeros_like(x) for x in ends]
    parts = -(-steps // PART)
    for i in range(parts):
        start, stop = (_between(begins, ends, j / parts) for j in (i, i + 1))
        found = IntegratedGradients(forward).attribute(stop, start, n_steps=PART)
        total = [x + y.detach() for x, y in zip(total, found, strict=True)]
        yield Step((i + 1) / parts, dict(zip(streams, total, strict=True)), change)


def _between(begins: tuple[Tensor, ...], ends: tuple[Tensor, ...], at: float) -> tuple[Tensor, ...]:
    return tuple(a + at * (b - a) for a, b in zip(begins, ends, strict=True))
