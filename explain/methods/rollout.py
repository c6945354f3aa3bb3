"""Attention rollout (Abnar and Zuidema 2020, arXiv:2005.00928) over the tokens of all modalities.

Every token is half what it was and half what it read, step by step, whatever was in it. What the
answer is read from is followed back to the tokens that the towers made: in CAAM from all tokens,
each modality weighing the same; in MBT from the class tokens; of a caption from the positions of
the words asked about. What ends at class tokens, bottlenecks or words of the caption has no place.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from explain.methods.method import Step
from explain.methods.wiring import Maps, Wiring, mean_of_heads, recorded, transition
from explain.question import Question


def rollout(question: Question) -> Iterator[Step]:
    """The part of each token in what the answer is read from; together 1."""
    trace, wires = recorded(question)
    yield Step(1, wires.split(rolled(mean_of_heads(trace), wires)))


def rolled(maps: Maps, wires: Wiring) -> Tensor:
    """The end of the wiring taken back through all steps: (N,), summing to 1."""
    row = wires.end  # (N,)
    for step in reversed(wires.steps):
        row = row @ transition(step, maps, len(row))
    return row
