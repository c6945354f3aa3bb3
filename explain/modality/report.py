"""What each modality did for a target: everything that fusion alone can tell, in one report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Modality
from explain.modality.coalitions import Coalitions, coalitions
from explain.modality.interactions import Interaction, interactions
from explain.modality.interventions import Effect, cut
from explain.modality.language_prior import WordPrior, language_prior
from explain.modality.pathways import pathways
from explain.modality.shapley import shapley
from explain.modality.votes import Disagreement, disagreement
from explain.question import Question
from explain.targets import Target

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ModalityReport:
    """Of one run and target.

    present: what is on in the run. answer: its top label or caption.
    scores, chances: (2^M,), of the target for every combination.
    values: Shapley values of the target's score; each: (M, C), of every label or word.
    words: of a caption. votes: None where fewer than two were given. cuts: of what the streams
    read of each other.
    mm_shap, effects: what was measured besides, where it was.
    """

    model: str
    clip: str
    target: Target
    present: tuple[Modality, ...]
    answer: str
    coalitions: Coalitions
    scores: Array
    chances: Array
    values: Mapping[Modality, float]
    each: Array
    interactions: tuple[Interaction, ...]
    words: tuple[WordPrior, ...]
    votes: Disagreement | None
    cuts: tuple[Effect, ...]
    mm_shap: Mapping[Modality, float] | None = None
    effects: tuple[Effect, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        found, labels = self.coalitions, self.coalitions.labels
        rows = zip(found.members, self.scores, self.chances, found.probabilities, strict=True)
        top = found.answers or (None,) * len(self.scores)
        return {
            "model": self.model,
            "clip": self.clip,
            "target": self.target.asked,
            "present": list(self.present),
            "answer": self.answer,
            "labels": list(labels),
            "coalitions": [
                {
                    "present": list(members),
                    "answer": answer,
                    "score": float(score),
                    "chance": float(chance),
                    "probabilities": chances.tolist(),
                }
                for (members, score, chance, chances), answer in zip(rows, top, strict=True)
            ],
            "shapley": dict(self.values),
            "shapley_per_label": {
                m: row.tolist() for m, row in zip(found.players, self.each, strict=True)
            },
            "interactions": [asdict(x) | {"said": x.said} for x in self.interactions],
            "mm_shap": None if self.mm_shap is None else dict(self.mm_shap),
            "words": [asdict(w) | {"language_prior": w.prior} for w in self.words],
            "votes": None if self.votes is None else asdict(self.votes) | {"said": self.votes.said},
            "cuts": [effect_dict(effect) for effect in self.cuts],
            "interventions": [effect_dict(effect) for effect in self.effects],
        }


def modalities(question: Question) -> ModalityReport:
    """All combinations, what each modality did, who works with whom, and what cutting does."""
    analysis, target = question.analysis, question.target
    question.tick()
    found = coalitions(analysis)
    scores = found.scores(target)  # (2^M,)
    return ModalityReport(
        analysis.model.name,
        analysis.clip.name,
        target,
        analysis.present,
        analysis.answer,
        found,
        scores,
        found.chances(target),
        dict(zip(found.players, shapley(scores).tolist(), strict=True)),
        shapley(found.logits),
        interactions(found.players, scores),
        language_prior(found, analysis.present),
        disagreement(analysis),
        tuple(cut(question, way) for way in pathways(analysis)),
    )


def effect_dict(effect: Effect) -> dict[str, Any]:
    """Ready for JSON."""
    before, after = effect.answer
    return {
        "said": effect.said,
        "target": effect.target,
        "score": list(effect.score),
        "chance": list(effect.chance),
        "answer": {"before": before, "after": after},
        "attended": effect.attended,
        "probabilities": effect.probabilities.tolist(),
    }
