"""The metrics: a literal table. A new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Iterator

from explain.metrics.agreement import Agreement, agreement
from explain.metrics.completeness import Completeness, completeness
from explain.metrics.faithfulness import Faithfulness, streamed
from explain.metrics.infidelity import Infidelity, infidelity
from explain.metrics.metric import Case, Metric
from explain.metrics.on_tokens import on_tokens
from explain.metrics.randomisation import Randomisation, randomisation
from explain.metrics.sensitivity import Sensitivity, sensitivity


def _faithfulness(case: Case) -> Iterator[Faithfulness]:
    return streamed(case.question, case.tokens, case.against, seed=case.seed)


def _completeness(case: Case) -> Iterator[Completeness]:
    yield completeness(case.attribution)


def _agreement(case: Case) -> Iterator[Agreement]:
    analysis = case.question.analysis
    others = {x.method: on_tokens(x, analysis) for x in case.others}
    others.pop(case.attribution.method, None)
    yield agreement({case.attribution.method: case.tokens} | others)


def _infidelity(case: Case) -> Iterator[Infidelity]:
    yield infidelity(case.question, case.tokens, seed=case.seed)


def _randomisation(case: Case) -> Iterator[Randomisation]:
    return randomisation(case.question, case.method, case.attribution, case.tokens, seed=case.seed)


def _sensitivity(case: Case) -> Iterator[Sensitivity]:
    return sensitivity(case.question, case.method, case.attribution, case.tokens, seed=case.seed)


METRICS: tuple[Metric, ...] = (
    Metric(
        name="completeness",
        title="Completeness",
        cost="cheap",
        about="Whether the scores sum to what the clip changed of the target's score.",
        run=_completeness,
    ),
    Metric(
        name="agreement",
        title="Agreement with other methods",
        cost="cheap",
        about="Whether other methods put the same tokens first; they may all be wrong.",
        run=_agreement,
    ),
    Metric(
        name="faithfulness",
        title="Deletion and insertion",
        cost="cheap",
        about="Whether the score falls, and rises, faster in the order of the map than in random "
        "orders.",
        run=_faithfulness,
    ),
    Metric(
        name="infidelity",
        title="Infidelity",
        cost="cheap",
        about="Whether the scores foretell what taking random sets of tokens away does.",
        run=_infidelity,
    ),
    Metric(
        name="randomisation",
        title="Shuffled weights",
        cost="slow",
        about="Whether the map changes when the weights of the fusion are shuffled, as it should.",
        run=_randomisation,
    ),
    Metric(
        name="sensitivity",
        title="Max-sensitivity",
        cost="slow",
        about="How much the map moves under noise that hardly moves the score.",
        run=_sensitivity,
    ),
)
