"""Scores against Captum asked directly, and against formulas written out."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from captum.attr import (
    FeatureAblation,
    GradientShap,
    InputXGradient,
    IntegratedGradients,
    NoiseTunnel,
    Occlusion,
    Saliency,
    ShapleyValueSampling,
)
from torch import Tensor, nn

from core_models.caam import CAAM
from core_models.clip import Clip
from core_models.interface import Tokens
from core_models.layout import FrameGrid
from core_models.registry import load
from explain.analysis import Analysis, analyse
from explain.attribute import attributed
from explain.attribution import Attribution
from explain.fields import LINES, PIXELS, STEP
from explain.methods import grad_cam, input_x_gradient, saliency
from explain.methods.draws import seeded
from explain.methods.groups import groups
from explain.methods.registry import find
from explain.question import Question
from explain.targets import target
from tests.conftest import make_clip


@pytest.fixture(scope="module")
def mbt() -> Question:
    run = analyse(load("mbt-grid", torch.device("cpu")), make_clip(frames=2, seconds=1.0))
    return Question(run, target("auto", run))


@pytest.fixture(scope="module")
def cross(caam: CAAM, clip: Clip) -> Question:
    run = analyse(caam, clip)
    return Question(run, target("auto", run))


class Plain(nn.Module):
    """The logit of MBT for pixels (B, T, 3, S, S) and spectra (B, 2, lines, columns)."""

    def __init__(self, run: Analysis, label: int) -> None:
        super().__init__()
        self.run, self.label = run, label

    def forward(self, video: Tensor, spectra: Tensor) -> Tensor:
        samples = self.run.inputs.values["audio"].shape[1]
        bins = torch.complex(spectra[:, 0], spectra[:, 1])
        wave = torch.istft(bins, LINES, STEP, window=torch.hann_window(LINES), length=samples)
        inputs = replace(self.run.inputs, values={"video": video, "audio": wave})
        model = self.run.model
        return model.fuse(model.encode(inputs)).logits[:, self.label]


@pytest.fixture(scope="module")
def plain(mbt: Question) -> Plain:
    return Plain(mbt.analysis, mbt.target.plus[0])


def leaves(question: Question) -> tuple[Tensor, Tensor]:
    values = question.fields.values
    return values["video"].clone().requires_grad_(), values["audio"].clone().requires_grad_()


def fused(question: Question) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The logit of CAAM for tokens of picture, sound and text."""
    run, label = question.analysis, question.target.plus[0]

    def score(video: Tensor, audio: Tensor, text: Tensor) -> Tensor:
        made = {"video": video, "audio": audio, "text": text}
        keep = {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in made.items()}
        return run.model.fuse(Tokens(made, keep)).logits[:, label]  # type: ignore[arg-type]

    return score


def joined(x: Attribution) -> np.ndarray:
    return np.concatenate([x.scores[m].astype(np.float64) for m in ("video", "audio", "text")])


def far(one: np.ndarray, other: np.ndarray) -> float:
    """How far two arrays lie apart, relative to the length of the second."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def test_saliency_and_input_x_gradient_are_those_of_captum(mbt: Question, plain: Plain) -> None:
    for run, method, more in (
        (saliency.plain, Saliency(plain), {"abs": True}),
        (input_x_gradient.inputs, InputXGradient(plain), {}),
    ):
        (step,) = run(mbt)
        for ours, theirs in zip(
            step.scores.values(), method.attribute(leaves(mbt), **more), strict=True
        ):
            torch.testing.assert_close(ours, theirs.detach(), rtol=1e-4, atol=1e-7)


def test_saliency_of_a_cell_is_the_sum_over_pixels_and_colours(mbt: Question, plain: Plain) -> None:
    video, _ = Saliency(plain).attribute(leaves(mbt), abs=True)
    cell = video[0, 1, :, 8 : 8 + PIXELS, 20 : 20 + PIXELS].sum()
    found = attributed(find("saliency"), mbt).placed("video")
    assert found[1, 8 // PIXELS, 20 // PIXELS] == pytest.approx(float(cell), rel=1e-4)


def test_smoothgrad_is_that_of_captum(mbt: Question, plain: Plain) -> None:
    tunnel = NoiseTunnel(Saliency(plain))
    spreads = tuple(0.05 * float(x.detach().std(correction=0)) for x in leaves(mbt))
    several = []
    for i in range(4):  # one at a time on a CPU
        with seeded(0, i):
            video, _ = tunnel.attribute(leaves(mbt), nt_samples=1, stdevs=spreads)
        several.append(mbt.fields.cells("video", video.detach())[0].numpy())
    found = attributed(find("smoothgrad"), mbt, samples=4, noise=0.05)
    assert far(found.scores["video"], np.mean(several, axis=0)) < 1e-4
    squared = attributed(find("smoothgrad"), mbt, samples=4, noise=0.05, squared=True)
    assert 0 < squared.extreme != found.extreme


def test_input_x_gradient_of_tokens_is_that_of_captum(cross: Question) -> None:
    made = tuple(x.clone().requires_grad_() for x in cross.tokens.values())
    theirs = InputXGradient(fused(cross)).attribute(made)
    found = attributed(find("token-input-x-gradient"), cross)
    for m, x in zip(cross.analysis.present, theirs, strict=True):
        sums = x.detach().sum(dim=-1)[0].numpy()
        assert np.allclose(found.scores[m], sums, rtol=1e-4, atol=1e-6)


def test_integrated_gradients_are_those_of_one_call(cross: Question) -> None:
    made, empty = tuple(cross.tokens.values()), tuple(cross.empty.values())
    theirs = IntegratedGradients(fused(cross)).attribute(
        made, empty, n_steps=100, internal_batch_size=10
    )
    found = attributed(find("token-integrated-gradients"), cross)
    sums = np.concatenate([x.detach().sum(dim=-1)[0].double().numpy() for x in theirs])
    assert far(joined(found), sums) < 0.01


def test_gradient_shap_without_noise_nears_integrated_gradients(cross: Question) -> None:
    exact = joined(attributed(find("token-integrated-gradients"), cross))
    few, many = (
        joined(attributed(find("token-gradient-shap"), cross, samples=n, noise=0)) for n in (4, 200)
    )
    assert far(many, exact) < 0.1 < far(few, exact)


def test_gradient_shap_is_that_of_captum(cross: Question) -> None:
    made, empty = tuple(cross.tokens.values()), tuple(cross.empty.values())
    spreads = tuple(0.2 * float(x.std(correction=0)) for x in made)
    with seeded(3):
        theirs = GradientShap(fused(cross)).attribute(made, empty, 4, spreads)
    found = attributed(find("token-gradient-shap"), cross, samples=4, noise=0.2, seed=3)
    sums = np.concatenate([x.detach().sum(dim=-1)[0].double().numpy() for x in theirs])
    assert far(joined(found), sums) < 1e-4


def kept(question: Question) -> Callable[..., Tensor]:
    """The logit of CAAM for which tokens of picture, sound and text exist: (B, N) of 0 and 1."""
    run, label = question.analysis, question.target.plus[0]

    def score(*keep: Tensor) -> Tensor:
        with torch.no_grad():
            return run.model.fuse(run.tokens, torch.cat(keep, dim=1) > 0.5).logits[:, label]

    return score


def test_sampled_shapley_values_are_those_of_captum(cross: Question) -> None:
    players, sizes = groups(cross, 12), cross.analysis.tokens.sizes
    shown = tuple(torch.ones(1, n) for n in sizes.values())
    masks = tuple(players.owner[m][None] for m in sizes)
    with seeded(0):
        theirs = ShapleyValueSampling(kept(cross)).attribute(
            shown, baselines=(0, 0, 0), feature_mask=masks, n_samples=1
        )
    found = attributed(find("token-shapley"), cross, most=12, orders=1)
    for m, x in zip(sizes, theirs, strict=True):
        each = x[0] / players.sizes[players.owner[m]]
        assert np.allclose(found.scores[m], each.numpy(), atol=2e-6), m


def test_ablation_is_that_of_captum(cross: Question) -> None:
    run = cross.analysis
    shown = tuple(torch.ones(1, n) for n in run.tokens.sizes.values())
    owner = torch.tensor(run.inputs.owner)
    video, audio, _ = run.tokens.sizes.values()
    masks = (
        torch.arange(video)[None],
        video + torch.arange(audio)[None],
        video + audio + owner[None],
    )
    assert len(masks) == len(shown)
    theirs = FeatureAblation(kept(cross)).attribute(
        shown, baselines=(0, 0, 0), feature_mask=masks, perturbations_per_eval=1
    )
    found = attributed(find("token-ablation"), cross, most=2000)
    for m, x in zip(run.tokens.sizes, theirs, strict=True):
        pieces = torch.bincount(owner)[owner] if m == "text" else 1
        assert np.allclose(found.scores[m], (x[0] / pieces).numpy(), atol=2e-6), m


def test_occlusion_of_the_picture_is_that_of_captum(mbt: Question, plain: Plain) -> None:
    video, spectra = (x.detach() for x in leaves(mbt))

    def score(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            return plain(pixels, spectra)

    found = attributed(find("occlusion"), mbt, windows=2, frames=2)
    grid = found.grids["video"]
    assert isinstance(grid, FrameGrid) and len(grid.times) == 2
    rows = grid.rows // 2  # cells along a window, which slides by half of that
    window, slide = rows * PIXELS, -(-rows // 2) * PIXELS
    theirs = Occlusion(score).attribute(
        video, (2, 3, window, window), (2, 3, slide, slide), baselines=0
    )
    expected = theirs[0, :, 0, ::PIXELS, ::PIXELS].numpy() / (2 * rows**2)
    assert np.ptp(expected) > 0
    assert np.allclose(found.placed("video"), expected, atol=1e-7)


def exact_shapley(score: Callable[[Tensor], Tensor], count: int) -> np.ndarray:
    """By the formula over all subsets."""
    subsets = list(itertools.product((0.0, 1.0), repeat=count))
    worth = dict(zip(subsets, score(torch.tensor(subsets)).double().tolist(), strict=True))
    out = np.zeros(count)
    for subset in subsets:
        size = int(sum(subset))
        for i in (i for i in range(count) if not subset[i]):
            more = (*subset[:i], 1.0, *subset[i + 1 :])
            weight = math.factorial(size) * math.factorial(count - size - 1)
            out[i] += weight / math.factorial(count) * (worth[more] - worth[subset])
    return out


@pytest.mark.parametrize(
    ("name", "settings"), [("token-shapley", {"orders": 200}), ("token-kernel-shap", {})]
)
def test_sampled_shapley_values_near_the_exact_ones(
    name: str, settings: dict[str, int], mbt: Question
) -> None:
    players = groups(mbt, 8)
    exact = exact_shapley(players.score, players.count)
    found = attributed(find(name), mbt, most=8, **settings)
    spread = players.spread(torch.tensor(exact))
    ours = np.concatenate(list(found.scores.values()))
    assert far(ours, np.concatenate([spread[m][0].numpy() for m in found.scores])) < 0.2
    assert exact.sum() == pytest.approx(players.change, abs=1e-5)


def test_groups_share_out_the_tokens(cross: Question) -> None:
    run = cross.analysis
    for most in (8, 21, 60, 400, 2000):
        players = groups(cross, most)
        assert 3 <= players.count <= most and bool((players.sizes > 0).all())
        assert {m: len(x) for m, x in players.owner.items()} == run.tokens.sizes
        words = players.owner["text"]
        assert all(len(set(words[torch.tensor(run.inputs.owner) == w].tolist())) == 1
                   for w in set(run.inputs.owner))  # fmt: skip
        everyone = torch.ones(1, players.count)
        assert float(players.score(everyone)) == pytest.approx(cross.value, abs=1e-5)
    assert players.count == sum(run.tokens.sizes.values()) - len(words) + len(set(run.inputs.owner))


@pytest.mark.parametrize("which", ["mbt", "cross"])
def test_grad_cam_is_its_formula_in_float64(which: str, request: pytest.FixtureRequest) -> None:
    question: Question = request.getfixturevalue(which)
    run = question.analysis
    model: Any = copy.deepcopy(run.model)
    model.double()
    *_, step = grad_cam.grad_cam(question)
    for m in ("video", "audio"):
        values = {n: x.double() for n, x in run.tokens.values.items()}
        leaf = values[m] = values[m].clone().requires_grad_()
        extra = {s: x.double() for s, x in run.tokens.extra.items()}
        logits = model.fuse(Tokens(values, run.tokens.keep, extra)).logits
        (slope,) = torch.autograd.grad(logits[0, question.target.plus[0]], leaf)
        x, rises = leaf.detach()[0].tolist(), slope[0].tolist()  # (N, d)
        weights = [sum(channel) / len(x) for channel in zip(*rises, strict=True)]
        sums = [sum(w * y for w, y in zip(weights, token, strict=True)) for token in x]
        expected = [max(0.0, total) for total in sums]
        assert np.allclose(step.scores[m][0].numpy(), expected, rtol=1e-3, atol=1e-7)
        assert max(expected) > 0
