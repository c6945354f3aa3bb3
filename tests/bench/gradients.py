"""Integrated gradients, relevance and Grad-CAM, beside how they are usually computed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from captum.attr import IntegratedGradients

from explain.methods import call
from explain.methods.registry import find
from explain.methods.relevance import Watched
from explain.question import Question
from tests.bench.measure import Contest
from tests.bench.stage import Stage, full

CAAM, MBT = "caam-msrvtt", "mbt-grid"
STEPS, SOME = 48, 8  # of an integral; so many are timed where each is slow


def contests(stage: Stage) -> list[Contest]:
    analysis = stage.analysis(CAAM)
    once = partial(full, analysis.model, analysis.inputs)
    ask = partial(_ask, stage)
    return [
        Contest(f"input-level integrated gradients, {STEPS} steps", "Captum, called directly",
                ask(MBT, "integrated-gradients", steps=STEPS),
                lambda: _captum(stage.question(MBT)), 1.05, rounds=2),
        Contest(f"token-level integrated gradients, {STEPS} steps", "the same at input level",
                ask(CAAM, "token-integrated-gradients", steps=STEPS),
                ask(CAAM, "integrated-gradients", steps=SOME), 1 / 15,
                rounds=2, scale=(1, STEPS / SOME)),
        Contest("relevance, the towers' pass included", "one full pass",
                lambda: (once(), ask(CAAM, "relevance")()), once, 2.2),
        Contest("relevance", "a backward pass for every map",
                ask(CAAM, "relevance"), lambda: _loop(stage.question(CAAM)), 1 / 2.5),
    ]  # fmt: skip


def _ask(stage: Stage, model: str, method: str, **settings: Any) -> Callable[[], Any]:
    return lambda: list(find(method).run(stage.question(model), **settings))


def _captum(question: Question) -> Any:
    """As many steps at once as a pass of ours takes."""
    asked = call.of_inputs(question)
    ends = tuple(x.detach() for x in asked.values)
    return IntegratedGradients(asked).attribute(
        ends, asked.nothing, n_steps=STEPS, internal_batch_size=asked.batch
    )


def _loop(question: Question) -> list[torch.Tensor]:
    """The usual way: each map's gradient by itself."""
    trace = Watched()
    with torch.enable_grad():
        leaves = {s: x.detach().requires_grad_() for s, x in question.tokens.items()}
        score = question.of_tokens(leaves, record=trace)
        return [
            g
            for a in trace.values()
            for g in torch.autograd.grad(score, a, retain_graph=True, allow_unused=True)
            if g is not None
        ]
