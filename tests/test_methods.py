"""What every method promises, on every shipped model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core_models.given import Given
from core_models.interface import Model
from explain.analysis import Analysis, analyse, on, toggle
from explain.attribute import attribute, attributed
from explain.attribution import Attribution, Setting
from explain.methods.draws import seeded
from explain.methods.method import Control, Method
from explain.methods.registry import METHODS, MethodError, find
from explain.question import Question, Stopped
from explain.targets import target
from tests.conftest import make_clip

# The least of what costs passes, so that this file stays quick.
CHEAP: Mapping[str, Mapping[str, Setting]] = {
    "token-integrated-gradients": {"steps": 32},
    "integrated-gradients": {"steps": 4},
    "gradient-shap": {"samples": 4},
    "token-gradient-shap": {"samples": 4},
    "smoothgrad": {"samples": 4},
    "token-ablation": {"most": 40},
    "token-shapley": {"most": 12, "orders": 2},
    "token-kernel-shap": {"most": 12, "samples": 80},
    "occlusion": {"windows": 1, "frames": 2, "spans": 4},
}
# The part of the change that the sum may miss: float32, or what few steps leave of an integral.
MISSED: Mapping[str, float] = {
    "token-integrated-gradients": 0.02,
    "token-shapley": 1e-4,
    "token-kernel-shap": 1e-4,
}
TOO_FEW = ("integrated-gradients",)  # its few steps here are not enough; see below
MAY_BE_BLANK = ("token-grad-cam",)  # it leaves out what is below 0, which may be all
UNSCORED = {"token-grad-cam": "text"}  # it weighs maps of channels, which words do not have

each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)


@dataclass(frozen=True, eq=False)
class Ran:
    """A finished run: the attribution after every step, and how many ticks there were."""

    question: Question
    steps: list[Attribution]
    ticks: int

    @property
    def last(self) -> Attribution:
        return self.steps[-1]


@pytest.fixture(scope="module")
def run(model: Model) -> Analysis:
    return analyse(model, make_clip(frames=2, seconds=1.0))


@pytest.fixture(scope="module")
def ran(run: Analysis) -> Callable[[Method], Ran]:
    """Every method once."""
    known: dict[str, Ran] = {}

    def of(method: Method) -> Ran:
        if method.name not in known:
            ticks: list[None] = []
            question = Question(run, target("auto", run), lambda: ticks.append(None))
            steps = list(attribute(method, question, **CHEAP.get(method.name, {})))
            known[method.name] = Ran(question, steps, len(ticks))
        return known[method.name]

    return of


@pytest.fixture(scope="module")
def mbt_run() -> Analysis:
    """The quickest of the shipped models to ask."""
    from core_models.registry import load

    return analyse(load("mbt-grid", torch.device("cpu")), make_clip())


def module(analysis: Analysis) -> nn.Module:
    model: Any = analysis.model
    found = model.captioner if isinstance(model, Given) else model
    assert isinstance(found, nn.Module)
    return found


def generators() -> tuple[bytes, bytes]:
    state: Any = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), state[1].tobytes() + bytes([state[2] % 256])


def nothing_is_left(question: Question) -> None:
    """No hook, gradient or mark on the model, the tokens and the inputs."""
    model = module(question.analysis)
    for part in model.modules():
        hooks = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks)
        assert not any(hooks) and not part._backward_pre_hooks and not part.training
    assert all(p.grad is None for p in model.parameters())
    fields, run = question.fields, question.analysis
    streams = (question.tokens, question.empty, fields.values, fields.nothing)
    held = [x for tensors in streams for x in tensors.values()]
    held += [*run.tokens.values.values(), *run.inputs.values.values()]
    assert not any(x.requires_grad or x.grad is not None for x in held)


def control(method: Method, name: str) -> Control | None:
    return next((c for c in method.controls if c.name == name), None)


def same(one: Attribution, other: Attribution) -> bool:
    return all(np.array_equal(x, other.scores[m]) for m, x in one.scores.items())


def alike(one: Attribution, other: Attribution) -> float:
    """The correlation of two attributions within each modality, the mean over them."""
    found = []
    for m, x in one.scores.items():
        a, b = (s.astype(np.float64) - s.mean(dtype=np.float64) for s in (x, other.scores[m]))
        found.append(float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-30))
    return float(np.mean(found))


@each_method
def test_scores_have_the_shape_of_their_grids(method: Method, ran: Callable[[Method], Ran]) -> None:
    before = generators()
    done = ran(method)
    assert generators() == before
    last, run = done.last, done.question.analysis
    assert set(last.scores) == set(run.present) - {UNSCORED.get(method.name)}
    for m, scores in last.scores.items():
        assert scores.shape == (last.grids[m].size,) and scores.dtype == np.float32
        assert np.isfinite(scores).all()
    assert method.name in MAY_BE_BLANK or not last.blank
    if not method.signed:
        assert min(x.min() for x in last.scores.values()) >= 0
    assert (last.method, last.level, last.signed) == (method.name, method.level, method.signed)
    nothing_is_left(done.question)


@each_method
def test_progress_runs_up_to_one(method: Method, ran: Callable[[Method], Ran]) -> None:
    done = [step.done for step in ran(method).steps]
    assert done == sorted(done) and 0 < done[0] and done[-1] == 1
    assert ran(method).ticks >= 1


@each_method
def test_the_sum_is_the_change_where_that_is_promised(
    method: Method, ran: Callable[[Method], Ran]
) -> None:
    last = ran(method).last
    assert method.complete == (last.change is not None)
    if method.complete and method.name not in TOO_FEW:
        assert last.residual is not None and last.change is not None
        assert abs(last.residual) <= MISSED[method.name] * abs(last.change)


def test_integrated_gradients_of_inputs_sum_to_the_change(mbt_run: Analysis) -> None:
    question = Question(mbt_run, target("auto", mbt_run))
    rough, fine = (
        attributed(find("integrated-gradients"), question, steps=steps) for steps in (8, 32)
    )
    assert rough.residual and fine.residual and fine.change
    assert abs(fine.residual) < 0.03 * abs(fine.change)
    assert abs(fine.residual) < abs(rough.residual)


@each_method
def test_a_stop_in_the_middle_leaves_nothing_behind(
    method: Method, ran: Callable[[Method], Ran]
) -> None:
    left = [1 + ran(method).ticks // 3]

    def tick() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Stopped

    question = replace(ran(method).question, tick=tick)
    before = generators()
    with pytest.raises(Stopped):
        attributed(method, question, **CHEAP.get(method.name, {}))
    assert generators() == before
    quiet = replace(question, tick=on)
    nothing_is_left(quiet)
    assert not any(x.requires_grad for x in question.tokens.values())
    assert not any(x.requires_grad for x in question.fields.values.values())


@each_method
def test_what_is_off_gets_no_score(method: Method, run: Analysis) -> None:
    off = toggle(run, [m for m in run.present if m != "video"])
    question = Question(off, target("auto", off))
    if why := method.unfit(off):
        assert why.endswith(".")
        with pytest.raises(MethodError, match="switch"):
            attributed(method, question)
        return
    last = attributed(method, question, **CHEAP.get(method.name, {}))
    assert last.scores and set(last.scores) <= set(off.present)
    assert "video-cls" not in last.loose


@each_method
def test_the_same_seed_gives_the_same_scores(method: Method, mbt_run: Analysis) -> None:
    question = Question(mbt_run, target("auto", mbt_run))
    settings = dict(CHEAP.get(method.name, {}))
    first = attributed(method, question, **settings)
    torch.rand(3)
    assert same(first, attributed(method, question, **settings))
    if control(method, "seed") is not None:
        assert not same(first, attributed(method, question, **settings, seed=1))


@pytest.fixture(scope="module")
def shuffled(run: Analysis) -> Analysis:
    """The same clip, read with the weights of every tensor in another order."""
    model: Any = copy.deepcopy(run.model)
    other = replace(run, model=model)
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in module(other).parameters():
            p.copy_(p.flatten()[torch.randperm(p.numel(), generator=draw)].view_as(p))
        return replace(other, tokens=model.encode(run.inputs))


@each_method
def test_other_weights_give_another_map(
    method: Method, ran: Callable[[Method], Ran], shuffled: Analysis
) -> None:
    old = ran(method)
    asked, settings = old.question.target, CHEAP.get(method.name, {})
    likeness = alike(old.steps[-1], attributed(method, Question(shuffled, asked), **settings))
    assert likeness < 0.9


@each_method
def test_settings_out_of_range_are_refused(method: Method, mbt_run: Analysis) -> None:
    question = Question(mbt_run, target("auto", mbt_run))
    with pytest.raises(MethodError, match="has no setting"):
        attributed(method, question, nonsense=1)
    for one in method.controls:
        if one.limits is not None:
            assert one.limits.least <= float(one.default) <= one.limits.most
            for wrong in (one.limits.least - 1, one.limits.most + 1):
                with pytest.raises(MethodError, match="must lie between"):
                    attributed(method, question, **{one.name: wrong})


@each_method
def test_the_table_says_what_a_method_is(method: Method) -> None:
    assert find(method.name) is method
    assert method.about.endswith(".") and method.family
    assert (method.level == "token") == (
        method.name.startswith("token-") or method.family in ("attention", "relevance")
    )
    if method.name.startswith("token-"):
        assert "of tokens" in method.title


def test_names_are_different() -> None:
    assert len({method.name for method in METHODS}) == len(METHODS)
    assert len({method.title for method in METHODS}) == len(METHODS)


def test_lent_generators_come_back_and_repeat() -> None:
    before = generators()
    drawn = []
    for seed, part in ((0, 0), (0, 0), (0, 1), (1, 0)):
        with seeded(seed, part):
            drawn.append((float(torch.rand(())), float(np.random.rand())))
    assert drawn[0] == drawn[1] and len(set(drawn)) == 3
    with pytest.raises(Stopped), seeded(0):
        torch.rand(1), np.random.rand()
        raise Stopped
    assert generators() == before
