"""The result of a method: what each cell of the clip did for a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Modality, Stream
from core_models.layout import Grid
from explain.targets import Target

Array = NDArray[np.float32]
Level = Literal["token", "input"]
Setting = int | float | str | bool


@dataclass(frozen=True, eq=False)
class Attribution:
    """Scores per modality on one scale; it does not draw itself.

    level: of what the scores are: tokens that the towers made, or what the towers read.
    scores: (N,) per modality that was on, over the cells of `grids`; signed: may be negative.
    loose: what fell to streams without a place in the clip, such as class tokens.
    change: the target's score less what it is of nothing, where the method promises to share out
    just that; None where it promises nothing.
    done: 1 when the method has ended, less for what it found so far. notices: what was assumed or
    done otherwise, in plain sentences.
    """

    method: str
    target: Target
    level: Level
    signed: bool
    scores: Mapping[Modality, Array]
    grids: Mapping[Modality, Grid]
    loose: Mapping[Stream, float] = field(default_factory=dict)
    change: float | None = None
    settings: Mapping[str, Setting] = field(default_factory=dict)
    seconds: float = 0.0
    done: float = 1.0
    notices: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The sum of all scores."""
        placed = sum(float(x.sum(dtype=np.float64)) for x in self.scores.values())
        return placed + sum(self.loose.values())

    @property
    def residual(self) -> float | None:
        """What completeness leaves: the sum of the scores less the change."""
        return None if self.change is None else self.total - self.change

    @property
    def shares(self) -> dict[Modality, float]:
        """The part of each modality in all that has a place, by absolute value; sums to 1."""
        mass = {m: float(np.abs(x).sum(dtype=np.float64)) for m, x in self.scores.items()}
        whole = sum(mass.values())
        return {m: x / whole if whole else 0.0 for m, x in mass.items()}

    @property
    def nets(self) -> dict[Modality, float]:
        """The sum of each modality's scores: what was for and against the target weighed up."""
        return {m: float(x.sum(dtype=np.float64)) for m, x in self.scores.items()}

    @property
    def extreme(self) -> float:
        """The largest absolute score: the end of the one scale that all modalities share."""
        return max((float(np.abs(x).max(initial=0)) for x in self.scores.values()), default=0.0)

    @property
    def blank(self) -> bool:
        """Nothing was found anywhere."""
        return self.extreme == 0

    def placed(self, modality: Modality) -> Array:
        """The scores on their places: (T, rows, cols), (spans,) or (words,)."""
        return np.asarray(self.grids[modality].spread(self.scores[modality]))
