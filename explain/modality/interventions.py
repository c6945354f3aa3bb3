"""What if: change the clip, or cut a path, and see what becomes of the target.

Only the modality that was changed passes its tower again. A caption stays as it was written, so
that its words can be compared; what the captioner would write now stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_models.clip import Modality, Stream
from core_models.interface import Output, Tokens, presence
from explain.analysis import SAID, Analysis
from explain.modality.edits import Edit, EditError
from explain.modality.pathways import Pathway, attended, check
from explain.question import Question
from explain.targets import Target

Array = NDArray[np.float64]
Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class Effect:
    """A target before and after a change.

    said: what was done, in one sentence. score, chance: of the target, before and after.
    answer: the top label, or the caption; after it, None where no new caption can be written.
    logits, probabilities: (2, C), before and after, of labels or of a caption's words.
    attended: of a cut, the share of attention that went along it.
    """

    said: str
    target: str
    score: Pair
    chance: Pair
    answer: tuple[str, str | None]
    labels: tuple[str, ...]
    logits: Array
    probabilities: Array
    attended: float | None = None

    @property
    def change(self) -> float:
        """Of the target's score."""
        return self.score[1] - self.score[0]

    @property
    def changes(self) -> tuple[tuple[str, float], ...]:
        """The change of every label's, or word's, probability, the largest first."""
        change = self.probabilities[1] - self.probabilities[0]
        order = np.argsort(-np.abs(change), kind="stable")
        return tuple((self.labels[i], float(change[i])) for i in order)

    @property
    def turned(self) -> bool:
        """Whether the answer is another one."""
        return self.answer[1] is not None and self.answer[1] != self.answer[0]


def effect(question: Question, edit: Edit, rewrite: bool = True) -> Effect:
    """Of a change to the clip; rewrite: also write the caption anew, which takes longest.

    EditError where the model does not read what was changed, or nothing would be left to read.
    """
    analysis = question.analysis
    readable(analysis, edit.modality)
    question.tick()
    with torch.no_grad():
        tokens = encoded(analysis, edit)
        if not any(tokens.sizes[m] for m in analysis.present):
            raise EditError("Nothing would be left for the model to read; change less of the clip.")
        rows = presence(tokens, [analysis.present])
        after = analysis.model.fuse(tokens, rows)
        written = _written(question, tokens, rows) if rewrite else None
    return _compared(question, edit.said, after, written)


def cut(question: Question, pathway: Pathway) -> Effect:
    """Of paths cut together; PathError where this run has one of them not."""
    analysis = question.analysis
    check(analysis, pathway.paths)
    question.tick()
    with torch.no_grad():
        after = analysis.model.fuse(analysis.tokens, question.here, cut=pathway.paths)
    found = _compared(question, f"Cut {pathway.said}.", after, None)
    return replace(found, attended=attended(analysis, pathway.paths))


def aimed(effect: Effect, target: Target, independent: bool) -> Effect:
    """The same change, seen from another target; independent: as the model's `Output` says."""
    both = Output(torch.from_numpy(effect.logits), independent=independent)  # (2, C)
    score, chance = _pair(target.score(both)), _pair(target.chance(both))
    return replace(effect, target=target.name, score=score, chance=chance)


def readable(analysis: Analysis, modality: Modality) -> None:
    """EditError where a change of this modality cannot matter."""
    said = SAID[modality]
    if modality not in analysis.model.modalities:
        words = ": change the words that describe it" if analysis.captioner else ""
        raise EditError(f"{analysis.model.name} does not read {said} itself{words}.")
    if modality not in analysis.inputs.values:
        raise EditError(f"The model reads none of {said} of this clip; there is nothing to change.")
    if modality not in analysis.present:
        raise EditError(f"{_upper(said)} is switched off for this run; switch it on to change it.")


def encoded(analysis: Analysis, edit: Edit) -> Tokens:
    """The tokens of the changed clip; those of the other modalities are what they were."""
    model, m, old = analysis.model, edit.modality, analysis.tokens
    inputs = model.prepare(edit.clip)
    if m not in inputs.values:  # nothing of it is left
        values, keep = {**old.values, m: old.values[m][:, :0]}, {**old.keep, m: old.keep[m][:, :0]}
        return Tokens(values, keep, _others(old.extra, m))
    fresh = model.encode(replace(inputs, values={m: inputs.values[m]}))
    own = {s: x for s, x in fresh.extra.items() if s.removesuffix("-cls") == m}
    values, keep = {**old.values, m: fresh.values[m]}, {**old.keep, m: fresh.keep[m]}
    return Tokens(values, keep, {**_others(old.extra, m), **own})


def _others(extra: Mapping[Stream, Tensor], m: Modality) -> dict[Stream, Tensor]:
    return {s: x for s, x in extra.items() if s.removesuffix("-cls") != m}


def _written(question: Question, tokens: Tokens, rows: Tensor) -> str | None:
    """The caption that a captioner would write now."""
    captioner, decoding = question.analysis.captioner, question.analysis.decoding
    if captioner is None:
        return None
    question.tick()
    return captioner.generate(tokens, rows, decoding).text


def _compared(question: Question, said: str, after: Output, written: str | None) -> Effect:
    analysis, target = question.analysis, question.target
    with torch.no_grad():
        before = analysis.model.fuse(analysis.tokens, question.here)
    both = [before, after]
    labels = analysis.model.labels
    new = written if analysis.captioner else labels[int(after.logits[0].argmax())]
    return Effect(
        said,
        target.name,
        _pair(target.score(output) for output in both),
        _pair(target.chance(output) for output in both),
        (analysis.answer, new),
        labels,
        np.stack([output.logits[0].double().cpu().numpy() for output in both]),
        np.stack([output.probabilities[0].double().cpu().numpy() for output in both]),
    )


def _pair(values: Iterable[Tensor]) -> Pair:
    before, after = (float(x) for x in values)
    return before, after


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
