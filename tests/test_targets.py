"""What is explained: parsed from words, scored on outputs made by hand."""

import dataclasses
import math

import pytest
import torch

from core_models.interface import Caption, CaptionWord, Output
from explain.analysis import Analysis
from explain.targets import Target, TargetError, choices, target

LOGITS = torch.tensor([[1.0, 2.0, 4.0]])


def test_a_class_is_its_logit_and_its_probability() -> None:
    asked = Target("c", "c", (2,))
    assert asked.score(Output(LOGITS)).item() == 4
    whole = math.exp(1) + math.exp(2) + math.exp(4)
    assert asked.chance(Output(LOGITS)).item() == pytest.approx(math.exp(4) / whole)


def test_a_contrast_is_the_difference_and_the_odds_between_two() -> None:
    asked = Target("c rather than b", "c rather than b", (2,), (1,))
    assert asked.score(Output(LOGITS)).item() == 2
    assert asked.chance(Output(LOGITS)).item() == pytest.approx(1 / (1 + math.exp(-2)))


def test_several_rather_than_others_are_means() -> None:
    asked = Target("b or c rather than a", "", (1, 2), (0,))
    assert asked.score(Output(LOGITS)).item() == pytest.approx((2 + 4) / 2 - 1)
    assert Target("b and c", "", (1, 2)).score(Output(LOGITS)).item() == 6


def test_words_are_their_joint_log_probability() -> None:
    said = Output(torch.tensor([[0.5, 0.25, 0.1]]).log(), independent=True)
    asked = Target("two words", "word:1-2", (0, 1))
    assert asked.score(said).item() == pytest.approx(math.log(0.125))
    assert asked.chance(said).item() == pytest.approx(0.125)


def test_a_label_a_contrast_and_the_top_are_found(analysis: Analysis) -> None:
    labels = analysis.model.labels
    (top, _), (second, _) = analysis.top[:2]
    assert target("auto", analysis) == target(top, analysis)
    assert target(top, analysis).plus == (labels.index(top),)
    rather = target(f"{top} rather than {second}", analysis)
    assert (rather.plus, rather.minus) == ((labels.index(top),), (labels.index(second),))
    assert choices(analysis)[0] == top and set(choices(analysis)) == set(labels)


def test_a_word_that_labels_share_is_found(analysis: Analysis) -> None:
    class Four:
        labels = ("red one", "red two", "blue one", "blue two")

    four = dataclasses.replace(analysis, model=Four())  # type: ignore[arg-type]
    found = target("red", four)
    assert (found.plus, found.minus) == ((0, 1), (2, 3))
    assert target(found.asked, four) == found
    assert target("two", four).plus == (1, 3)
    with pytest.raises(TargetError, match="no label"):
        target("green", four)


@pytest.fixture
def captioned(analysis: Analysis) -> Analysis:
    words = tuple(CaptionWord(w, 0.5) for w in ("a", "man", "drums"))
    caption = Caption("a man drums", words, (2, 3, 4, 1), (0, 1, 2, -1))

    class Three:
        labels = ("a", "man", "drums")

    return dataclasses.replace(analysis, caption=caption, model=Three())  # type: ignore[arg-type]


def test_words_of_a_caption_are_found(captioned: Analysis) -> None:
    assert target("auto", captioned).plus == (0, 1, 2)
    assert target("word:2", captioned) == Target("“man”", "word:2", (1,))
    assert target("word:2-3", captioned).name == "“man drums”"
    assert choices(captioned) == ["caption", "word:1", "word:2", "word:3"]


@pytest.mark.parametrize("asked", ["word:0", "word:4", "word:3-2", "man", ""])
def test_words_that_are_not_there_are_refused(captioned: Analysis, asked: str) -> None:
    with pytest.raises(TargetError, match="caption"):
        target(asked, captioned)


@pytest.mark.parametrize("asked", ["basket weaving", "word:1", "music rather than nothing"])
def test_labels_that_are_not_there_are_refused(analysis: Analysis, asked: str) -> None:
    with pytest.raises(TargetError, match="no label"):
        target(asked, analysis)


def test_a_label_rather_than_itself_is_refused(analysis: Analysis) -> None:
    top = analysis.top[0][0]
    with pytest.raises(TargetError, match="itself"):
        target(f"{top} rather than {top}", analysis)
