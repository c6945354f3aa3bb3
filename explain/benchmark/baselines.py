"""Maps that know nothing of the model: what a method has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import torch
from torch import Tensor

from core_models.clip import MODALITIES, Stream
from explain.methods.method import Between, Method, Step
from explain.question import Question

Seed = Annotated[int, Between(0, 2**31 - 1)]


def chance(question: Question, *, seed: Seed = 0) -> Iterator[Step]:
    """Even random numbers, others for every clip."""
    key = int(question.analysis.clip.key[:12], 16)
    rng = np.random.default_rng([seed, key])
    found = {s: rng.random((1, x.shape[1])) for s, x in question.tokens.items() if s in MODALITIES}
    yield Step(1, {s: torch.from_numpy(x) for s, x in found.items()})


def signal(question: Question) -> Iterator[Step]:
    """How far a pixel is from its mean over time, and how strong a tone is; all words alike."""
    found: dict[Stream, Tensor] = {}
    for m, x in question.fields.values.items():
        if m == "video":
            found[m] = (x - x.mean(dim=1, keepdim=True)).square()  # (1, T, 3, S, S)
        elif m == "audio":
            found[m] = x.square()  # (1, 2, lines, columns)
        else:
            found[m] = torch.ones_like(x[..., 0])  # (1, L)
    yield Step(1, found)


BASELINES: tuple[Method, ...] = (
    Method(
        name="random",
        title="Random numbers",
        family="baseline",
        level="token",
        run=chance,
        about="Random scores, which know neither the clip nor the model.",
        paper="",
        signed=False,
    ),
    Method(
        name="signal",
        title="What moves and sounds",
        family="baseline",
        level="input",
        run=signal,
        about="How much a pixel changes and how loud a tone is; it knows the clip, not the model.",
        paper="",
        signed=False,
    ),
)
