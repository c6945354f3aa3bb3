"""Deletion and insertion (Petsiuk et al. 2018, arXiv:1806.07421) of tokens, against random orders.

Tokens are taken away, or put back, in the order of an attribution, the highest score first. An
absent token has no influence at all, so nothing is left to guess, as it is with grey pixels. What
is drawn is the target's score, a logit or log-probability, and not its chance: a chance near 0 or 1
hardly moves, so its area would say how sure the model is, not how good the order; and the score is
what methods share out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core_models.clip import MODALITIES, Modality
from explain.attention.maps import NAMES
from explain.attribution import Array, Attribution
from explain.metrics.curves import BETTER, Reals, Word
from explain.metrics.curves import Curves as Curves
from explain.metrics.curves import Part as Part
from explain.metrics.curves import RandomOrders as RandomOrders
from explain.metrics.on_tokens import on_tokens
from explain.question import Question

ORDERS, STEPS = 20, 12


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """The curves of one map, of everything at once and of each modality, as far as they are there.

    against: the random orders, for the next map of the same question.
    """

    curves: Mapping[Part, Curves]
    against: Mapping[Part, RandomOrders]
    target: str

    @property
    def all(self) -> Curves:
        """Everything at once."""
        return self.curves["all"]

    @property
    def inside(self) -> dict[Modality, Word]:
        """The verdict on the order inside each modality, where it can be told."""
        return {
            part: curve.word
            for part, curve in self.curves.items()
            if part != "all" and not curve.why
        }

    @property
    def good(self) -> bool | None:
        """Better than random, and so inside a modality too; else it only knows which modality
        matters, and nothing can be said of the places.
        """
        words = set(self.inside.values())
        if self.all.why:
            return None
        if self.all.word != BETTER or "worse than random" in words:
            return False
        return None if words and BETTER not in words else True

    @property
    def verdict(self) -> str:
        """On everything at once, then on the order inside each modality."""
        said = self.all.said(self.target)
        if not self.inside:
            return f"{said}."
        words = [f"{NAMES[m]} {w}" for m, w in self.inside.items()]
        if len(set(self.inside.values())) == 1:
            return f"{said}; inside each modality {next(iter(self.inside.values()))}."
        return f"{said}; inside one modality: {', '.join(words)}."

    def to_dict(self) -> dict[str, Any]:
        found = {part: curve.to_dict() for part, curve in self.curves.items()}
        return {"parts": found, "verdict": self.verdict}


def parts(question: Question) -> tuple[Part, ...]:
    """What can come and go: everything at once, then each modality where there are several."""
    on = tuple(m for m in MODALITIES if m in question.analysis.present)
    return ("all", *on) if len(on) > 1 else ("all",)


def random_orders(
    question: Question,
    part: Part = "all",
    *,
    orders: int = ORDERS,
    steps: int = STEPS,
    seed: int = 0,
) -> RandomOrders:
    """Half of the orders are drawn, the others are these backwards.

    What one order has deleted, its reverse has not yet inserted: so the deletion curves of both
    are the insertion curves of both, and the work is half. Each order keeps its own two: beside
    the insertion of another order, its deletion would make gaps that vary too little.
    """
    places = _places(question, part)
    count, pairs = len(places), -(-orders // 2)
    counts = _counts(count, steps)
    rng = np.random.default_rng([seed, ("all", *MODALITIES).index(part)])
    drawn = [rng.permutation(count) for _ in range(pairs)]
    ranks = np.stack([*drawn, *(count - 1 - rank for rank in drawn)])  # (R, n)
    inner = counts[1:-1]
    gone = ranks[:, None] < inner[:, None]  # (R, F - 2, n)
    ends = np.stack([np.zeros(count, bool), np.ones(count, bool)])
    found = _scores(question, places, np.concatenate([ends, gone.reshape(-1, count)]))
    full, empty = float(found[0]), float(found[1])
    deletion = _closed(full, found[2:].reshape(len(ranks), len(inner)), empty)  # (R, F)
    insertion = np.roll(deletion, pairs, axis=0)[:, ::-1]
    return RandomOrders(part, count, counts / count, deletion, insertion, full, empty, seed)


def curves(
    question: Question, tokens: Mapping[Modality, Array], against: RandomOrders, *, seed: int = 0
) -> Curves:
    """Those of scores on tokens, (N,) per modality as of `on_tokens`; ties are broken at random."""
    places = _places(question, against.part)
    found = _along(question, tokens)[places]  # (n,)
    order = np.lexsort((np.random.default_rng(seed).random(len(found)), -found))
    rank = np.argsort(order)
    inner = np.rint(against.fractions[1:-1] * against.count).astype(int)
    early = rank < inner[:, None]  # (F - 2, n)
    scores = _scores(question, places, np.concatenate([early, ~early]))
    full, empty, many = against.full, against.empty, len(inner)
    deletion, insertion = _closed(full, scores[:many], empty), _closed(empty, scores[many:], full)
    return Curves(
        against.part, against.fractions,
        against.unit(deletion), against.unit(insertion),
        against.unit(against.deletion), against.unit(against.insertion),
        full, empty, against.seed, _why(found, against),
    )  # fmt: skip


def streamed(
    question: Question,
    tokens: Mapping[Modality, Array],
    against: Mapping[Part, RandomOrders] | None = None,
    *,
    orders: int = ORDERS,
    steps: int = STEPS,
    seed: int = 0,
) -> Iterator[Faithfulness]:
    """Everything at once, then each modality in addition; against: random orders of this question
    that are there already, as a `Faithfulness` holds them.
    """
    known, found = dict(against or {}), dict[Part, Curves]()
    for part in parts(question):
        if part not in known:
            known[part] = random_orders(question, part, orders=orders, steps=steps, seed=seed)
        found[part] = curves(question, tokens, known[part], seed=seed)
        yield Faithfulness(dict(found), dict(known), question.target.name)


def faithfulness(
    question: Question,
    attribution: Attribution,
    against: Mapping[Part, RandomOrders] | None = None,
    *,
    orders: int = ORDERS,
    steps: int = STEPS,
    seed: int = 0,
) -> dict[Part, Curves]:
    """Of everything at once and of each modality."""
    tokens = on_tokens(attribution, question.analysis)
    *_, last = streamed(question, tokens, against, orders=orders, steps=steps, seed=seed)
    return dict(last.curves)


def _why(found: Reals, against: RandomOrders) -> str:
    if against.count == 1:
        return "there is only one token, so there is only one order"
    if against.still:
        return "the score does not depend on these tokens"
    if not np.ptp(found):
        return "the map is the same everywhere, so it gives no order"
    return ""


def _places(question: Question, part: Part) -> NDArray[np.intp]:
    """Where the tokens that come and go stand among all."""
    here = question.here[0].cpu().numpy().copy()
    begin = 0
    for m, size in question.analysis.tokens.sizes.items():
        if part not in ("all", m):
            here[begin : begin + size] = False
        begin += size
    return np.flatnonzero(here)


def _along(question: Question, tokens: Mapping[Modality, Array]) -> Reals:
    """Scores of all tokens, in the order of the model's modalities; 0 where there is none."""
    sizes = question.analysis.tokens.sizes
    rows = [np.asarray(tokens.get(m, np.zeros(n)), np.float64) for m, n in sizes.items()]
    return np.concatenate(rows)


def _scores(question: Question, places: NDArray[np.intp], gone: NDArray[np.bool_]) -> Reals:
    """The score (B,) without some of the tokens at places: bool (B, n)."""
    if not len(gone):
        return np.zeros(0)
    gone, back = np.unique(gone, axis=0, return_inverse=True)  # few tokens have few subsets
    rows = question.here.repeat(len(gone), 1)  # (B, N)
    rows[:, torch.from_numpy(places)] = torch.from_numpy(~gone).to(rows.device)
    found = question.of_rows(rows).double().cpu().numpy()
    return np.asarray(found[back.ravel()])


def _counts(count: int, steps: int) -> NDArray[np.int64]:
    """How many tokens are gone at each step, from none to all; the same from both ends."""
    first = np.linspace(0, count / 2, steps // 2 + 1).astype(np.int64)
    return np.unique(np.concatenate([first, count - first]))


def _closed(first: float, inner: Reals, last: float) -> Reals:
    """Curves (..., F - 2) with their ends."""
    pads = [(0, 0)] * (inner.ndim - 1)
    begun = np.pad(inner, [*pads, (1, 0)], constant_values=first)
    return np.pad(begun, [*pads, (0, 1)], constant_values=last)
