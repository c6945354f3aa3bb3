"""What is said about a map: every metric on every model, in sentences, without a NaN."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from core_models.clip import Modality
from core_models.interface import Model
from explain.analysis import Analysis, analyse, toggle
from explain.attribute import attributed
from explain.attribution import Array, Attribution
from explain.methods.method import Method, Step
from explain.methods.registry import find
from explain.metrics.agreement import agreement
from explain.metrics.completeness import Completeness
from explain.metrics.faithfulness import Part, RandomOrders, faithfulness, parts, random_orders
from explain.metrics.infidelity import infidelity
from explain.metrics.metric import Case, Metric
from explain.metrics.registry import METRICS
from explain.metrics.sensitivity import sensitivity
from explain.metrics.similarity import alike, overlap_of_top, spearman
from explain.question import Question, Stopped
from explain.render.trust_cards import trust_card
from explain.render.trust_figures import agreement_figure, interactive, trust_figure
from explain.targets import target
from explain.trust import Trust, trust
from tests.conftest import make_clip
from tests.toy import marked, toy

METHOD = find("token-integrated-gradients")
WEIGHTS = [3.0, -1.0, 7.0, 0.5, 2.0, 5.0]


def ones(question: Question) -> Iterator[Step]:
    yield Step(1, {s: torch.ones(1, x.shape[1]) for s, x in question.tokens.items()})


ONES = Method("ones", "Ones", "made", "token", ones, "The same everywhere.", "none", signed=False)


@pytest.fixture(scope="module")
def case(model: Model) -> Case:
    run = analyse(model, make_clip(1, frames=2))
    question = Question(run, target("auto", run))
    found = attributed(METHOD, question, steps=4)
    others = (attributed(ONES, question), found)
    return Case(question, found, METHOD, others, few(question))


@pytest.fixture(scope="module")
def question(analysis: Analysis) -> Question:
    return Question(analysis, target("auto", analysis))


@pytest.fixture(scope="module")
def known(question: Question) -> dict[Part, RandomOrders]:
    return few(question)


def few(question: Question) -> dict[Part, RandomOrders]:
    """Random orders that are quickly there."""
    return {part: random_orders(question, part, orders=2, steps=4) for part in parts(question)}


def sound(finding: object) -> None:
    """A sentence, and values that JSON has."""
    said, values = getattr(finding, "verdict"), getattr(finding, "to_dict")()  # noqa: B009
    assert said[0].isupper() and said.endswith(".") and "nan" not in said.lower()
    json.dumps(values, allow_nan=False)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_says_something_on_every_model(case: Case, metric: Metric) -> None:
    found = list(metric.run(case))
    assert found
    for finding in found:
        sound(finding)
        assert finding.good in (True, False, None)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_an_empty_map_is_no_reason_for_a_nan(
    question: Question, known: dict[Part, RandomOrders], metric: Metric
) -> None:
    found = attributed(ONES, question)
    nothing = {m: np.zeros_like(x) for m, x in found.scores.items()}
    blank = replace(found, scores=nothing)
    for finding in metric.run(Case(question, blank, ONES, (found,), known)):
        sound(finding)
        assert not finding.good


def test_the_cheap_ones_come_first_and_the_slow_ones_on_demand(case: Case) -> None:
    costs = [metric.cost for metric in METRICS]
    assert costs == sorted(costs)
    every = list(trust(case.question, case.attribution, METHOD, case.others, against=case.against))
    assert set(every[-1].findings) == {m.name for m in METRICS if m.cost == "cheap"}
    dones = [step.done for step in every]
    assert dones == sorted(dones) and dones[-1] == 1
    sound(every[-1])
    assert case.attribution.target.name in every[-1].verdict


def test_random_orders_are_not_asked_again(
    question: Question, known: dict[Part, RandomOrders]
) -> None:
    found, passes = attributed(ONES, question), list[int]()
    counted = replace(question, tick=lambda: passes.append(1))
    *_, end = trust(question, found, ONES, against=known)
    assert end.faithfulness is not None and end.faithfulness.against == known

    def taken(work: Callable[[], object]) -> int:
        passes.clear()
        work()
        return len(passes)

    own = taken(lambda: faithfulness(counted, found, known))
    fresh = taken(lambda: faithfulness(counted, found, orders=2, steps=4))
    assert fresh == own + taken(lambda: few(counted)) > own > 0


def test_work_can_be_stopped(question: Question) -> None:
    found = attributed(ONES, question)
    seen: list[Trust] = []

    def stop() -> None:
        if len(seen) >= 2:
            raise Stopped

    with pytest.raises(Stopped):
        for step in trust(replace(question, tick=stop), found, ONES, slow=True):
            seen.append(step)
    assert len(seen) == 2 and seen[-1].done < 1


def test_with_a_modality_off_only_the_others_are_tested(analysis: Analysis) -> None:
    off = toggle(analysis, ("video", "text"))
    question = Question(off, target("auto", off))
    *_, end = trust(question, attributed(ONES, question), ONES, against=few(question))
    assert end.faithfulness is not None
    assert set(end.faithfulness.curves) == {"all", "video", "text"}


def test_a_verdict_names_what_was_found() -> None:
    question = toy(WEIGHTS[:3], WEIGHTS[3:])
    best = marked(question, {"video": WEIGHTS[:3], "audio": WEIGHTS[3:]})
    *_, end = trust(question, best, ONES, (replace(best, method="other"),))
    assert end.verdict.startswith("Better than random") and "agrees much" in end.verdict
    assert end.good is not False
    upside = marked(
        question, {"video": [-x for x in WEIGHTS[:3]], "audio": [-x for x in WEIGHTS[3:]]}
    )
    *_, end = trust(question, upside, ONES)
    assert end.verdict.startswith("Worse than random") and end.good is False
    blank = marked(question, {"video": [0, 0, 0], "audio": [0, 0, 0]})
    *_, end = trust(question, blank, ONES)
    assert end.verdict.startswith("The map is empty") and end.good is None


def test_completeness_in_words() -> None:
    assert Completeness(1.0, 1.01).good and Completeness(1.0, 2.0).good is False
    assert Completeness(1.0, None).good is None and Completeness(1.0, None).residual is None
    assert Completeness(-2.0, -1.0).relative == 1
    assert "no change" in Completeness(0.0, 0.0).verdict


def test_a_sum_is_foretold_by_its_own_terms() -> None:
    question = toy(WEIGHTS[:3], WEIGHTS[3:])
    tokens = {
        m: x
        for m, x in marked(question, {"video": WEIGHTS[:3], "audio": WEIGHTS[3:]}).scores.items()
    }
    best = infidelity(question, tokens)
    assert best.value == pytest.approx(0, abs=1e-6) and best.random > 0.05
    halved = infidelity(question, {m: x * np.float32(0.5) for m, x in tokens.items()})
    assert halved.value == pytest.approx(best.value, abs=1e-6)  # one factor is allowed
    against = infidelity(question, {m: -x for m, x in tokens.items()})
    assert against.value == pytest.approx(1) and against.good is False


def test_a_map_that_never_moves_is_steady(question: Question) -> None:
    found = attributed(ONES, question)
    *_, end = sensitivity(question, ONES, found, found.scores)
    assert end.value == 0 and end.good and end.moved > 0


def test_ranks_by_hand() -> None:
    assert spearman([1, 2, 3, 4], [10, 20, 30, 400]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 3, 4], [2, 1, 4, 3]) == pytest.approx(1 - 6 * 4 / (4 * 15))
    assert spearman([1, 1, 1], [1, 2, 3]) == 0
    assert spearman([1, 1, 2], [1, 2, 3]) == pytest.approx(1.5 / (1.5 * 2) ** 0.5)


def test_a_modality_with_more_does_not_make_maps_alike() -> None:
    high: dict[Modality, Array] = {
        "video": np.array([1.0, 2, 3], np.float32), "audio": np.array([10.0, 20, 30], np.float32)
    }  # fmt: skip
    other: dict[Modality, Array] = {m: x[::-1] for m, x in high.items()}
    assert alike(high, high) == pytest.approx(1) and alike(high, other) == pytest.approx(-1)
    assert alike(high, {"text": np.ones(3, np.float32)}) == 0


def test_shared_places_among_the_top() -> None:
    a: dict[Modality, Array] = {"video": np.array([5.0, 4, 0, 0, 0], np.float32)}
    b: dict[Modality, Array] = {"video": np.array([5.0, 0, 4, 0, 0], np.float32)}
    assert overlap_of_top(a, a, 0.4) == 1 and overlap_of_top(a, b, 0.4) == 0.5
    level: dict[Modality, Array] = {"video": np.zeros(5, np.float32)}
    assert overlap_of_top(a, level, 0.4) == pytest.approx(0.4)
    found = agreement({"a": a, "b": b})
    assert found.ranks[0, 1] == found.ranks[1, 0] and found.mean == found.ranks[0, 1]
    assert agreement({"a": a}).mean is None


def test_cards_and_figures_of_a_real_map(case: Case) -> None:
    steps = list(trust(case.question, case.attribution, METHOD, case.others, against=case.against))
    assert "Not run yet" in trust_card(steps[0])
    end = steps[-1]
    shown = trust_card(end)
    assert "nan" not in shown.lower() and shown.count("<svg") >= 2
    for metric in METRICS:
        if metric.name not in ("faithfulness", "agreement"):
            assert metric.title in shown
    figure = trust_figure(case.question.analysis, end)
    assert figure is not None and trust_figure(case.question.analysis, steps[0]) is None
    assert end.faithfulness is not None and end.agreement is not None
    rows = len(end.faithfulness.curves)
    assert len(figure.axes) == 2 * rows
    agreed = agreement_figure(case.question.analysis, end)
    assert agreed is not None and len(agreed.axes) == 2
    said = agreed.get_supxlabel()
    assert end.title in said and end.attribution.target.name in said
    drawn = interactive(end.faithfulness.all)
    assert drawn.data[3].y == pytest.approx(end.faithfulness.all.deletion)


def test_names_cannot_bring_markup_into_a_card() -> None:
    question = toy(WEIGHTS[:3], WEIGHTS[3:])
    evil = replace(question.target, name="<script>")
    found: Attribution = replace(
        marked(question, {"video": WEIGHTS[:3], "audio": WEIGHTS[3:]}), target=evil
    )
    *_, end = trust(question.about(evil), found, ONES)
    assert "&lt;script&gt;" in trust_card(end) and "<script>" not in trust_card(end)
