"""Relevance: every rule by hand, the whole against the paper's equations written out, and what it
promises: it finds what is planted, knows the class and the weights, and leaves nothing behind.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core_models.caam import CAAM
from core_models.checks.sample import sample
from core_models.clip import Clip, Stream, Word
from core_models.interface import Model
from core_models.mbt_towers import FUSIONS
from core_models.trace import Trace
from explain.analysis import Analysis, analyse
from explain.attribute import attributed
from explain.attribution import Attribution
from explain.methods.registry import METHODS, find
from explain.methods.relevance import carried
from explain.methods.relevance_rules import rule_5, rule_10, rule_11, rules_6_7, rules_8_9
from explain.methods.wiring import Read
from explain.question import Question, Stopped
from explain.targets import choices, target
from tests.test_mbt import small
from tests.toy_model import PLANTED, Toy

Array = NDArray[np.float64]
Held = dict[tuple[str, str], Array]  # R of two streams
A, B, C = (torch.tensor([i]) for i in range(3))
OURS = [method.name for method in METHODS if method.family in ("attention", "relevance")]
AWARE = [method.name for method in METHODS if method.family == "relevance"]
I2 = torch.eye(2)
SLOTS: tuple[Stream, ...] = ("bottleneck", "caption")


@pytest.fixture(scope="module")
def run(model: Model, clip: Clip) -> Analysis:
    return analyse(model, clip)


@pytest.fixture(scope="module")
def toy(clip: Clip) -> Analysis:
    return analyse(Toy(), replace(clip, words=(Word("one"), Word("two"))))


def ask(run: Analysis, method: str, what: str = "auto") -> Attribution:
    return attributed(find(method), Question(run, target(what, run)))


def close(found: Tensor, expected: list[Any]) -> None:
    torch.testing.assert_close(found, torch.tensor(expected, dtype=found.dtype))


# ---- the rules by hand, two tokens each -----------------------------------------------------


def test_rule_5_keeps_what_helps_in_the_mean_of_heads() -> None:
    weights = torch.tensor([[[0.5, 0.5]], [[0.25, 0.75]]])
    gradients = torch.tensor([[[2.0, -4.0]], [[4.0, 8.0]]])
    close(rule_5(weights, gradients), [[(1 + 1) / 2, (0 + 6) / 2]])


def test_rules_6_and_7_mix_rows() -> None:
    a = torch.tensor([[0.0, 2.0], [1.0, 0.0]])
    close(rules_6_7(a, I2), [[0, 2], [1, 0]])
    close(rules_6_7(a, torch.tensor([[1.0], [3.0]])), [[6], [1]])


def test_rules_8_and_9_scale_the_rest_and_leave_an_untouched_row() -> None:
    close(rules_8_9(torch.tensor([[2.0, 3.0], [0.0, 1.0]])), [[1.25, 0.75], [0, 1]])
    close(rules_8_9(I2), [[1, 0], [0, 1]])


def test_rule_10_weighs_both_sides() -> None:
    r_ss = torch.tensor([[2.0, 3.0], [0.0, 1.0]])  # normalised: 5/4 3/4 and 0 1
    a = torch.tensor([[4.0, 0.0], [0.0, 1.0]])
    close(rule_10(r_ss, a, I2), [[5, 0], [3, 1]])
    r_qq = torch.tensor([[1.0, 0.0], [1.0, 2.0]])  # normalised: 1 0 and 1/2 3/2
    close(rule_10(I2, a, r_qq), [[4, 0], [0.5, 1.5]])


def test_rule_11_takes_over_what_the_other_holds() -> None:
    close(rule_11(torch.tensor([[2.0, 1.0]]), torch.tensor([[0.5], [3.0]])), [[4]])


def test_three_streams_by_hand() -> None:
    """a reads b, then c reads a: it holds a, what a holds of b, and then gives back to a."""
    maps = {"ab": torch.tensor([[2.0]]), "ca": torch.tensor([[3.0]]), "ac": torch.tensor([[5.0]])}
    one, two = (Read("ab", (A,), (B,)),), (Read("ca", (C,), (A,)),)
    close(carried((one, two), maps, 3), [[1, 2, 0], [0, 1, 0], [3, 6, 1]])
    three = (Read("ac", (A,), (C,)),)
    # Rule 11: R_aa += 5 R_ca, R_ab += 5 R_cb; rule 10 with R_aa = R_cc = I: R_ac += 5.
    close(carried((one, two, three), maps, 3), [[16, 32, 5], [0, 1, 0], [3, 6, 1]])


def test_both_directions_read_what_was_before() -> None:
    maps = {"ab": torch.tensor([[2.0]]), "ba": torch.tensor([[3.0]])}
    forth, back = Read("ab", (A,), (B,)), Read("ba", (B,), (A,))
    close(carried(((forth, back),), maps, 2), [[1, 2], [3, 1]])
    close(carried(((forth,), (back,)), maps, 2), [[1, 2], [3, 7]])


def test_what_two_write_is_the_mean_and_what_is_fresh_forgets() -> None:
    maps = {"ca": torch.tensor([[2.0]]), "cb": torch.tensor([[6.0]])}
    both = (Read("ca", (C,), (A,)), Read("cb", (C,), (B,)))
    close(carried((both,), maps, 3)[2], [1, 3, 1])
    anew = (Read("ca", (C,), (A,), fresh=True),)
    close(carried((both, anew), maps, 3)[2], [2, 0, 1])


# ---- the paper's equations, written out for each architecture --------------------------------


def written_out(run: Analysis) -> dict[str, Array]:
    """Relevance in float64, stream by stream; a gradient for every map by itself."""
    question, trace = Question(run, target("auto", run)), Trace()
    leaves = {s: x.clone().requires_grad_() for s, x in question.tokens.items()}
    score = question.of_tokens(leaves, record=trace)
    a_bar: dict[str, Array] = {}
    for name, a in trace.items():
        (g,) = torch.autograd.grad(score, a, retain_graph=True)
        raised = a[0].detach().double().numpy() * g[0].double().numpy()
        a_bar[name] = np.maximum(raised, 0).sum(axis=0) / len(raised)
    sizes: dict[str, int] = {s: x.shape[1] for s, x in question.tokens.items()}
    sizes |= {s: run.layout[s].size for s in SLOTS if s in run.layout}
    held: Held = {}
    for (s, m), (q, n) in product(sizes.items(), repeat=2):
        held[s, q] = np.eye(m) if s == q else np.zeros((m, n))
    ends = ARCHITECTURES[vars(type(run.captioner or run.model))["architecture"]](held, a_bar, sizes)
    out: dict[str, Array] = {}
    for to in run.present:
        rows = [held[s, to] - np.eye(sizes[to]) if s == to else held[s, to] for s in ends]
        if run.caption is not None:
            rows = [rows[0][[i for i, word in enumerate(run.caption.owner) if word >= 0]]]
        out[to] = np.mean([row.mean(axis=0) for row in rows], axis=0)
    return out


def bar(r: Array) -> Array:
    """Equations 8 and 9, row by row."""
    out = np.eye(len(r))
    for i, row in enumerate(r - np.eye(len(r))):
        if row.sum():
            out[i] += row / row.sum()
    return out


def cross(old: Held, a: Array, s: str, q: str, streams: Iterable[str]) -> Held:
    """Equations 10 and 11, and 11 for every third stream: what is added to each R_s."""
    added = {(s, r): a @ old[q, r] for r in streams if r != q}
    return added | {(s, q): bar(old[s, s]).T @ (a @ bar(old[q, q]))}


def add(held: Held, *additions: Held) -> None:
    for addition in additions:
        for pair, x in addition.items():
            held[pair] = held[pair] + x


def caam(held: Held, a_bar: dict[str, Array], sizes: dict[str, int]) -> tuple[str, ...]:
    for name, a in a_bar.items():
        s, q = name.split(".")[2].split("<-")
        add(held, cross(held, a, s, q, sizes))
    return "video", "audio", "text"


def micap(held: Held, a_bar: dict[str, Array], sizes: dict[str, int]) -> tuple[str, ...]:
    for i in range(2):
        forth = cross(held, a_bar[f"fusion.{i}.video<-text"], "video", "text", sizes)
        back = cross(held, a_bar[f"fusion.{i}.text<-video"], "text", "video", sizes)
        add(held, forth, back)
    for i in range(sum("<-video+text" in name for name in a_bar)):
        own, pieces = a_bar[f"decoder.{i}.caption<-caption"], sizes["caption"]
        moved = np.zeros_like(own)  # piece j is what the position behind it stands on
        for j in range(pieces - 1):
            moved[:, j + 1] = own[:, j]
        add(held, {("caption", q): moved @ held["caption", q] for q in sizes})  # equations 6, 7
        both = a_bar[f"decoder.{i}.caption<-video+text"]
        seen, read = both[:, : sizes["video"]], both[:, sizes["video"] :]
        add(
            held,
            *(
                cross(held, seen, "caption", "video", sizes),
                cross(held, read, "caption", "text", sizes),
            ),
        )
    return ("caption",)


def mbt(held: Held, a_bar: dict[str, Array], sizes: dict[str, int]) -> tuple[str, ...]:
    for i in sorted({int(name.split(".")[1]) for name in a_bar}):
        if (latents := f"fusion.{i}.bottleneck<-audio+video") in a_bar:
            for s in sizes:  # they are new in every layer
                held["bottleneck", s] = np.zeros((sizes["bottleneck"], sizes[s]))
            held["bottleneck", "bottleneck"] = np.eye(sizes["bottleneck"])
            heard, seen = np.split(a_bar[latents], [sizes["audio"]], axis=1)
            from_audio = cross(held, heard, "bottleneck", "audio", sizes)
            add(held, from_audio, cross(held, seen, "bottleneck", "video", sizes))
            for m in ("video", "audio"):
                back = a_bar[f"fusion.{i}.{m}<-bottleneck"]
                add(held, cross(held, back, m, "bottleneck", sizes))
        additions: list[Held] = []
        shared: list[Held] = []
        for m in ("video", "audio"):
            name = next(name for name in a_bar if name.startswith(f"fusion.{i}.{m}-cls+"))
            row = name.split("<-")[1].split("+")
            cuts = np.cumsum([sizes[s] for s in row])[:-1]
            for s, part in zip(row, np.split(a_bar[name], cuts, axis=0), strict=True):
                blocks = dict(zip(row, np.split(part, cuts, axis=1), strict=True))
                found: Held = {}
                for r in sizes:  # equations 6 and 7 over the streams in a row
                    found[s, r] = np.zeros((sizes[s], sizes[r]))
                    for k, block in blocks.items():
                        found[s, r] += block @ held[k, r]
                (shared if s == "bottleneck" else additions).append(found)
        if shared:
            additions.append({pair: (shared[0][pair] + shared[1][pair]) / 2 for pair in shared[0]})
        add(held, *additions)
    return "video-cls", "audio-cls"


ARCHITECTURES: dict[str, Callable[[Held, dict[str, Array], dict[str, int]], tuple[str, ...]]] = {
    "caam": caam,
    "micap": micap,
    "mbt": mbt,
}


def test_the_papers_equations_say_the_same(run: Analysis) -> None:
    same_as_written_out(run)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_so_they_do_for_every_way_to_fuse(fusion: str) -> None:
    same_as_written_out(analyse(small(fusion), sample()))


def same_as_written_out(run: Analysis) -> None:
    found, expected = ask(run, "relevance").scores, written_out(run)
    largest = max(float(x.max()) for x in expected.values())
    for m, scores in found.items():
        assert scores == pytest.approx(expected[m], rel=1e-4, abs=1e-5 * largest)


# ---- what it promises ------------------------------------------------------------------------


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
