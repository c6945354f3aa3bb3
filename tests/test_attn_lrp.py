"""AttnLRP: its rules against the paper's equations written out, and on every model."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.clip import Clip
from core_models.interface import Model
from core_models.trace import Trace, attend
from explain.analysis import Analysis, analyse
from explain.attribute import attributed
from explain.methods.attn_lrp import Rules
from explain.methods.registry import find
from explain.question import Question, Stopped
from explain.targets import target
from tests.toy_model import PLANTED, Toy


@pytest.fixture(scope="module")
def run(model: Model, clip: Clip) -> Analysis:
    return analyse(model, clip)


def noise(*shape: int, seed: int = 0) -> Tensor:
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return made.requires_grad_()


def handed_back(score: Tensor, *inputs: Tensor) -> list[Tensor]:
    """Input × gradient."""
    found = torch.autograd.grad(score, inputs)
    return [(x * g).detach() for x, g in zip(inputs, found, strict=True)]


def test_linear_layers_share_out_by_contribution() -> None:
    """The epsilon rule: R_i = sum over j of x_i w_ji R_j / z_j, with GELU passing R on as it is."""
    x, first, second = noise(3), noise(4, 3, seed=1).detach(), noise(2, 4, seed=2).detach()
    with Rules():
        score = F.linear(F.gelu(F.linear(x, first)), second)[1]
        (found,) = handed_back(score, x)
    hidden = first @ x.detach()  # (4,)
    top = second[1] * F.gelu(hidden)  # (4,): what the score is the sum of is R of each
    expected = (first * x.detach() / hidden[:, None] * top[:, None]).sum(dim=0)
    torch.testing.assert_close(found, expected)
    assert float(found.sum()) == pytest.approx(score.item())


def test_a_gelu_at_zero_is_finite() -> None:
    x = torch.zeros(2, requires_grad=True)
    with Rules():
        (slope,) = torch.autograd.grad(F.gelu(x).sum(), x)
    assert slope.tolist() == [0.5, 0.5]


def test_a_layer_norm_divides_by_a_constant() -> None:
    x, weight = noise(2, 5), noise(5, seed=1).detach()
    with Rules():
        out = F.layer_norm(x, (5,), weight)
        (found,) = handed_back(out[0].sum(), x)
    torch.testing.assert_close(out, F.layer_norm(x, (5,), weight))
    spread = (x[0].var(correction=0) + 1e-5).sqrt().detach()
    expected = x[0] * (weight - weight.mean()) / spread
    torch.testing.assert_close(found[0], expected.detach())
    assert (found[1] == 0).all()


def test_attention_by_the_equations() -> None:
    """One query, three keys, one head: half to the values, half through the softmax."""
    q, k, v = noise(1, 1, 1, 2), noise(1, 1, 3, 2, seed=1), noise(1, 1, 3, 2, seed=2)
    trace = Trace()
    with Rules():
        score = attend(q, k, v, record=trace, name="a")[0, 0, 0, 1]
        found = handed_back(score, q, k, v)
    weights, query, keys, values = (x.detach()[0, 0] for x in (trace["a"], q, k, v))
    to_weight = weights[0] * values[:, 1] / 2  # (3,): R of each weight, and of each value
    logits = keys @ query[0] / math.sqrt(2)
    to_logit = logits * (to_weight - weights[0] * to_weight.sum())  # the paper's softmax rule
    terms = keys * query / math.sqrt(2)  # (3, 2)
    to_key = terms / logits[:, None] * to_logit[:, None] / 2
    torch.testing.assert_close(found[2][0, 0, :, 1], to_weight)
    torch.testing.assert_close(found[1][0, 0], to_key)
    torch.testing.assert_close(found[0][0, 0, 0], to_key.sum(dim=0))


def test_a_plain_matrix_takes_nothing() -> None:
    x, matrix = noise(1, 3), noise(3, 2, seed=1)
    with Rules():
        score = (x @ matrix)[0, 0]
        (found,) = handed_back(score, x)
    assert float(found.sum()) == pytest.approx(score.item())


def test_the_pass_gives_the_same_score(run: Analysis) -> None:
    question = Question(run, target("auto", run))
    with torch.no_grad(), Rules():
        score = float(question.of_tokens(question.tokens, record=Trace()))
    assert score == pytest.approx(question.value, abs=1e-4)


@pytest.mark.parametrize("which", [0, 1])
def test_the_planted_token_is_found(clip: Clip, which: int) -> None:
    """It gives the label its whole score, of which the attention that chose it has half."""
    toy = analyse(Toy(), clip)
    question = Question(toy, target(toy.model.labels[which], toy))
    place = PLANTED[which]
    found = attributed(find("attn-lrp"), question).scores
    assert found["video"] == pytest.approx([question.value / 2 * (i == place) for i in range(6)])
    assert question.value == pytest.approx((place + 1) / 6) and not found["text"].any()


def test_the_rules_end_with_the_method(analysis: Analysis) -> None:
    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        attributed(find("attn-lrp"), Question(analysis, target("auto", analysis), stop))
    x, y = noise(1, 2, 2), noise(1, 2, 2, seed=1)
    (slope,) = torch.autograd.grad((x @ y).sum(), x)
    torch.testing.assert_close(slope[0, 0], y[0].sum(dim=1).detach())
