"""What a check finds, as one number against its limit, and how the number is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from core_models.clip import Clip
from core_models.interface import FusionModel, Inputs, Output, Tokens
from core_models.trace import Trace

NEAR = 1e-5  # between numbers that are the same but for rounding


@dataclass(frozen=True)
class Finding:
    """A check passes when what it measured, 0 at best, is at most the limit."""

    measured: float
    limit: float = 0.0
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.measured <= self.limit  # not a number is never ok


Check = Callable[[FusionModel, Clip], Finding]


def counted(faults: Iterable[str]) -> Finding:
    """How many faults there are, with the first one in words."""
    said = list(faults)
    return Finding(len(said), detail=said[0] if said else "")


def largest(gaps: Iterable[float], limit: float = 0.0) -> Finding:
    """The largest of some gaps; one that is not a number counts as the largest."""
    return Finding(float(np.max([*gaps, 0.0])), limit)


def gap(one: Tensor, two: Tensor) -> float:
    """The largest difference, in units of the largest value where that is above 1."""
    if one.shape != two.shape:
        raise ValueError(f"shapes differ: {tuple(one.shape)} and {tuple(two.shape)}")
    if not one.numel():
        return 0.0
    scale = two.abs().max().clamp(min=1)
    return float((one - two).abs().max() / scale)


def answers(out: Output) -> Tensor:
    """Logits and votes of an output side by side: (B, C * (1 + votes)); a silent vote is 0."""
    return torch.cat([out.logits, *(v.nan_to_num(nan=0.0) for v in out.votes.values())], dim=-1)


def encoded(model: FusionModel, clip: Clip) -> tuple[Inputs, Tokens]:
    inputs = model.prepare(clip)
    return inputs, model.encode(inputs)


def recorded(
    model: FusionModel, tokens: Tokens, present: Tensor | None = None, cut: tuple[str, ...] = ()
) -> tuple[Output, Trace]:
    trace = Trace()
    return model.fuse(tokens, present, record=trace, cut=cut), trace


def described(x: Tensor) -> str:
    """``(1, 8) float32``."""
    return f"{tuple(x.shape)} {str(x.dtype).removeprefix('torch.')}"


def listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
