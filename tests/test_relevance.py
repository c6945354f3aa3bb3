"""What relevance promises: it finds what is planted, knows the class and the weights, and leaves
nothing behind.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core_models.caam import CAAM
from core_models.clip import Clip, Word
from core_models.interface import Model
from explain.analysis import Analysis, analyse
from explain.attribute import attributed
from explain.attribution import Attribution
from explain.methods.registry import METHODS, find
from explain.question import Question, Stopped
from explain.targets import choices, target
from tests.toy_model import PLANTED, Toy

OURS = [method.name for method in METHODS if method.family in ("attention", "relevance")]
AWARE = [method.name for method in METHODS if method.family == "relevance"]


@pytest.fixture(scope="module")
def run(model: Model, clip: Clip) -> Analysis:
    return analyse(model, clip)


@pytest.fixture(scope="module")
def toy(clip: Clip) -> Analysis:
    return analyse(Toy(), replace(clip, words=(Word("one"), Word("two"))))


def ask(run: Analysis, method: str, what: str = "auto") -> Attribution:
    return attributed(find(method), Question(run, target(what, run)))


@pytest.mark.parametrize("which", [0, 1])
def test_the_planted_token_is_found(toy: Analysis, which: int) -> None:
    """Each of two words reads it with 1/6; it raises their mean by its length, i + 1."""
    place, label = PLANTED[which], toy.model.labels[which]
    expected = [(i + 1) / 6 * (i == place) for i in range(6)]
    found = ask(toy, "gradient-attention", label)
    assert found.scores["video"] == pytest.approx(expected)
    assert found.scores["text"] == pytest.approx([0, 0])
    # Of what is read out half is words; each holds half of the above.
    assert ask(toy, "relevance", label).scores["video"] == pytest.approx([x / 4 for x in expected])


@pytest.mark.parametrize("name", AWARE)
def test_two_classes_differ(run: Analysis, name: str) -> None:
    first, second = (ask(run, name, what) for what in choices(run)[1:3])
    assert any(not np.allclose(first.scores[m], second.scores[m], rtol=0.01) for m in run.present)


@pytest.mark.parametrize("name", AWARE)
def test_other_weights_give_another_map(caam: CAAM, analysis: Analysis, name: str) -> None:
    other = copy.deepcopy(caam)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in (*other.layers.parameters(), *other.votes.parameters()):
            p.copy_(torch.randn(p.shape, generator=generator) * p.std())
    label = analysis.answer
    right, wrong = ask(analysis, name, label), ask(replace(analysis, model=other), name, label)
    for m in ("video", "text"):
        assert np.corrcoef(right.scores[m], wrong.scores[m])[0, 1] < 0.9


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("stop", [False, True], ids=["ends", "stops"])
def test_nothing_is_left_behind(run: Analysis, name: str, stop: bool) -> None:
    def tick() -> None:
        if stop:
            raise Stopped

    question = Question(run, target("auto", run), tick)
    before = [(p, p.requires_grad) for p in parameters(run)]
    if stop:
        with pytest.raises(Stopped):
            attributed(find(name), question)
    else:
        attributed(find(name), question)
    assert all(p.grad is None and p.requires_grad == needed for p, needed in before)
    assert not any(x.requires_grad for x in question.tokens.values())
    assert torch.is_grad_enabled()


def parameters(run: Analysis) -> Iterator[nn.Parameter]:
    model: Any = run.captioner or run.model
    yield from model.parameters()


def test_it_does_not_matter_what_has_gradients_around(run: Analysis) -> None:
    plain = ask(run, "relevance")
    with torch.no_grad():
        quiet = ask(run, "relevance")
    needed = [p for p in parameters(run) if p.requires_grad]
    for p in needed:
        p.requires_grad_(False)
    frozen = ask(run, "relevance")
    for p in needed:
        p.requires_grad_(True)
    for m, scores in plain.scores.items():
        assert scores == pytest.approx(quiet.scores[m]) and scores == pytest.approx(
            frozen.scores[m]
        )
