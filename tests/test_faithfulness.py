"""Deletion and insertion where the perfect order is known, and maps carried over to tokens."""

import json

import numpy as np
import pytest
import torch

from core_models.clip import Modality
from core_models.interface import Model
from core_models.layout import TimeGrid
from explain.analysis import analyse
from explain.attribution import Array, Attribution
from explain.metrics.faithfulness import Curves, curves, faithfulness, parts, random_orders
from explain.metrics.on_tokens import on_tokens, overlap
from explain.question import Question
from explain.targets import target
from tests.conftest import make_clip
from tests.toy import marked, toy

WEIGHTS = [3.0, -1.0, 7.0, 0.5, 2.0, 5.0, -2.5, 1.0, 4.0, 6.0]


def judged(question: Question, video: list[float], audio: list[float], steps: int = 16) -> Curves:
    return faithfulness(question, marked(question, {"video": video, "audio": audio}), steps=steps)[
        "all"
    ]


def test_the_areas_of_four_tokens() -> None:
    question = toy([4, 2], [1, 3])
    found = judged(question, [4, 2], [1, 3], steps=4)
    assert found.fractions.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.deletion == pytest.approx([1, 0.6, 0.3, 0.1, 0])
    assert found.insertion == pytest.approx([0, 0.4, 0.7, 0.9, 1])
    assert found.deletion_area == pytest.approx(0.25 * (0.5 + 0.6 + 0.3 + 0.1))
    assert found.insertion_area == pytest.approx(0.25 * (0.4 + 0.7 + 0.9 + 0.5))
    assert found.halves is not None
    assert found.halves[0] == pytest.approx(0.25 + 0.25 * (0.6 - 0.5) / 0.3)


def test_what_an_order_puts_back_and_leaves_is_the_whole_of_a_sum() -> None:
    found = random_orders(toy(WEIGHTS[:5], WEIGHTS[5:]), steps=10)
    assert found.deletion + found.insertion == pytest.approx(sum(WEIGHTS), abs=1e-4)
    assert found.full == pytest.approx(sum(WEIGHTS)) and found.empty == 0


def test_random_insertion_is_what_the_model_says() -> None:
    question = toy(WEIGHTS[:5], WEIGHTS[5:])
    found = random_orders(question, orders=2, steps=10, seed=3)
    rng = np.random.default_rng([3, 0])
    rank = rng.permutation(10)
    for i, order in enumerate((rank, 9 - rank)):
        rows = torch.from_numpy(order < np.arange(11)[:, None])
        assert found.insertion[i] == pytest.approx(question.of_rows(rows).numpy(), abs=1e-5)
        assert found.deletion[i] == pytest.approx(question.of_rows(~rows).numpy(), abs=1e-5)


def test_what_an_order_inserts_its_reverse_has_not_yet_deleted(model: Model) -> None:
    run = analyse(model, make_clip(1))
    found = random_orders(Question(run, target("auto", run)), orders=4, steps=4)
    assert found.fractions + found.fractions[::-1] == pytest.approx(1)
    for i, reverse in enumerate((2, 3, 0, 1)):
        assert found.insertion[i].tolist() == found.deletion[reverse, ::-1].tolist()
    assert not np.array_equal(found.insertion[0], found.deletion[0, ::-1])


def test_the_perfect_order_beats_all_and_the_reverse_loses_to_all() -> None:
    question = toy(WEIGHTS[:5], WEIGHTS[5:])
    best = judged(question, WEIGHTS[:5], WEIGHTS[5:])
    assert (best.gap > best.random_gaps).all() and best.effect > 2
    assert best.word == "better than random" and best.p == pytest.approx(1 / 21)
    worst = judged(question, [-x for x in WEIGHTS[:5]], [-x for x in WEIGHTS[5:]])
    assert worst.gap == pytest.approx(-best.gap, abs=1e-6)
    assert worst.word == "worse than random" and worst.effect == pytest.approx(-best.effect)


def test_random_maps_are_no_better() -> None:
    question, rng = toy(WEIGHTS[:5], WEIGHTS[5:]), np.random.default_rng(0)
    against = {part: random_orders(question, part) for part in parts(question)}
    words = []
    for seed in range(40):
        tokens: dict[Modality, Array] = {
            "video": rng.random(5, np.float32), "audio": rng.random(5, np.float32)
        }  # fmt: skip
        words.append(curves(question, tokens, against["all"], seed=seed).word)
    assert words.count("no better than random") >= 32  # 36 are expected


def test_inside_one_modality_the_others_stay() -> None:
    question = toy([1, 2, 3], [10, 20, 30])
    found = faithfulness(question, marked(question, {"video": [1, 2, 3], "audio": [1, 2, 3]}))
    assert set(found) == {"all", "video", "audio"}
    assert found["video"].full == 66 and found["video"].empty == 60
    assert found["video"].deletion == pytest.approx([1, 0.5, 1 / 6, 0])


def test_tokens_that_speak_against_the_target() -> None:
    question = toy([-1, -2, -4], [-8, -3])
    found = judged(question, [-1, -2, -4], [-8, -3], steps=6)
    assert found.deletion[0] == -1 and found.deletion[-1] == 0 and found.halves is None
    assert found.deletion_area < found.insertion_area


@pytest.mark.parametrize(
    ("video", "audio", "scores", "why"),
    [
        ([5.0], [], [1.0], "only one token"),
        ([0.0, 0.0, 0.0], [], [1.0, 2.0, 3.0], "does not depend"),
        ([1.0, 2.0, 3.0], [], [0.0, 0.0, 0.0], "the same everywhere"),
    ],
)
def test_what_cannot_be_told(
    video: list[float], audio: list[float], scores: list[float], why: str
) -> None:
    question = toy(video, audio, on=("video",))
    found = faithfulness(question, marked(question, {"video": scores}))
    assert set(found) == {"all"}
    curve = found["all"]
    assert curve.word == "cannot be told" and why in curve.why
    assert curve.effect == 0 and curve.halves is None
    json.dumps(curve.to_dict(), allow_nan=False)


def test_full_and_empty_are_those_of_the_model(model: Model) -> None:
    run = analyse(model, make_clip(1))
    question = Question(run, target("auto", run))
    found = random_orders(question, orders=2, steps=4)
    blank = torch.zeros_like(question.here)
    assert found.full == pytest.approx(question.value, abs=1e-4)
    assert found.empty == pytest.approx(float(question.of_rows(blank)), abs=1e-4)
    again = random_orders(question, orders=2, steps=4)
    assert np.array_equal(again.deletion, found.deletion)
    other = random_orders(question, orders=2, steps=4, seed=1)
    assert not np.array_equal(other.deletion, found.deletion)


def test_intervals_share_out_what_they_hold() -> None:
    shares = overlap(np.array([0.0, 1, 2, 3]), np.array([0.0, 1.5, 3]))
    assert shares.tolist() == [[1, 0.5, 0], [0, 0.5, 1]]
    outside = overlap(np.array([0.0, 1, 2, 3]), np.array([1.0, 1.5, 2]))
    assert outside.sum(axis=0).tolist() == [1, 1, 1]


def test_input_maps_keep_their_sum_on_tokens(model: Model) -> None:
    run = analyse(model, make_clip(1))
    question = Question(run, target("auto", run))
    grids, rng = question.fields.grids, np.random.default_rng(0)
    scores = {m: rng.normal(size=grids[m].size).astype(np.float32) for m in run.present}
    found = Attribution(
        "made", question.target, "input", True, scores, {m: grids[m] for m in run.present}
    )
    tokens = on_tokens(found, run)
    for m in run.present:
        assert tokens[m].shape == (run.layout[m].size,)
        assert float(tokens[m].sum()) == pytest.approx(float(scores[m].sum()), abs=1e-2)


def test_an_input_cell_falls_on_the_token_above_it(model: Model) -> None:
    run = analyse(model, make_clip(1))
    question = Question(run, target("auto", run))
    grids = question.fields.grids
    scores = {m: np.zeros(grids[m].size, np.float32) for m in run.present}
    scores["video"][-1] = 1.0  # lower right, last frame
    if "audio" in scores:
        scores["audio"][-1] = 1.0
    found = Attribution(
        "made", question.target, "input", True, scores, {m: grids[m] for m in run.present}
    )
    tokens = on_tokens(found, run)
    assert tokens["video"][-1] == pytest.approx(1) and tokens["video"][:-1].max() == 0
    if isinstance(run.layout.get("audio"), TimeGrid):
        assert int(tokens["audio"].argmax()) == len(tokens["audio"]) - 1
