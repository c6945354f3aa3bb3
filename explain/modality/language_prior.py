"""Words of a caption that were said without looking: the language alone would have said them."""

from __future__ import annotations

from dataclasses import dataclass

from core_models.clip import Modality
from explain.modality.coalitions import Coalitions

# A word that keeps this much of its probability when the model is shown nothing was not said for
# what was shown. Words come in two kinds: in the captions of 40 real clips (micap-msrvtt), of 271
# words 59 kept less than half, 188 at least 0.8, and only 24 lay between: where the line is drawn
# there decides little.
KEPT = 0.8


@dataclass(frozen=True)
class WordPrior:
    """A word's probability with what is on and of nothing, both given the words before it."""

    text: str
    seen: float
    unseen: float

    @property
    def kept(self) -> float:
        """How much of its probability is left when the model is shown nothing; may exceed 1."""
        return self.unseen / self.seen if self.seen > 0 else 1.0

    @property
    def prior(self) -> bool:
        """Whether the word rests on the language: hardly changes, or even gains, unseen."""
        return self.kept >= KEPT


def language_prior(
    found: Coalitions, present: tuple[Modality, ...] | None = None
) -> tuple[WordPrior, ...]:
    """Of every word of a caption; of labels, nothing. present: what was on; None: everything."""
    if not found.independent:
        return ()
    table = found.probabilities
    row = len(table) - 1 if present is None else found.row(present)
    pairs = zip(found.labels, table[row].tolist(), table[0].tolist(), strict=True)
    return tuple(WordPrior(text, seen, unseen) for text, seen, unseen in pairs)
