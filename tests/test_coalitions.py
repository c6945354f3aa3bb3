"""Coalitions over cached tokens say what the model says of a clip that lacks the rest."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from core_models.clip import Clip
from core_models.interface import Model
from explain.analysis import Analysis, analyse, toggle
from explain.modality.coalitions import Coalitions, coalitions, subsets
from explain.modality.language_prior import KEPT, WordPrior, language_prior
from explain.modality.report import ModalityReport, modalities
from explain.modality.votes import between
from explain.question import Question
from explain.targets import Target, target


@pytest.fixture(scope="module")
def run(model: Model, clip: Clip) -> Analysis:
    return analyse(model, clip)


@pytest.fixture(scope="module")
def found(run: Analysis) -> Coalitions:
    return coalitions(run)


@pytest.fixture(scope="module")
def report(run: Analysis) -> ModalityReport:
    return modalities(Question(run, target("auto", run)))


def test_every_combination_stands_once(run: Analysis, found: Coalitions) -> None:
    assert len(set(found.members)) == len(found.logits) == 2 ** len(run.present)
    assert found.members[0] == () and found.members[-1] == run.present
    assert all(found.row(some) == row for row, some in enumerate(found.members))
    assert np.isfinite(found.logits).all()


def test_they_equal_encoding_anew(run: Analysis, found: Coalitions) -> None:
    """A clip that never had the modality, through the towers again."""
    for row, some in enumerate(found.members):
        values = {m: x for m, x in run.inputs.values.items() if m in some}
        with torch.no_grad():
            tokens = run.model.encode(replace(run.inputs, values=values))
            output = run.model.fuse(tokens)
        np.testing.assert_allclose(
            found.probabilities[row], output.probabilities[0].double().numpy(), atol=1e-5
        )


def test_everything_is_the_run(run: Analysis, found: Coalitions) -> None:
    np.testing.assert_allclose(found.probabilities[-1], run.probabilities, atol=1e-5)
    answers = found.answers[-1:] or (run.answer,)
    assert answers == (run.answer,)


def test_switching_off_changes_no_row(analysis: Analysis) -> None:
    less = toggle(analysis, ["text"])
    np.testing.assert_array_equal(coalitions(less).logits, coalitions(analysis).logits)


def test_values_share_out_the_score(run: Analysis, report: ModalityReport) -> None:
    change = report.scores[-1] - report.scores[0]
    assert sum(report.values.values()) == pytest.approx(change, abs=1e-5)
    whole = report.coalitions.logits[-1].astype(float) - report.coalitions.logits[0]
    np.testing.assert_allclose(report.each.sum(axis=0), whole, atol=1e-5)
    parts = [report.values[m] for m in report.coalitions.players]
    if not report.target.minus:  # the target is a sum of labels, and so are its parts
        np.testing.assert_allclose(
            report.each[:, list(report.target.plus)].sum(axis=1), parts, atol=1e-4
        )


def test_a_modality_that_the_model_cannot_tell_apart_gets_nothing() -> None:
    """Two coalitions that differ by it alone have the same logits: a dummy."""
    logits = np.array([[1, 0], [3, 0], [1, 0], [3, 0]], np.float32)
    game = Coalitions(("video", "audio"), ("a", "b"), logits, False)
    asked = Target("a", "a", (0,))
    assert game.scores(asked).tolist() == [1, 3, 1, 3]
    assert game.answers == ("a",) * 4
    assert game.chances(asked)[0] == pytest.approx(1 / (1 + np.exp(-1)))


def test_subsets_by_hand() -> None:
    assert subsets(("video", "text")) == ((), ("video",), ("text",), ("video", "text"))


def test_a_word_that_stays_without_the_clip_is_marked() -> None:
    chances = np.array([[0.9, 0.01, 0.3], [0.8, 0.5, 0.9], [0.7, 0.2, 0.1], [1.0, 0.5, 0.2]])
    words = ("a", "dog", "barks")
    game = Coalitions(("video", "text"), words, np.log(chances).astype(np.float32), True)
    told = language_prior(game)
    assert [w.prior for w in told] == [True, False, True]  # kept 0.9, 0.02 and 1.5 of its chance
    assert [w.prior for w in language_prior(game, ("video",))] == [True, False, False]
    assert game.answers == ()
    assert WordPrior("a", 0.5, 0.5 * KEPT).prior and not WordPrior("a", 0.5, 0.45 * KEPT).prior
    assert WordPrior("a", 0.0, 0.0).prior


def test_labels_have_no_language_prior(analysis: Analysis) -> None:
    assert language_prior(coalitions(analysis)) == ()


def test_the_report_is_json_of_the_run(run: Analysis, report: ModalityReport) -> None:
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told["model"] == run.model.name and told["answer"] == run.answer
    assert [row["present"] for row in told["coalitions"]] == [list(m) for m in subsets(run.present)]
    assert told["coalitions"][-1]["score"] == pytest.approx(float(report.scores[-1]))
    assert len(told["words"]) == (len(run.model.labels) if run.caption else 0)
    assert all(0 <= cut["attended"] <= 1.0001 for cut in told["cuts"]) and told["cuts"]


def test_votes_that_agree_and_one_that_dissents() -> None:
    labels = ("music", "sports")
    yes, no = np.array([0.9, 0.1]), np.array([0.2, 0.8])
    alike = between({"video-audio": yes, "audio-text": yes, "text-video": yes}, labels)
    assert alike and alike.divergence == pytest.approx(0, abs=1e-9)
    assert alike.said == "All 3 answer “music”, alike."
    one = between({"video-audio": yes, "audio-text": no, "text-video": yes}, labels)
    assert one and one.dissent == "audio-text" and not one.agreed
    assert max(one.apart, key=lambda vote: one.apart[vote]) == "audio-text"
    assert one.said == (
        "The pair of the sound and the text dissents: “sports”, where the others say “music”."
    )


def test_votes_of_two_by_hand() -> None:
    labels = ("a", "b")
    found = between({"video": np.array([1.0, 0]), "audio": np.array([0, 1.0])}, labels)
    assert found and found.divergence == pytest.approx(1) and found.dissent == ""
    assert found.apart == {"video": pytest.approx(1), "audio": pytest.approx(1)}
    assert found.said == "They disagree: the picture “a”, the sound “b”."
    p = np.array([0.5, 0.5])
    near = between({"video": np.array([1.0, 0]), "audio": p}, labels)
    by_hand = -0.75 * np.log(0.75) - 0.25 * np.log(0.25) - np.log(2) / 2
    assert near and near.divergence == pytest.approx(by_hand / np.log(2))
    assert near.said == "Both answer “a”, though not equally sure."
    assert between({"video": p}, labels) is None
