"""Which modalities work together and which say the same: Harsanyi dividends in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Modality
from explain.analysis import SAID
from explain.modality.coalitions import subsets
from explain.modality.shapley import dividends

Kind = Literal["additive", "redundant", "diluted", "synergy", "opposed", "higher"]
ADDITIVE = 0.05  # of the largest change that any combination makes: below it, parts just add up


@dataclass(frozen=True)
class Interaction:
    """What some modalities do together beyond all that fewer of them do: a Harsanyi dividend.

    alone: what each of them does by itself, in their order.
    kind: additive: next to nothing. opposed: the two pull opposite ways. synergy: together they do
    more than the sum of both. redundant: less than the sum, but no less than the stronger alone.
    diluted: less than the stronger alone, as where a model takes the mean. higher: three or more.
    """

    members: tuple[Modality, ...]
    value: float
    alone: tuple[float, ...]
    kind: Kind

    @property
    def said(self) -> str:
        """One plain sentence."""
        names = [SAID[m].removeprefix("the ") for m in self.members]
        who = f"{', '.join(names[:-1])} and {names[-1]}".capitalize()
        value = f"{self.value:+.2f}".replace("-", "−") if round(self.value, 2) else "0.00"
        if self.kind == "additive":
            return f"{who} add up: no interaction ({value})."
        if self.kind == "redundant":
            same = "say the same" if sum(self.alone) > 0 else "both speak against it"
            return f"{who} {same}: redundant {value}."
        if self.kind == "synergy":
            return f"{who} work together: synergy {value}."
        if self.kind == "diluted":
            return f"{who} together do less than the stronger alone: {value}."
        if self.kind == "opposed":
            more = "more" if self.value > 0 else "less"
            return f"{who} pull opposite ways, and both at once speak {more} for it: {value}."
        does = "add a further" if self.value > 0 else "take away a further"
        return f"{who} together {does} {value}, which no pair explains."


def interactions(
    players: Sequence[Modality], values: NDArray[np.floating]
) -> tuple[Interaction, ...]:
    """Of every two or more players, in the game `values` (2^M,); pairs first."""
    found, names = dividends(values), subsets(tuple(players))
    least = ADDITIVE * float(np.abs(values - values[0]).max())
    out = []
    for row in sorted(range(len(found)), key=int.bit_count):
        if row.bit_count() < 2:
            continue
        alone = tuple(float(found[1 << i]) for i in range(len(players)) if row >> i & 1)
        value = float(found[row])
        out.append(Interaction(names[row], value, alone, _kind(value, alone, least)))
    return tuple(out)


def _kind(value: float, alone: tuple[float, ...], least: float) -> Kind:
    if abs(value) <= least:
        return "additive"
    if len(alone) > 2:
        return "higher"
    weak, strong = sorted(alone, key=abs)
    if abs(weak) > least and weak * strong < 0:
        return "opposed"
    if value * strong >= 0:
        return "synergy"
    if abs(weak) <= least:  # it says next to nothing, so not the same
        return "diluted"
    together = (sum(alone) + value) * np.sign(strong)  # along the stronger
    return "diluted" if together < abs(strong) - least else "redundant"
