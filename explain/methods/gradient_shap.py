"""Gradient SHAP, expected gradients (Lundberg & Lee 2017, arXiv:1705.07874; Erion et al. 2021,
arXiv:1906.10670), by Captum.

The mean of gradient times difference at random places between nothing and the clip, to which
noise is added. Without noise it estimates integrated gradients; the only reference is nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from captum.attr import GradientShap

from explain.methods.call import Call, of_inputs, of_tokens
from explain.methods.draws import averaged
from explain.methods.method import Between, Step
from explain.question import Question

Samples = Annotated[int, Between(4, 200, 4)]
Noise = Annotated[float, Between(0, 1, 0.05)]  # standard deviations of the stream


def tokens(
    question: Question, *, samples: Samples = 32, noise: Noise = 0.1, seed: int = 0
) -> Iterator[Step]:
    """Over the tokens that the towers made."""
    yield from shap(of_tokens(question), samples, noise, seed)


def inputs(
    question: Question, *, samples: Samples = 32, noise: Noise = 0.1, seed: int = 0
) -> Iterator[Step]:
    """Over pixels, the spectrum of the sound and word embeddings."""
    yield from shap(of_inputs(question), samples, noise, seed)


def shap(call: Call, samples: int, noise: float, seed: int) -> Iterator[Step]:
    """The mean over samples, each with a place and noise of its own."""
    method, spreads = GradientShap(call), call.spreads(noise)
    yield from averaged(
        call,
        samples,
        seed,
        lambda count: method.attribute(call.values, call.nothing, count, spreads),
    )
