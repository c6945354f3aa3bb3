"""A pass that can be stopped in its middle: the same numbers, and of one thread alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from core_models.interface import Model
from explain.analysis import analyse
from explain.attribute import attributed
from explain.methods.attn_lrp import Rules
from explain.methods.registry import find
from explain.question import Question, Stopped
from explain.targets import target
from explain.ticking import Ticking
from tests.conftest import make_clip


@pytest.fixture(scope="module")
def question(model: Model) -> Question:
    run = analyse(model, make_clip(frames=2, seconds=1.0))
    return Question(run, target("auto", run))


def slopes(question: Question) -> list[Tensor]:
    """The score of the clip and its gradients."""
    values = {m: x.clone().requires_grad_() for m, x in question.fields.values.items()}
    score = question.of_inputs(values)
    return [score.detach(), *torch.autograd.grad(score, list(values.values()))]


def test_it_changes_no_number_and_ticks_on_both_ways(question: Question) -> None:
    ticks: list[bool] = []
    asked = replace(question, tick=lambda: ticks.append(torch.is_grad_enabled()))
    plain, ticked = slopes(question), slopes(asked)
    for one, other in zip(plain, ticked, strict=True):
        assert torch.equal(one, other)
    forth, back = sum(ticks), len(ticks) - sum(ticks)  # a backward pass makes no graph
    assert forth > 10 and back > 10


@pytest.mark.parametrize("part", [0.25, 0.75])
def test_it_stops_in_the_middle(question: Question, part: float) -> None:
    ticks: list[None] = []
    slopes(replace(question, tick=lambda: ticks.append(None)))
    left = [int(part * len(ticks))]

    def tick() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Stopped

    with pytest.raises(Stopped):
        slopes(replace(question, tick=tick))
    assert left == [0]
    whole, again = slopes(question), slopes(question)
    assert all(torch.equal(one, other) for one, other in zip(whole, again, strict=True))


def test_it_goes_with_the_rules_of_attn_lrp(question: Question) -> None:
    ticks: list[None] = []
    plain, ticked = (
        attributed(find("attn-lrp"), asked)
        for asked in (question, replace(question, tick=lambda: ticks.append(None)))
    )
    assert ticks and all((x == ticked.scores[m]).all() for m, x in plain.scores.items())


def halt() -> None:
    raise Stopped


@pytest.mark.parametrize("mode", [Ticking(halt), Rules()], ids=["ticking", "rules"])
def test_it_ends_with_its_block_and_is_of_one_thread(mode: TorchFunctionMode) -> None:
    """Both modes: what another thread computes meanwhile, and what comes after, is plain torch."""

    def slope() -> list[float]:
        x = torch.tensor([[1.0, -2.0, 4.0]], requires_grad=True)
        score = F.linear(F.gelu(F.layer_norm(x, (3,))), torch.tensor([[1.0, 2.0, 3.0]])).sum()
        found: list[float] = torch.autograd.grad(score, x)[0].flatten().tolist()
        return found

    plain = slope()
    with ThreadPoolExecutor(1) as other, pytest.raises((Stopped, ZeroDivisionError)), mode:
        assert other.submit(slope).result() == plain
        assert slope() != plain  # or it stops
        raise ZeroDivisionError
    assert slope() == plain
