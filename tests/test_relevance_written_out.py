"""Relevance against the paper's equations, written out in float64 for each architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from core_models.checks.sample import sample
from core_models.clip import Clip, Stream
from core_models.interface import Model
from core_models.mbt_towers import FUSIONS
from core_models.trace import Trace
from explain.analysis import Analysis, analyse
from explain.attribute import attributed
from explain.methods.registry import find
from explain.question import Question
from explain.targets import target
from tests.test_mbt import small

Array = NDArray[np.float64]
Held = dict[tuple[str, str], Array]  # R of two streams
SLOTS: tuple[Stream, ...] = ("bottleneck", "caption")


@pytest.fixture(scope="module")
def run(model: Model, clip: Clip) -> Analysis:
    return analyse(model, clip)


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
    found = attributed(find("relevance"), Question(run, target("auto", run))).scores
    expected = written_out(run)
    largest = max(float(x.max()) for x in expected.values())
    for m, scores in found.items():
        assert scores == pytest.approx(expected[m], rel=1e-4, abs=1e-5 * largest)
