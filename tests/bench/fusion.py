"""What comes from fusion alone: coalitions, toggles, cuts, deletion and insertion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from captum.attr import ShapleyValues, ShapleyValueSampling
from torch import Tensor

from core_models.interface import presence
from explain.analysis import toggle
from explain.metrics.faithfulness import streamed
from explain.modality.coalitions import coalitions, subsets
from explain.modality.interactions import interactions
from explain.modality.interventions import cut
from explain.modality.pathways import pathways
from explain.modality.shapley import shapley
from tests.bench.measure import Contest
from tests.bench.stage import Stage, full

NAME = "caam-msrvtt"


def contests(stage: Stage) -> list[Contest]:
    analysis, question = stage.analysis(NAME), stage.question(NAME)
    model, inputs = analysis.model, analysis.inputs
    once = partial(full, model, inputs)
    way, off = pathways(analysis)[0], analysis.present[1:]
    found = {m: torch.randn(x.shape[1]).numpy() for m, x in analysis.tokens.values.items()}
    return [
        Contest("the same twice (the noise)", "itself", once, once, 1.1),
        Contest("all coalitions, Shapley values, interactions", "one full pass",
                partial(_all, stage), once, 1.25),
        Contest("all coalitions and Shapley values", "Captum's ShapleyValues",
                partial(_all, stage), _captum(stage, ShapleyValues), 1 / 12, rounds=2),
        Contest("all coalitions and Shapley values", "Captum's ShapleyValueSampling, 25 of 25",
                partial(_all, stage), _captum(stage, ShapleyValueSampling, n_samples=5), 1 / 50,
                rounds=1, scale=(1, 5)),
        Contest("error of a coalition's logits", "1e-5, beside the towers asked again",
                lambda: largest_error(stage), lambda: 1e-5, 1, unit="of a logit"),
        Contest("a modality switched off", "one full pass",
                partial(toggle, analysis, off), once, 0.1),
        Contest("a path cut", "one full pass", lambda: cut(question, way), once, 0.1),
        Contest("deletion and insertion of all tokens, 20 random orders", "one full pass",
                lambda: next(streamed(stage.question(NAME), found)), once, 3, rounds=3),
        Contest("the same, and inside each of three modalities", "one full pass",
                lambda: list(streamed(stage.question(NAME), found)), once, 4 * 3, rounds=1),
    ]  # fmt: skip


def _all(stage: Stage) -> None:
    """From what the towers read to Shapley values of every class, and how modalities interact."""
    analysis = stage.analysis(NAME)
    with torch.no_grad():
        analysis.model.encode(analysis.inputs)
    told = coalitions(analysis)
    shapley(told.logits)
    interactions(told.players, told.logits[:, 0])


def _captum(stage: Stage, method: type, **settings: int) -> Callable[[], Mapping[str, Tensor]]:
    """The same question to Captum: one player a modality, every coalition a full pass."""
    analysis = stage.analysis(NAME)
    model, inputs = analysis.model, analysis.inputs
    players = tuple(inputs.values)

    def score(there: Tensor) -> Tensor:  # (1, M) of 0 and 1
        on = [m for m, x in zip(players, there[0], strict=True) if x > 0]
        with torch.no_grad():
            tokens = model.encode(inputs)
            return model.fuse(tokens, presence(tokens, [on])).logits

    def run() -> Mapping[str, Tensor]:
        found = method(score).attribute(
            torch.ones(1, len(players)), torch.zeros(1, len(players)), target=0, **settings
        )
        return dict(zip(players, found[0], strict=True))

    return run


@torch.no_grad()
def largest_error(stage: Stage) -> float:
    """Of a coalition's logits, beside the towers asked for just these modalities."""
    analysis, told = stage.analysis(NAME), coalitions(stage.analysis(NAME))
    worst = 0.0
    for row, some in enumerate(subsets(told.players)):
        kept = {m: analysis.inputs.values[m] for m in some}
        if kept:
            logits = full(analysis.model, replace(analysis.inputs, values=kept)).logits[0].cpu()
            worst = max(worst, float((logits - torch.from_numpy(told.logits[row])).abs().max()))
    return worst
