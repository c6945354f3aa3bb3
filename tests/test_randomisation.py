"""Shuffled weights: the model itself stays as it is, and blind maps are found out."""

from collections.abc import Iterator

import pytest
import torch

from core_models.interface import Captioner, Model
from explain.analysis import Analysis, analyse
from explain.attribute import attributed
from explain.attribution import Attribution
from explain.methods.method import Method, Step
from explain.methods.registry import find
from explain.metrics.metric import changed
from explain.metrics.on_tokens import on_tokens
from explain.metrics.randomisation import Randomisation, cascade, randomisation, shuffled
from explain.question import Question
from explain.targets import target
from tests.conftest import make_clip


@pytest.fixture(scope="module")
def run(model: Model) -> Analysis:
    return analyse(model, make_clip(2))


@pytest.fixture(scope="module")
def question(run: Analysis) -> Question:
    return Question(run, target("auto", run))


def last(question: Question, method: Method, **settings: int) -> Randomisation:
    found = attributed(method, question, **settings)
    *_, end = randomisation(question, method, found, on_tokens(found, question.analysis), stops=2)
    return end


def norms(question: Question) -> Iterator[Step]:
    """A map that does not ask the model: an edge detector among methods."""
    yield Step(1, {s: x.norm(dim=-1) for s, x in question.tokens.items()})


def test_the_cascade_goes_from_the_answer_down(question: Question) -> None:
    layers = cascade(question)
    assert len(layers) == len(set(layers)) > 2
    assert not [name for name in layers if name.startswith(("towers", "project", "gru", "joint"))]
    numbers = [name for name in layers if name[-1].isdigit()]
    blocks = [name for name in numbers if name.startswith(("decoder", "video.", "blocks"))]
    assert blocks == sorted(blocks, key=lambda name: (name[:4] == "bloc", *_down(name)))


def _down(name: str) -> tuple[int, str]:
    *_, number = name.split(".")
    return -int(number), name


def test_the_shared_model_does_not_change(model: Model, question: Question) -> None:
    assert isinstance(model, torch.nn.Module)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    layers = cascade(question)
    other = shuffled(question.analysis.model, layers, seed=0)
    value = changed(question, model=other).value
    assert value != pytest.approx(question.value, abs=1e-3)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(x, after[name]) for name, x in before.items())
    same = changed(question, model=shuffled(question.analysis.model, layers, seed=0)).value
    assert same == value


def test_weights_that_are_not_shuffled_are_shared(model: Model, question: Question) -> None:
    first, *_ = cascade(question)
    other = shuffled(question.analysis.model, (first,), seed=0)
    root = getattr(other, "captioner", other)
    assert isinstance(model, torch.nn.Module) and isinstance(root, torch.nn.Module)
    old = dict(model.named_parameters())
    moved = {n: x for n, x in root.named_parameters() if x.data_ptr() != old[n].data_ptr()}
    assert moved and all(name.startswith(first) for name in moved)
    for name, x in moved.items():
        assert torch.equal(x.flatten().sort().values, old[name].flatten().sort().values)


def test_a_map_that_does_not_ask_the_model_is_found_out(question: Question) -> None:
    blind = Method("norms", "Norms", "made", "token", norms, "Lengths.", "none", signed=False)
    found = last(question, blind)
    assert found.similarity == pytest.approx((1, 1)) and found.good is False
    assert "hardly depends" in found.verdict


def test_gradients_depend_on_the_weights(question: Question) -> None:
    found = last(question, find("token-integrated-gradients"), steps=4)
    assert found.good is True and found.last < 0.6
    assert len(found.similarity) == len(found.layers) == 2
    assert all(-1 <= value <= 1 for value in found.similarity)


def test_a_caption_stays_as_it_was(question: Question) -> None:
    analysis = question.analysis
    if not isinstance(analysis.captioner, Captioner):
        pytest.skip("this model writes no captions")
    other = changed(question, model=shuffled(analysis.model, cascade(question), seed=0)).analysis
    assert other.caption is analysis.caption and other.model.labels == analysis.model.labels


def test_an_empty_map_says_so(question: Question) -> None:
    blank = Attribution("none", question.target, "token", True, {}, {})
    (found,) = randomisation(question, find("token-integrated-gradients"), blank, {})
    assert found.good is None and "the map is empty" in found.verdict
