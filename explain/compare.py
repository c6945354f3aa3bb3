"""Two runs side by side: what changed in the answer, and where the maps differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from core_models.clip import Modality
from core_models.layout import FrameGrid, Grid, TimeGrid, WordGrid
from explain.analysis import Analysis
from explain.attribution import Array, Attribution


class CompareError(ValueError):
    """Two things that have no difference; the message says why."""


@dataclass(frozen=True, eq=False)
class Change:
    """A label's probability in both runs."""

    label: str
    before: float
    after: float

    @property
    def delta(self) -> float:
        return self.after - self.before


def changes(before: Analysis, after: Analysis) -> tuple[Change, ...]:
    """Of every label, the largest change first; of captions of the same words, word by word.

    CompareError where the two do not answer with the same labels.
    """
    labels = before.model.labels
    if labels != after.model.labels:
        both = before.caption is not None and after.caption is not None
        what = "captions have other words" if both else "models answer with other labels"
        raise CompareError(f"The two {what}: there is no change per label.")
    pairs = zip(labels, before.probabilities, after.probabilities, strict=True)
    found = [Change(label, float(p), float(q)) for label, p, q in pairs]
    return tuple(sorted(found, key=lambda change: -abs(change.delta)))


def difference(before: Attribution, after: Attribution, alike: bool = True) -> Attribution:
    """What the second marks more than the first, cell by cell, signed; on modalities of both.

    Scores of two methods, of two targets, or of two models (not alike) are not in the same unit:
    each is then divided by the sum of its absolute scores, so that what differs is where they lie.
    """
    both = [m for m in after.scores if m in before.scores]
    for m in both:
        if why := _unlike(before.grids[m], after.grids[m]):
            raise CompareError(why)
    if not both:
        raise CompareError("The two maps have no modality in common.")
    same_unit = alike and before.method == after.method and before.target == after.target
    one, two = (x.scores if same_unit else shared_out(x) for x in (before, after))
    scores: dict[Modality, Array] = {m: two[m] - one[m] for m in both}
    return replace(
        after,
        method=f"{after.method} less {before.method}",
        signed=True,
        scores=scores,
        grids={m: after.grids[m] for m in both},
        loose={},
        change=None,
        settings={},
        seconds=before.seconds + after.seconds,
    )


def shared_out(attribution: Attribution) -> Mapping[Modality, Array]:
    """The scores, so that their absolute values sum to 1 over all modalities."""
    whole = sum(float(np.abs(x).sum()) for x in attribution.scores.values()) or 1.0
    return {m: (x / whole).astype(np.float32) for m, x in attribution.scores.items()}


def _unlike(one: Grid, two: Grid) -> str:
    """Why scores on two grids cannot be subtracted; empty where they can."""
    if isinstance(one, WordGrid) and isinstance(two, WordGrid):
        same = [w.text for w in one.words] == [w.text for w in two.words]
        return "" if same and one.size == two.size else "The two runs read other words."
    if isinstance(one, FrameGrid) and isinstance(two, FrameGrid):
        same = one.size == two.size and np.allclose(one.times, two.times, atol=1e-3)
        return "" if same else "The two maps lie on other frames or cells of the picture."
    if isinstance(one, TimeGrid) and isinstance(two, TimeGrid):
        same = one.size == two.size and np.allclose(one.edges, two.edges, atol=1e-3)
        return "" if same else "The two maps lie on other spans or bands of the sound."
    return "The two maps lie on cells of another kind."
