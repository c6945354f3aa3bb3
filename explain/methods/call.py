"""A question as Captum asks it: a function of tensors in a row, at one of the two levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from core_models.clip import Stream
from explain.attribution import Level
from explain.methods.method import Step
from explain.question import Question

Score = Callable[[Mapping[Stream, Tensor]], Tensor]  # values (B, ...) per stream -> (B,)
TOKENS = 4  # clips whose tokens the fusion reads in one pass


@dataclass(frozen=True, eq=False)
class Call:
    """What a gradient method works on. batch: how many clips go into one pass.

    values, nothing: in the order of streams, a batch of one each; leaves of their own.
    """

    score: Score
    level: Level
    streams: tuple[Stream, ...]
    values: tuple[Tensor, ...]
    nothing: tuple[Tensor, ...]
    batch: int

    def __call__(self, *values: Tensor) -> Tensor:
        """The score (B,); what the model does not read has a gradient too, which is 0."""
        unread = sum(0 * x.flatten(1)[:, 0] for x in values)
        return self.score(dict(zip(self.streams, values, strict=True))) + unread

    def spreads(self, share: float) -> tuple[float, ...]:
        """A share of the standard deviation of each stream."""
        return tuple(share * float(x.detach().std(correction=0)) for x in self.values)

    def step(self, done: float, found: Sequence[Tensor], change: float | None = None) -> Step:
        """Scores of the shape of values; those of a token are summed."""
        scores = [x.detach().sum(dim=-1) if self.level == "token" else x.detach() for x in found]
        return Step(done, dict(zip(self.streams, scores, strict=True)), change)


def of_tokens(question: Question) -> Call:
    """Of the tokens that the towers made, class tokens too."""
    batch = min(TOKENS, question.at_once)
    return _call(question.of_tokens, "token", question.tokens, question.empty, batch)


def of_inputs(question: Question) -> Call:
    """Of pixels, the spectrum of the sound and word embeddings."""
    fields = question.fields
    return _call(question.of_inputs, "input", fields.values, fields.nothing, question.clips)


def _call(
    score: Score,
    level: Level,
    values: Mapping[Stream, Tensor],
    nothing: Mapping[Stream, Tensor],
    batch: int,
) -> Call:
    streams = tuple(values)
    ends = tuple(values[s].detach().requires_grad_() for s in streams)
    return Call(score, level, streams, ends, tuple(nothing[s].detach() for s in streams), batch)
