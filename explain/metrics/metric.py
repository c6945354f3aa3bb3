"""What a metric is: a generator over a map on trial, whose findings can be said in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol

from explain.analysis import Analysis, toggle
from explain.attribute import attributed
from explain.attribution import Attribution
from explain.methods.method import Method
from explain.metrics.faithfulness import Part, RandomOrders
from explain.metrics.on_tokens import on_tokens
from explain.metrics.similarity import TokenScores
from explain.question import Question


class Finding(Protocol):
    """A result. good: whether it speaks for the map; None where it says nothing either way."""

    @property
    def good(self) -> bool | None: ...

    @property
    def verdict(self) -> str:
        """One plain sentence."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        ...


@dataclass(frozen=True, eq=False)
class Case:
    """A map on trial.

    others: maps of the same question, against which it is compared. against: random orders of
    the question that are there already.
    """

    question: Question
    attribution: Attribution
    method: Method
    others: tuple[Attribution, ...] = ()
    against: Mapping[Part, RandomOrders] = field(default_factory=dict)
    seed: int = 0

    @cached_property
    def tokens(self) -> TokenScores:
        """The map on tokens."""
        return on_tokens(self.attribution, self.question.analysis)


@dataclass(frozen=True)
class Metric:
    """One line of the table of metrics.

    run: yields what it knows so far, at least once; the last is complete. cost: slow ones ask
    the method again, several times. about: one plain sentence.
    """

    name: str
    title: str
    cost: Literal["cheap", "slow"]
    about: str
    run: Callable[[Case], Iterator[Finding]]


def again(question: Question, method: Method, attribution: Attribution) -> TokenScores:
    """The same method with the same settings on another question, on tokens."""
    found = attributed(method, question, **attribution.settings)
    return on_tokens(found, question.analysis)


def changed(question: Question, **parts: Any) -> Question:
    """The question put to a changed analysis (model, tokens, inputs); the caption stays as it is.

    What the fusion recorded is made anew.
    """
    old = question.analysis
    new: Analysis = replace(old, captioner=None, **parts)
    return replace(question, analysis=toggle(new, old.present))
