"""Relevance through attention (Chefer et al. 2021, arXiv:2103.15679) for any wiring of streams.

The paper has two streams; a third is carried along by rule 11, and where one attention reads two
streams in a row, each is a context of its own. A modality's class tokens, tokens and bottlenecks,
which attend to each other, are one stream to the rules. Both directions of a co-attention read the
relevance from before it; a bottleneck that several modalities write to is the mean of what each
made of it.

The rows of what the answer is read from are the result, less the identity with which they began:
what a token does for the answer without being read by any is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from core_models.trace import Lookup, Trace
from explain.methods.method import Step
from explain.methods.relevance_rules import rule_5, rule_10, rule_11, rules_6_7
from explain.methods.wiring import Maps, Read, Steps, Wiring, wiring
from explain.question import Question


class Watched(Trace):
    """A record of maps that gradients reach, also where nothing before them has one."""

    def add(self, name: str, found: Tensor | Lookup, vectors: Tensor | None = None) -> None:
        if isinstance(found, Tensor) and not found.requires_grad:
            found.requires_grad_()
        super().add(name, found, vectors)


def relevance(question: Question) -> Iterator[Step]:
    """What of each token reached what the answer is read from, where that raises the score."""
    maps, wires = weighed(question)
    held = carried(wires.steps, maps, len(wires.end))
    yield Step(1, wires.split(wires.end.double() @ held - wires.end))


def gradient_attention(question: Question) -> Iterator[Step]:
    """What all maps together give each token, weighed by gradients: nothing is passed on."""
    maps, wires = weighed(question)
    total = torch.zeros_like(wires.end)
    for read in (read for step in wires.steps for read in step):
        total.index_add_(0, read.columns, maps[read.name].sum(dim=0))
    yield Step(1, wires.split(total))


def weighed(question: Question) -> tuple[dict[str, Tensor], Wiring]:
    """Ā (Q, K) of every map, from one backward pass."""
    trace = Watched()
    with torch.enable_grad():
        leaves = {s: x.detach().requires_grad_() for s, x in question.tokens.items()}
        score = question.of_tokens(leaves, record=trace)
        maps = list(trace.values())
        found = torch.autograd.grad(score, maps, allow_unused=True, materialize_grads=True)
    pairs = zip(trace, maps, found, strict=True)
    weights = {name: rule_5(a[0].detach(), g[0]).cpu() for name, a, g in pairs}
    return weights, wiring(question, trace)


def carried(steps: Steps, maps: Maps, size: int) -> Tensor:
    """R (N, N) after all steps: what each token of the state holds of each that there was.

    In float64: R - I is far smaller than I.
    """
    held = unit = torch.eye(size, dtype=torch.float64)
    for step in steps:
        writers = torch.zeros_like(held[:, :1])  # (N, 1)
        added = []
        for read in step:
            if read.fresh:
                held = held.index_copy(0, read.rows, unit[read.rows])
            writers[read.rows] += 1
            added.append(addition(held, read, maps[read.name].double()))
        held = held.clone()
        for read, rows in zip(step, added, strict=True):
            held.index_add_(0, read.rows, rows / writers[read.rows])
    return held


def addition(held: Tensor, read: Read, a: Tensor) -> Tensor:
    """What one attention adds to the rows of those who read: (Q, N)."""
    if read.own:
        return rules_6_7(a, held[read.columns])
    rows = []
    for s, row in zip(read.queries, a.split([len(s) for s in read.queries]), strict=True):
        parts = zip(read.keys, row.split([len(q) for q in read.keys], dim=1), strict=True)
        rows.append(torch.stack([crossed(held, s, q, part) for q, part in parts]).sum(dim=0))
    return torch.cat(rows)


def crossed(held: Tensor, s: Tensor, q: Tensor, a: Tensor) -> Tensor:
    """What attention over another stream adds to the rows of s: (S, N)."""
    out = rule_11(a, held[q])  # (S, N)
    out[:, q] = rule_10(held[s[:, None], s], a, held[q[:, None], q])
    return out
