"""How the tokens of a run read each other: the recorded maps as steps over one joint state.

The state is all tokens in a row: of the modalities, class tokens, bottlenecks, positions of a
caption; it is kept on the CPU. Attentions of one layer that write different streams read the same
state at once, as both directions of a co-attention do; else they follow each other as they were
recorded. Bottlenecks that several attentions of a step write are the mean of what each made of
them. An attention that only bottlenecks make gives new ones: nothing of the old is added.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from core_models.clip import MODALITIES, Stream
from core_models.trace import Path, Trace, path
from explain.analysis import Analysis
from explain.question import Question

LATENTS: tuple[Stream, ...] = ("bottleneck",)
Maps = Mapping[str, Tensor]  # one weight from token to token (Q, K), by the name of the map


@dataclass(frozen=True, eq=False)
class Read:
    """One attention. queries, keys: the places of each stream in the state, (n,) each.

    own: they read among themselves; fresh: what the queries were before is lost.
    """

    name: str
    queries: tuple[Tensor, ...]
    keys: tuple[Tensor, ...]
    own: bool = False
    fresh: bool = False

    @property
    def rows(self) -> Tensor:
        """The places of those who read, as the rows of the map: (Q,)"""
        return torch.cat(self.queries)

    @property
    def columns(self) -> Tensor:
        """The places of those who are read: (K,)"""
        return torch.cat(self.keys)


Steps = tuple[tuple[Read, ...], ...]  # in the order they happened; within a step all at once


@dataclass(frozen=True, eq=False)
class Wiring:
    """The attentions of a run. end (N,): what the answer is read from, summing to 1."""

    spans: Mapping[Stream, slice]
    steps: Steps
    end: Tensor

    def split(self, scores: Tensor) -> dict[Stream, Tensor]:
        """Scores (N,) by stream, (1, n) each; streams without tokens are left out."""
        return {s: scores[None, at] for s, at in self.spans.items() if at.start < at.stop}


def recorded(question: Question) -> tuple[Trace, Wiring]:
    """The attentions of the fusion, without gradients."""
    trace = Trace()
    with torch.no_grad():
        question.of_tokens(question.tokens, record=trace)
    return trace, wiring(question, trace)


def mean_of_heads(trace: Trace) -> dict[str, Tensor]:
    """(Q, K) by the name of the map."""
    return {name: weights[0].mean(dim=0).cpu() for name, weights in trace.items()}


def wiring(question: Question, names: Iterable[str]) -> Wiring:
    """Of the named maps, in the order in which they were recorded."""
    paths = [path(name) for name in names]
    streams = dict.fromkeys(question.tokens)
    streams |= dict.fromkeys(s for p in paths for s in (*p.queries, *p.keys))
    spans: dict[Stream, slice] = {}
    size = 0
    for s in streams:
        spans[s] = slice(size, size := size + _count(question, s))
    places = torch.arange(size)
    steps = tuple(tuple(_read(p, spans, places) for p in step) for step in grouped(paths))
    return Wiring(spans, steps, _end(question, spans, torch.zeros(size)))


def grouped(paths: Iterable[Path]) -> list[list[Path]]:
    """The paths by step."""
    steps: list[list[Path]] = []
    for new in paths:
        if steps and all(_together(old, new) for old in steps[-1]):
            steps[-1].append(new)
        else:
            steps.append([new])
    return steps


def transition(step: Iterable[Read], maps: Maps, size: int) -> Tensor:
    """What each token of the state is made of, where a residual weighs as much as its message.

    maps: rows summing to 1, or to 0 where there was no message. Returns (N, N), rows summing to 1.
    """
    some = next(iter(maps.values()))
    made, writers = some.new_zeros(size, size), some.new_zeros(size, 1)
    for read in step:
        message = some.new_zeros(len(read.rows), size).index_add_(1, read.columns, maps[read.name])
        alone = message.sum(dim=-1, keepdim=True) == 0  # (Q, 1)
        kept = torch.eye(size, dtype=some.dtype)[read.rows]  # (Q, N)
        row = message + (kept * alone if read.fresh else kept)
        made[read.rows] += row / row.sum(dim=-1, keepdim=True)
        writers[read.rows] += 1
    made[(writers == 0)[:, 0].diag()] = 1
    return made / writers.clamp(min=1)


def unrecorded(analysis: Analysis) -> str:
    """Why a run has no attention to look at; empty where it has."""
    if analysis.attention:
        return ""
    return (
        "The model read no modality by attention in this run; switch another modality on, or "
        "choose a method that does not look at attention."
    )


def _together(old: Path, new: Path) -> bool:
    """Whether two attentions that follow each other read the same state."""
    return (
        (old.group, old.layer) == (new.group, new.layer)
        and LATENTS not in (old.queries, new.queries)
        and set(old.queries) & set(new.queries) <= set(LATENTS)
    )


def _read(p: Path, spans: Mapping[Stream, slice], places: Tensor) -> Read:
    at = {s: places[span] for s, span in spans.items()}
    # Column j of a caption is its piece j, which stands at the position that predicts the next.
    keys = tuple(at[s].roll(-1) if s == "caption" else at[s] for s in p.keys)
    own = not set(p.queries).isdisjoint(p.keys)
    return Read(str(p), tuple(at[s] for s in p.queries), keys, own, p.queries == LATENTS)


def _count(question: Question, stream: Stream) -> int:
    if stream in question.tokens:
        return question.tokens[stream].shape[1]
    if stream.removesuffix("-cls") in MODALITIES:
        return 0
    return question.analysis.layout[stream].size


def _end(question: Question, spans: Mapping[Stream, slice], end: Tensor) -> Tensor:
    """The positions of a caption's words; else the class tokens; else all tokens, each modality
    with the same weight.
    """
    caption = question.analysis.caption
    if caption is not None and "caption" in spans:
        owner = torch.tensor(caption.owner)
        end[spans["caption"]] = torch.isin(owner, owner.new_tensor(question.target.plus)).float()
        return end / end.sum()
    for s in (classes := [s for s in question.tokens if s.endswith("-cls")]):
        end[spans[s]] = 1 / _count(question, s)
    for m, keep in question.analysis.tokens.keep.items():
        if not classes and m in question.tokens:
            end[spans[m]] = (keep[0] / keep[0].sum().clamp(min=1)).cpu()
    return end / end.sum()
