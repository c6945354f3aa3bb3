"""Raw attention: how much each token is read, and by what vectors (Kobayashi et al. 2020,
arXiv:2004.10102).

Every recorded map gives its keys the mean over heads and over the tokens that read; the maps count
alike. So a map of one stream alone always gives that stream the same in all: in CAAM, where each
modality is read alone in two of six layers, the shares of the modalities are those of the wiring.
In MBT the tokens, class tokens and bottlenecks of a modality share a map; in MICap each direction
of a co-attention is a map of one stream, and the decoder's is shared by both.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from core_models.trace import Trace
from explain.methods.method import Step
from explain.methods.wiring import Maps, Wiring, mean_of_heads, recorded
from explain.question import Question


def raw(question: Question) -> Iterator[Step]:
    """The part of all attention that falls on a token; together 1, less for who reads nothing."""
    trace, wires = recorded(question)
    yield Step(1, wires.split(received(mean_of_heads(trace), wires)))


def value_weighted(question: Question) -> Iterator[Step]:
    """The same, each weight times the length of the vector that it weighs, head by head.

    The projection that follows is not part of it.
    """
    trace, wires = recorded(question)
    yield Step(1, wires.split(received(lengths(trace), wires)))


def received(maps: Maps, wires: Wiring) -> Tensor:
    """The mean over maps and over those who read, by who is read: (N,)."""
    total = torch.zeros_like(wires.end)
    for read in (read for step in wires.steps for read in step):
        total.index_add_(0, read.columns, maps[read.name].mean(dim=0))
    return total / max(1, len(maps))


def lengths(trace: Trace) -> dict[str, Tensor]:
    """|alpha| · ||v||, the mean of heads: (Q, K) by the name of the map."""
    return {
        name: (weights * trace.lengths[name][:, :, None])[0].mean(dim=0).cpu()
        for name, weights in trace.items()
    }
