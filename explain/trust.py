"""How far a map can be trusted: every metric on it, as each comes in, and a verdict in words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from explain.attribution import Attribution
from explain.methods.method import Method
from explain.metrics.agreement import Agreement
from explain.metrics.completeness import Completeness
from explain.metrics.faithfulness import Faithfulness, Part, RandomOrders
from explain.metrics.metric import Case, Finding
from explain.metrics.randomisation import Randomisation
from explain.metrics.registry import METRICS
from explain.question import Question

Tests = Literal["none", "cheap", "all"]  # which metrics are asked about a map
STAYS = (
    "The class tokens of this model have read the clip before its modalities meet, and stay until "
    "the last token of their modality is gone: no order of tokens can undo what they carry."
)


@dataclass(frozen=True, eq=False)
class Trust:
    """What is known of a map so far.

    findings: by the name of the metric. seconds: by the name of the metric. done: in [0, 1].
    notes: what must be known to read the findings. title: of the method.
    """

    attribution: Attribution
    title: str
    findings: Mapping[str, Finding]
    seconds: Mapping[str, float]
    done: float
    notes: tuple[str, ...] = ()

    @property
    def tests(self) -> Tests:
        """Whether the slow metrics ran too."""
        return "all" if all(metric.name in self.findings for metric in METRICS) else "cheap"

    @property
    def faithfulness(self) -> Faithfulness | None:
        found = self.findings.get("faithfulness")
        return found if isinstance(found, Faithfulness) else None

    @property
    def completeness(self) -> Completeness | None:
        found = self.findings.get("completeness")
        return found if isinstance(found, Completeness) else None

    @property
    def agreement(self) -> Agreement | None:
        found = self.findings.get("agreement")
        return found if isinstance(found, Agreement) else None

    @property
    def randomisation(self) -> Randomisation | None:
        found = self.findings.get("randomisation")
        return found if isinstance(found, Randomisation) else None

    @property
    def good(self) -> bool | None:
        """Whether to believe the map: better than random, and made of what the model has learnt;
        None as long as it cannot be told.
        """
        tested = (self.faithfulness, self.randomisation)
        said = [found.good for found in tested if found is not None]
        if False in said:
            return False
        return True if self.faithfulness is not None and self.faithfulness.good else None

    @property
    def verdict(self) -> str:
        """One plain sentence for the whole map."""
        if self.attribution.blank:
            return "The map is empty: the method found nothing, so there is nothing to trust."
        if self.faithfulness is None:
            return "The map has not been tested yet."
        clauses = [self.faithfulness.verdict.removesuffix(".")]
        if (shuffled := self.randomisation) is not None and not shuffled.why:
            how = "changes" if shuffled.good else "hardly changes"
            clauses.append(f"it {how} when the weights are shuffled")
        if (agreed := self.agreement) is not None and agreed.mean is not None:
            clauses.append(f"it agrees {agreed.how} with the others")
        if self.completeness is not None and self.completeness.good is False:
            clauses.append("its scores do not sum to the change")
        return "; ".join(clauses) + "."

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "method": self.attribution.method,
            "target": self.attribution.target.name,
            "verdict": self.verdict,
            "good": self.good,
            "notes": list(self.notes),
            "metrics": {name: found.to_dict() for name, found in self.findings.items()},
            "seconds": {name: round(spent, 3) for name, spent in self.seconds.items()},
        }


def trust(
    question: Question,
    attribution: Attribution,
    method: Method,
    others: tuple[Attribution, ...] = (),
    *,
    slow: bool = False,
    against: Mapping[Part, RandomOrders] | None = None,
    known: Trust | None = None,
    seed: int = 0,
) -> Iterator[Trust]:
    """After every step of every metric; the slow ones, which ask the method again, if wanted.

    others: maps of the same question. against: its random orders, as an earlier `Faithfulness`
    holds them. known: of the same map, whose findings stand but for those on others. Ends with
    `Stopped` where the question's tick says so.
    """
    case = Case(question, attribution, method, others, against or {}, seed)
    old = {} if known is None else known.findings
    kept = {name: found for name, found in old.items() if not isinstance(found, Agreement)}
    slow = slow or (known is not None and known.tests == "all")
    wanted = [metric for metric in METRICS if slow or metric.cost == "cheap"]
    notes = (STAYS,) if question.analysis.tokens.extra else ()
    findings: dict[str, Finding] = {}
    seconds: dict[str, float] = {}
    for i, metric in enumerate(wanted):
        if known is not None and metric.name in kept:
            findings[metric.name] = kept[metric.name]
            seconds[metric.name] = known.seconds[metric.name]
            continue
        begin = time.perf_counter()
        for found in metric.run(case):
            findings[metric.name] = found
            seconds[metric.name] = time.perf_counter() - begin
            done = i / len(wanted)
            yield Trust(attribution, method.title, dict(findings), dict(seconds), done, notes)
    yield Trust(attribution, method.title, findings, seconds, 1.0, notes)
