"""Integrated gradients, relevance and Grad-CAM, beside how they are usually computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from captum.attr import IntegratedGradients
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn

from core_models.clip import Stream
from core_models.layout import FrameGrid
from explain.analysis import Analysis
from explain.methods import call
from explain.methods.grad_cam import grad_cam
from explain.methods.integrated_gradients import integrated
from explain.methods.method import Step
from explain.methods.registry import find
from explain.methods.relevance import Watched, carried
from explain.methods.relevance_rules import rule_5
from explain.methods.wiring import wiring
from explain.question import Question
from tests.bench.measure import Contest, alone, peak, returning
from tests.bench.stage import Stage, full

CAAM, MBT, MICAP = "caam-msrvtt", "mbt-grid", "micap-msrvtt"
BUDGET = 64 * 2**20
STEPS, SOME = 48, 8  # of an integral; so many are timed, or held at once, where that is much


def contests(stage: Stage) -> list[Contest]:
    analysis = stage.analysis(CAAM)
    once = partial(full, analysis.model, analysis.inputs)
    ask = partial(_ask, stage)
    integral = ask(MBT, "integrated-gradients", steps=STEPS)
    return [
        Contest(f"input-level integrated gradients, {STEPS} steps", "Captum, called directly",
                integral, lambda: _captum(stage.question(MBT)), 1.05, rounds=2),
        Contest("what they miss of the change of the score", "what Captum's miss",
                lambda: _missed(stage, integral()[-1].scores),
                lambda: _missed(stage, _captum(stage.question(MBT))), 1.0, unit="of the score"),
        Contest(f"what {SOME} steps of them hold in memory", "Captum's own call",
                partial(_held, stage, _some), partial(_held, stage, _all_at_once),
                1 / 3, unit="bytes"),
        Contest("integrated gradients of the picture alone", "of picture and sound",
                lambda: _picture(stage.question(MBT)), integral, 1 / 1.35, rounds=2),
        Contest(f"token-level integrated gradients, {STEPS} steps", "the same at input level",
                ask(CAAM, "token-integrated-gradients", steps=STEPS),
                ask(CAAM, "integrated-gradients", steps=SOME), 1 / 15,
                rounds=2, scale=(1, STEPS / SOME)),
        *(Contest(f"what the fusion takes for {method} in {name}", f"a budget of {BUDGET >> 20} MB",
                  partial(_spared, stage, name, method),
                  lambda: BUDGET, 1.0, unit="bytes")
          for name in (CAAM, MBT) for method in ("token-integrated-gradients", "token-shapley")),
        Contest("relevance, the towers' pass included", "one full pass",
                lambda: (once(), ask(CAAM, "relevance")()), once, 2.2),
        *(Contest(f"relevance in {name}", "a backward pass for every map",
                  ask(name, "relevance"), partial(_loop, stage, name), 1 / 2.5)
          for name in (CAAM, MICAP)),
        Contest("Grad-CAM of the picture, once a clip was analysed", "pytorch-grad-cam",
                lambda: next(grad_cam(stage.question(CAAM))), _their_cam(stage), 1 / 2),
    ]  # fmt: skip


def _ask(stage: Stage, model: str, method: str, **settings: Any) -> Callable[[], list[Step]]:
    return lambda: list(find(method).run(stage.question(model), **settings))


def _spared(stage: Stage, model: str, method: str) -> int:
    """Bytes that its passes of the fusion take where they have little room."""
    question = replace(stage.question(model), room=BUDGET)
    assert question.empty  # from a pass of the towers
    return peak(lambda: list(find(method).run(question)))


def _held(stage: Stage, work: Callable[[Stage], Any]) -> int:
    """Bytes that work takes in a new process, done for the second time."""
    return int(alone(_peak, stage.folder, stage.device, torch.get_num_threads(), work))


def _peak(folder: Path, device: torch.device, threads: int, work: Callable[[Stage], Any]) -> int:
    torch.set_num_threads(threads)
    returning()
    stage = Stage(folder, device)
    work(stage)
    return peak(partial(work, stage))


def _some(stage: Stage) -> list[Step]:
    return _ask(stage, MBT, "integrated-gradients", steps=SOME)()


def _all_at_once(stage: Stage) -> dict[Stream, Tensor]:
    return _captum(stage.question(MBT), SOME, whole=True)


def _captum(question: Question, steps: int = STEPS, whole: bool = False) -> dict[Stream, Tensor]:
    """As many steps at once as a pass of ours takes; whole: all, as it does unless told."""
    asked = call.of_inputs(question)
    ends = tuple(x.detach() for x in asked.values)
    found = IntegratedGradients(asked).attribute(
        ends, asked.nothing, n_steps=steps, internal_batch_size=None if whole else asked.batch
    )
    return dict(zip(asked.streams, found, strict=True))


def _missed(stage: Stage, found: Mapping[Stream, Tensor]) -> float:
    """Between the sum of the scores and what they promise to sum to."""
    asked = call.of_inputs(stage.question(MBT))
    with torch.no_grad():
        change = float(asked(*asked.values)) - float(asked(*asked.nothing))
    return abs(sum(float(x.double().sum()) for x in found.values()) - change)


def _picture(question: Question) -> list[Step]:
    """The integral over the picture, with the sound as it is."""
    everything = call.of_inputs(question)
    at = slice(0, everything.streams.index("video") + 1)
    alone = replace(
        everything,
        streams=everything.streams[at][-1:],
        values=everything.values[at][-1:],
        nothing=everything.nothing[at][-1:],
    )
    return list(integrated(alone, STEPS))


def _loop(stage: Stage, name: str) -> Tensor:
    """The usual way: each map's gradient by itself, then the rules."""
    question, trace = stage.question(name), Watched()
    with torch.enable_grad():
        leaves = {s: x.detach().requires_grad_() for s, x in question.tokens.items()}
        score = question.of_tokens(leaves, record=trace)
        weights = {
            m: rule_5(a[0].detach(), torch.autograd.grad(score, a, retain_graph=True)[0][0])
            for m, a in trace.items()
        }
    wires = wiring(question, trace)
    return carried(wires.steps, weights, len(wires.end))


class Whole(nn.Module):
    """The logits for the frames of a clip (1, T * 3, S, S); `seen` is a layer that it passes."""

    def __init__(self, analysis: Analysis) -> None:
        super().__init__()
        self.analysis, self.model, self.seen = analysis, analysis.model, nn.Identity()

    def forward(self, frames: Tensor) -> Tensor:
        inputs = self.analysis.inputs
        video = frames.unflatten(1, (-1, 3))  # (1, T, 3, S, S)
        made = self.analysis.model.encode(replace(inputs, values={**inputs.values, "video": video}))
        values = {**made.values, "video": self.seen(made.values["video"])}
        return self.analysis.model.fuse(replace(made, values=values)).logits


def _their_cam(stage: Stage) -> Callable[[], Any]:
    """Grad-CAM as most people compute it: from the pixels on, with hooks."""
    analysis = stage.analysis(CAAM)
    model: Any = Whole(analysis)
    frames = analysis.inputs.values["video"].flatten(1, 2)  # (1, T * 3, S, S)
    grid = analysis.layout["video"]
    assert isinstance(grid, FrameGrid)
    label = stage.question(CAAM).target.plus[0]

    def image(tokens: Tensor) -> Tensor:
        return tokens.transpose(1, 2).unflatten(2, (-1, grid.cols))  # (1, d, T * rows, cols)

    def run() -> Any:
        with GradCAM(model, [model.seen], reshape_transform=image) as cam:
            return cam(frames, [lambda logits: logits[label]])

    return run
