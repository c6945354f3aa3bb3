"""Do the votes agree? The pairs of a model, or its streams, each answer alone; who dissents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core_models.clip import MODALITIES, Modality
from explain.analysis import SAID, Analysis

Array = NDArray[np.float64]
ALIKE = 0.05  # divergence below which votes say the same, not only name the same label


@dataclass(frozen=True)
class Disagreement:
    """How far votes lie apart.

    divergence: Jensen-Shannon divergence (Lin 1991) over its largest value, log of the number of
    votes: 0 when all say the same, 1 when no two give any label a chance in common.
    apart: of each vote, the divergence between it and the mean of the others, in [0, 1].
    tops: the label of each vote. dissent: the one vote that differs where all others name the
    same label, else the empty string; two that differ dissent from each other.
    """

    divergence: float
    apart: Mapping[str, float]
    tops: Mapping[str, str]
    dissent: str

    @property
    def agreed(self) -> bool:
        """Whether all name the same label."""
        return len(set(self.tops.values())) == 1

    @property
    def said(self) -> str:
        """One plain sentence."""
        names = list(self.tops.values())
        if self.agreed:
            how = "alike" if self.divergence < ALIKE else "though not equally sure"
            who = "Both" if len(names) == 2 else f"All {len(names)}"
            return f"{who} answer “{names[0]}”, {how}."
        if self.dissent:
            other = next(x for vote, x in self.tops.items() if vote != self.dissent)
            who = voter(self.dissent)
            return f"{who} dissents: “{self.tops[self.dissent]}”, where the others say “{other}”."
        each = ", ".join(f"{_lower(voter(vote))} “{label}”" for vote, label in self.tops.items())
        return f"They disagree: {each}."


def disagreement(analysis: Analysis) -> Disagreement | None:
    """Between the votes of a run; None where fewer than two were given."""
    return between(analysis.votes, analysis.model.labels)


def between(
    votes: Mapping[str, NDArray[np.floating]], labels: tuple[str, ...]
) -> Disagreement | None:
    """Between votes (C,), each a distribution over the labels."""
    if len(votes) < 2:
        return None
    table = np.stack([np.asarray(vote, np.float64) for vote in votes.values()])  # (V, C)
    whole = divergence(table) / np.log(len(table))
    apart = {}
    for i, name in enumerate(votes):
        others = np.delete(table, i, axis=0).mean(axis=0)
        apart[name] = divergence(np.stack([table[i], others])) / float(np.log(2))
    tops = {name: labels[int(vote.argmax())] for name, vote in votes.items()}
    return Disagreement(float(whole), apart, tops, _dissent(tops))


def divergence(table: Array) -> float:
    """Jensen-Shannon divergence of distributions (V, C) of equal weight, in nats."""
    return max(0.0, entropy(table.mean(axis=0)) - float(np.mean([entropy(p) for p in table])))


def entropy(p: Array) -> float:
    """In nats; a label without a chance adds nothing."""
    some = p[p > 0]
    return float(-(some * np.log(some)).sum())


def voter(vote: str) -> str:
    """``video-audio`` as the subject of a sentence."""
    members = [SAID[m] for m in _members(vote)]
    name = f"the pair of {' and '.join(members)}" if len(members) > 1 else "".join(members) or vote
    return name[0].upper() + name[1:]


def _lower(text: str) -> str:
    return text[0].lower() + text[1:]


def _members(vote: str) -> list[Modality]:
    return [m for m in MODALITIES if m in vote.split("-")]


def _dissent(tops: Mapping[str, str]) -> str:
    names = list(tops.values())
    alone = [vote for vote, label in tops.items() if names.count(label) == 1]
    return alone[0] if len(names) > 2 and len(alone) == 1 and len(set(names)) == 2 else ""
