"""What is read: worked out by hand on two tokens, and what holds for every model."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from core_models.checks.sample import sample
from core_models.clip import Clip, Modality, Stream, Word
from core_models.interface import Model
from core_models.mbt_towers import FUSIONS
from core_models.registry import load
from core_models.trace import Trace, path
from explain.analysis import Analysis, analyse, toggle
from explain.attribute import attributed
from explain.attribution import Attribution
from explain.methods.attention import lengths, received
from explain.methods.registry import METHODS, MethodError, find
from explain.methods.rollout import rolled
from explain.methods.wiring import (
    Read,
    Wiring,
    grouped,
    mean_of_heads,
    recorded,
    transition,
    unrecorded,
)
from explain.question import Question
from explain.targets import choices, target
from tests.test_mbt import small
from tests.toy_model import Toy

ATTENTION = [method.name for method in METHODS if method.unfit is unrecorded]
BLIND = [method.name for method in METHODS if method.family == "attention"]
A, B = torch.tensor([0]), torch.tensor([1])
MIX = "video-cls+video+bottleneck<-video-cls+video+bottleneck"
HEAR = MIX.replace("video", "audio")


@pytest.fixture(scope="module")
def run(model: Model, clip: Clip) -> Analysis:
    return analyse(model, clip)


@pytest.fixture(scope="module")
def toy(clip: Clip) -> Analysis:
    return analyse(Toy(), replace(clip, words=(Word("one"), Word("two"))))


@pytest.fixture(scope="module")
def micap(clip: Clip) -> Analysis:
    return analyse(load("micap-msrvtt", torch.device("cpu")), clip)


def ask(run: Analysis, method: str, what: str = "auto") -> Attribution:
    return attributed(find(method), Question(run, target(what, run)))


def close(found: Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(found.flatten(), torch.tensor(expected, dtype=found.dtype))


# ---- by hand ---------------------------------------------------------------------------------


def test_a_residual_weighs_as_much_as_the_message() -> None:
    step = (Read("ab", (A,), (B,)),)
    close(transition(step, {"ab": torch.tensor([[1.0]])}, 2), [0.5, 0.5, 0, 1])


def test_who_reads_nothing_stays_what_it_was() -> None:
    for fresh in (False, True):
        step = (Read("ab", (A,), (B,), fresh=fresh),)
        close(transition(step, {"ab": torch.tensor([[0.0]])}, 2), [1, 0, 0, 1])


def test_a_fresh_token_is_only_what_it_read() -> None:
    step = (Read("ab", (A,), (B,), fresh=True),)
    close(transition(step, {"ab": torch.tensor([[1.0]])}, 2), [0, 1, 0, 1])


def test_a_token_that_two_write_is_the_mean_of_both() -> None:
    c = torch.tensor([2])
    step = (Read("ca", (c,), (A,)), Read("cb", (c,), (B,)))
    maps = {"ca": torch.tensor([[1.0]]), "cb": torch.tensor([[1.0]])}
    close(transition(step, maps, 3)[2], [0.25, 0.25, 0.5])


def test_rollout_follows_the_steps_back_from_the_end() -> None:
    """a reads b, then b reads a: b is half b and half (a + b) / 2."""
    steps = ((Read("ab", (A,), (B,)),), (Read("ba", (B,), (A,)),))
    maps = {"ab": torch.tensor([[1.0]]), "ba": torch.tensor([[1.0]])}
    spans: dict[Stream, slice] = {"video": slice(0, 1), "text": slice(1, 2)}
    close(rolled(maps, Wiring(spans, steps, torch.tensor([0.0, 1.0]))), [0.25, 0.75])
    close(rolled(maps, Wiring(spans, steps, torch.tensor([1.0, 0.0]))), [0.5, 0.5])
    at_once = ((*steps[0], *steps[1]),)
    close(rolled(maps, Wiring(spans, at_once, torch.tensor([0.0, 1.0]))), [0.5, 0.5])


def test_what_is_received_is_the_mean_over_readers_and_maps() -> None:
    both = torch.tensor([0, 1])
    steps = ((Read("own", (both,), (both,), own=True),), (Read("ab", (A,), (B,)),))
    maps = {"own": torch.tensor([[0.9, 0.1], [0.5, 0.5]]), "ab": torch.tensor([[1.0]])}
    wires = Wiring({}, steps, torch.zeros(2))
    close(received(maps, wires), [0.35, 0.65])


def test_a_weight_counts_times_the_length_of_its_vector() -> None:
    trace = Trace()
    weights = torch.tensor([[[[0.75, 0.25]], [[0.5, 0.5]]]])  # two heads, one query
    vectors = torch.tensor([[[[3.0, 4.0], [0.0, 0.0]], [[0.0, 2.0], [-8.0, 6.0]]]])
    trace.add("ab", weights, vectors)  # lengths 5 and 0; 2 and 10
    close(lengths(trace)["ab"], [(0.75 * 5 + 0.5 * 2) / 2, (0.5 * 10) / 2])


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (["fusion.0.video<-audio", "fusion.1.audio<-video"], [1, 1]),
        (["fusion.0.video<-text", "fusion.0.text<-video"], [2]),
        ([f"fusion.{i}.{name}" for i in (0, 1) for name in (MIX, HEAR)], [2, 2]),
        (["decoder.0.caption<-caption", "decoder.0.caption<-video+text"], [1, 1]),
        (
            [
                "fusion.0.bottleneck<-audio+video",
                "fusion.0.video<-bottleneck",
                "fusion.0.audio<-bottleneck",
                "fusion.0.video-cls+video<-video-cls+video",
                "fusion.0.audio-cls+audio<-audio-cls+audio",
            ],
            [1, 2, 2],
        ),
    ],
    ids=["caam", "co-attention", "bottleneck", "decoder", "latent"],
)
def test_what_reads_at_once_is_one_step(names: list[str], sizes: list[int]) -> None:
    assert [len(step) for step in grouped(map(path, names))] == sizes


def test_the_toy_by_hand(toy: Analysis) -> None:
    """Both words read six video tokens alike; each modality is half of what is read out."""
    assert ask(toy, "attention").scores["video"] == pytest.approx([1 / 6] * 6)
    assert ask(toy, "attention").scores["text"] == pytest.approx([0, 0])
    assert ask(toy, "value-weighted").scores["video"] == pytest.approx([i / 6 for i in range(1, 7)])
    found = ask(toy, "rollout").scores
    assert found["video"] == pytest.approx([1 / 12 + 1 / 24] * 6)
    assert found["text"] == pytest.approx([1 / 8] * 2)


# ---- on every model --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTENTION)
def test_every_token_that_is_there_has_a_score(run: Analysis, name: str) -> None:
    found = ask(run, name)
    assert set(found.scores) == set(run.present)
    for m, scores in found.scores.items():
        assert len(scores) == run.layout[m].size and (scores >= 0).all()
    assert not found.blank and found.done == 1 and found.change is None


@pytest.mark.parametrize("name", ATTENTION)
def test_what_is_off_gets_no_score(run: Analysis, name: str) -> None:
    kept: tuple[Modality, ...] = run.present[-2:] if run.captioner is None else ("video",)
    off = toggle(run, kept)
    assert set(ask(off, name).scores) == set(kept)


def test_rows_sum_to_one(run: Analysis) -> None:
    trace, wires = recorded(Question(run, target("auto", run)))
    maps = mean_of_heads(trace)
    assert float(wires.end.sum()) == pytest.approx(1)
    for step in wires.steps:
        sums = transition(step, maps, len(wires.end)).sum(dim=-1)
        torch.testing.assert_close(sums, torch.ones_like(sums))
    assert ask(run, "rollout").total == pytest.approx(1, abs=1e-4)
    assert 0 < ask(run, "attention").total < 1 + 1e-4


@pytest.mark.parametrize("name", BLIND)
def test_attention_is_the_same_for_every_class(run: Analysis, toy: Analysis, name: str) -> None:
    for which in (toy, run) if run.captioner is None else (toy,):
        first, second = (ask(which, name, label).scores for label in choices(which)[:2])
        assert all((first[m] == second[m]).all() for m in first)


def test_a_caption_is_read_out_where_its_word_is_said(micap: Analysis) -> None:
    question = Question(micap, target("word:2", micap))
    _, wires = recorded(question)
    caption = micap.caption
    assert caption is not None
    read = wires.end[wires.spans["caption"]].nonzero().flatten().tolist()
    assert read == [i for i, word in enumerate(caption.owner) if word == 1]
    assert float(wires.end.sum()) == pytest.approx(1)


def test_a_piece_stands_at_the_position_that_predicts_the_next(micap: Analysis) -> None:
    trace, wires = recorded(Question(micap, target("auto", micap)))
    read = next(read for step in wires.steps for read in step if read.own)
    span = wires.spans["caption"]
    maps = mean_of_heads(trace)
    table = transition((read,), maps, len(wires.end))[span, span]  # (L, L)
    assert (table.triu(1) == 0).all()  # nobody reads ahead,
    assert (table[1:, 0] == 0).all()  # nor the mark that starts the caption;
    assert (table.diag()[1:] > 0.5).all()  # the piece said last is there as itself and as read


@pytest.mark.parametrize("name", ATTENTION)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_way_to_fuse_is_followed(fusion: str, name: str) -> None:
    mbt = analyse(small(fusion), sample())
    found = ask(mbt, name)
    assert set(found.scores) == {"video", "audio"} and not found.blank
    assert math.isfinite(found.total)
    if name == "rollout":
        assert found.total == pytest.approx(1, abs=1e-5)


def test_a_run_without_attention_is_refused_in_a_sentence(toy: Analysis) -> None:
    only: tuple[Modality, ...] = ("text",)
    alone = toggle(toy, only)
    for name in ATTENTION:
        with pytest.raises(MethodError, match="read no modality by attention"):
            ask(alone, name)
