"""What is explained: a class, one class rather than another, or words of a caption."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from core_models.interface import Output
from explain.analysis import Analysis

WORD = re.compile(r"word:(\d+)(?:-(\d+))?")
RATHER = " rather than "


class TargetError(ValueError):
    """A target that this run does not have; the message says what to name instead."""


@dataclass(frozen=True)
class Target:
    """The sum of some logits, of a caption of words' log-probabilities; or the mean of some less
    the mean of others.

    name: for people; asked: what `target` makes the same target of; plus, minus: label indices.
    """

    name: str
    asked: str
    plus: tuple[int, ...]
    minus: tuple[int, ...] = ()

    def score(self, output: Output) -> Tensor:
        """What is attributed: (B,)"""
        logits = output.logits
        if self.minus:
            return logits[:, list(self.plus)].mean(dim=1) - logits[:, list(self.minus)].mean(dim=1)
        return logits[:, list(self.plus)].sum(dim=1)

    def chance(self, output: Output) -> Tensor:
        """The same as a probability (B,): of the class, of it against the other, of the words."""
        if output.independent:
            return self.score(output).exp()
        if self.minus:
            return self.score(output).sigmoid()
        return output.probabilities[:, list(self.plus)].sum(dim=1)


def target(asked: str, analysis: Analysis) -> Target:
    """``auto``, a label, ``A rather than B``, a word that several labels share; of a caption
    ``caption``, ``word:3``, ``word:2-4``.

    auto: the top label, or the whole caption. Words count from 1. A shared word is explained
    rather than those that other labels have in its place.
    """
    asked = asked.strip()
    if analysis.caption is not None:
        return _words(asked, analysis)
    labels = analysis.model.labels
    if asked == "auto":
        asked = analysis.top[0][0]
    if asked in labels:
        return Target(asked, asked, (labels.index(asked),))
    if having := shared(asked, labels):
        others = tuple(i for i in range(len(labels)) if i not in having)
        return Target(f"{asked} rather than another word", asked, having, others)
    first, rather, second = asked.partition(RATHER)
    if not rather:
        raise TargetError(_unknown(asked, labels))
    for label in (first, second):
        if label not in labels:
            raise TargetError(_unknown(label, labels))
    if first == second:
        raise TargetError(f"“{asked}” compares a label with itself; name two labels.")
    return Target(asked, asked, (labels.index(first),), (labels.index(second),))


def shared(word: str, labels: Sequence[str]) -> tuple[int, ...]:
    """The labels that have a word, if several have it and not all; else none."""
    having = tuple(i for i, label in enumerate(labels) if word in label.split())
    return having if 1 < len(having) < len(labels) else ()


def choices(analysis: Analysis) -> list[str]:
    """What can be asked for by itself, the most interesting first."""
    if analysis.caption is None:
        return [label for label, _ in analysis.top]
    return ["caption", *(f"word:{i + 1}" for i in range(len(analysis.caption.words)))]


def _words(asked: str, analysis: Analysis) -> Target:
    labels = analysis.model.labels
    count = len(labels)
    if asked in ("auto", "caption"):
        return Target("the whole caption", "caption", tuple(range(count)))
    if (found := WORD.fullmatch(asked)) is None:
        raise TargetError(
            f"There is no target “{asked}” for a caption; name caption, word:1 to word:{count}, "
            "or a span such as word:2-4."
        )
    first, last = int(found[1]), int(found[2] or found[1])
    if not 1 <= first <= last <= count:
        raise TargetError(f"The caption has the words 1 to {count}; “{asked}” is not among them.")
    words = tuple(range(first - 1, last))
    return Target(f"“{' '.join(labels[i] for i in words)}”", asked, words)


def _unknown(asked: str, labels: tuple[str, ...]) -> str:
    some = ", ".join(labels[:20]) + (" and others" if len(labels) > 20 else "")
    return f"This model has no label “{asked}”; it knows {some}."
