"""The measures: a literal table. A new one is a function and a line here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from core_models.clip import Modality
from explain.attribution import Attribution
from explain.benchmark.cases import Aim
from explain.benchmark.truth import Region, hit, inside, joint, mass
from explain.methods.method import Method
from explain.metrics import completeness as sums
from explain.metrics.curves import SURE, Part, RandomOrders
from explain.metrics.faithfulness import faithfulness, parts, random_orders
from explain.metrics.on_tokens import on_tokens
from explain.metrics.randomisation import randomisation
from explain.question import Question

LEAST = 1e-2  # a score below it has no parts


class Score(NamedTuple):
    """A number and what a map gets that knows nothing."""

    metric: str
    modality: str
    value: float
    chance: float = math.nan


@dataclass(frozen=True, eq=False)
class Asked:
    """A question with a truth. elsewhere: where the evidence lies in other clips; orders: what
    random orders do, filled when it is first needed and the same for every method.
    """

    question: Question
    aim: Aim
    elsewhere: Sequence[Mapping[Modality, Region]]
    seed: int = 0
    orders: dict[Part, RandomOrders] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """One line of the table. fits: whether there is anything to measure; if there is, it gives at
    least one score.
    """

    name: str
    about: str
    run: Callable[[Asked, Method, Attribution], Iterator[Score]]
    fits: Callable[[Aim, Method], bool] = lambda aim, method: True


def held(question: Question, aim: Aim) -> Iterator[Score]:
    """The part of the score that stays when a modality loses its tokens at the evidence, all its
    others, or all: whether the towers left the evidence where it was.
    """
    begin, layout = 0, question.analysis.layout
    for m, size in question.analysis.tokens.sizes.items():
        if size and m in aim.regions and m in question.analysis.present:
            there = torch.from_numpy(joint(inside(aim.regions[m], layout[m])) > 0)
            rows = question.here.repeat(4, 1)  # all, without these, these alone, none of m
            part = rows[:, begin : begin + size]
            part[1] &= ~there.to(part.device)
            part[2] &= there.to(part.device)
            part[3] = False
            full, without, alone, none = question.of_rows(rows).tolist()
            if full > LEAST:
                yield Score("without the evidence", m, without / full)
                yield Score("the evidence alone", m, alone / full)
                yield Score("none of it", m, none / full)
        begin += size


def truth(asked: Asked, method: Method, found: Attribution) -> Iterator[Score]:
    """How much of the map lies where the evidence is, and whether its strongest cell does."""
    for m, region in asked.aim.regions.items():
        if m not in found.scores:
            continue
        scores, grid = found.scores[m], found.grids[m]
        places = inside(region, grid)
        whole = joint(places)
        yield Score("inside", m, *mass(scores, whole))
        yield Score("hit", m, *hit(scores, whole))
        others = [mass(scores, joint(inside(o[m], grid))) for o in asked.elsewhere if m in o]
        if others:
            values, chances = zip(*others, strict=True)
            count = len(others)
            yield Score("inside, other clips", m, sum(values) / count, sum(chances) / count)
        if len(places) > 1:
            for axis, part in places.items():
                yield Score(f"inside {axis}", m, *mass(scores, part))
                yield Score(f"hit {axis}", m, *hit(scores, part))


def curves(asked: Asked, method: Method, found: Attribution) -> Iterator[Score]:
    """Deletion and insertion of tokens against random orders."""
    for part in parts(asked.question):
        if part not in asked.orders:
            asked.orders[part] = random_orders(asked.question, part, seed=asked.seed)
    for part, curve in faithfulness(asked.question, found, asked.orders, seed=asked.seed).items():
        better = float(curve.word == "better than random")
        yield Score("better than random", part, better, SURE)
        yield Score("insertion − deletion", part, curve.gap, float(curve.random_gaps.mean()))


def completeness(asked: Asked, method: Method, found: Attribution) -> Iterator[Score]:
    """What the sum of the scores misses of the change that it promises, as a share of it."""
    missed = sums.completeness(found).relative
    yield Score("missed", "all", math.nan if missed is None else missed)


def shuffled(asked: Asked, method: Method, found: Attribution) -> Iterator[Score]:
    """How alike the map is to that of the same model with all weights of the fusion shuffled."""
    tokens = on_tokens(found, asked.question.analysis)
    *_, last = randomisation(asked.question, method, found, tokens, stops=1, seed=asked.seed)
    yield Score("likeness", "all", last.last)


def cost(asked: Asked, method: Method, found: Attribution) -> Iterator[Score]:
    """How long it took."""
    yield Score("seconds", "all", found.seconds)


MEASURES: tuple[Measure, ...] = (
    Measure(
        "truth",
        "share of the map inside the evidence, and whether its strongest cell lies there",
        truth,
        lambda aim, method: bool(aim.regions),
    ),
    Measure("faithfulness", "deletion and insertion of tokens against random orders", curves),
    Measure(
        "completeness",
        "what the scores miss of the change they promise to sum to",
        completeness,
        lambda aim, method: method.complete,
    ),
    Measure(
        "randomisation",
        "how alike the map stays when all weights of the fusion are shuffled",
        shuffled,
        lambda aim, method: not method.slow and method.family != "baseline",
    ),
    Measure("cost", "seconds", cost),
)
