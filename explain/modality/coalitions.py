"""What a model says of every combination of a clip's modalities: all 2^M in one batch.

The towers do not run again, and a modality that is left out has no influence at all. Of nothing
the model still says something: that is its prior, and where every Shapley value starts from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from core_models.clip import Modality
from core_models.interface import Output, presence
from explain.analysis import Analysis
from explain.targets import Target

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Coalitions:
    """The answer to every combination of the players, the modalities that the clip has.

    Row i holds player j where bit j of i is set: row 0 is nothing, the last row is everything.
    logits: (2^M, C); of a caption, the log-probabilities of its words as they were written.
    independent: of a caption, as in `Output`.
    """

    players: tuple[Modality, ...]
    labels: tuple[str, ...]
    logits: NDArray[np.float32]
    independent: bool

    @property
    def members(self) -> tuple[tuple[Modality, ...], ...]:
        """Who is in each row."""
        return subsets(self.players)

    @property
    def output(self) -> Output:
        """The rows as the model gave them, one for each combination."""
        return Output(torch.from_numpy(self.logits), independent=self.independent)

    @property
    def probabilities(self) -> Array:
        """(2^M, C): of the labels, or of the words of the caption."""
        return self.output.probabilities.double().numpy()

    @property
    def answers(self) -> tuple[str, ...]:
        """The top label of each row; of a caption, whose words are given, nothing."""
        if self.independent:
            return ()
        return tuple(self.labels[i] for i in self.logits.argmax(axis=1))

    def row(self, present: tuple[Modality, ...]) -> int:
        """Where a combination stands."""
        return sum(1 << i for i, m in enumerate(self.players) if m in present)

    def scores(self, target: Target) -> Array:
        """The target's score for each combination: (2^M,)."""
        return target.score(self.output).double().numpy()

    def chances(self, target: Target) -> Array:
        """The same as a probability: (2^M,)."""
        return target.chance(self.output).double().numpy()


def coalitions(analysis: Analysis) -> Coalitions:
    """Every combination of what the clip has, whatever is switched on now."""
    model, tokens = analysis.model, analysis.tokens
    players = tuple(m for m in model.modalities if m in analysis.inputs.values)
    with torch.no_grad():
        output = model.fuse(tokens, presence(tokens, subsets(players)))
    logits = output.logits.float().cpu().numpy()  # (2^M, C)
    return Coalitions(players, model.labels, logits, output.independent)


def subsets(players: tuple[Modality, ...]) -> tuple[tuple[Modality, ...], ...]:
    """All combinations, in the order of their bits; nothing first."""
    return tuple(
        tuple(m for i, m in enumerate(players) if row >> i & 1) for row in range(1 << len(players))
    )
