"""CIDEr-D (Vedantam et al. 2015, arXiv:1411.5726) of one caption: a measure and a reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from math import exp, log, sqrt

Gram = tuple[Hashable, ...]
Grams = Counter[Gram]
LONGEST = 4  # words in an n-gram
SPREAD = 6.0  # of the penalty for another length


def grams(words: Sequence[Hashable]) -> Grams:
    """All n-grams of 1 to 4 words."""
    return Counter(
        tuple(words[i : i + n]) for n in range(1, LONGEST + 1) for i in range(len(words) - n + 1)
    )


class CiderD:
    """CIDEr-D of a caption against the references of its video, times 10 as is the custom.

    references: captions as words, of whatever kind, by video; they also tell how rare a gram is.
    """

    def __init__(self, references: Mapping[str, Sequence[Sequence[Hashable]]]) -> None:
        counts = {name: [grams(words) for words in said] for name, said in references.items()}
        found = Counter(g for said in counts.values() for g in {g for one in said for g in one})
        self.rare = {g: log(len(references) / count) for g, count in found.items()}
        self.unknown = log(len(references))
        self.known = {
            name: [
                (self._weigh(one), len(words))
                for one, words in zip(said, references[name], strict=True)
            ]
            for name, said in counts.items()
        }

    def _weigh(self, counts: Grams) -> tuple[dict[Gram, float], list[float]]:
        """Weights of the grams, and the length of the vector of each n."""
        weights = {g: count * self.rare.get(g, self.unknown) for g, count in counts.items()}
        squares = [0.0] * LONGEST
        for g, weight in weights.items():
            squares[len(g) - 1] += weight * weight
        return weights, [sqrt(x) for x in squares]

    def __call__(self, name: str, words: Sequence[Hashable]) -> float:
        """0 to 10."""
        mine, lengths = self._weigh(grams(words))
        total = 0.0
        for (theirs, others), size in self.known[name]:
            likeness = [0.0] * LONGEST
            for g, weight in mine.items():
                if g in theirs:
                    likeness[len(g) - 1] += min(weight, theirs[g]) * theirs[g]
            cosines = sum(
                x / (a * b) for x, a, b in zip(likeness, lengths, others, strict=True) if a * b
            )
            total += cosines / LONGEST * exp(-((len(words) - size) ** 2) / (2 * SPREAD**2))
        return 10 * total / len(self.known[name])
