"""Ask every model about its clips with every method, and measure the maps; row by row."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from core_models.clip import Modality
from core_models.interface import Model
from explain.analysis import analyse
from explain.attribute import attributed
from explain.benchmark.cases import Aim, Case
from explain.benchmark.measures import Asked, Measure, held
from explain.benchmark.rows import Row, append, read
from explain.methods.method import Method
from explain.question import Question
from explain.targets import target

ANSWER = ("", "answer")  # method and measure of the row that says whether the model was right
TOKENS = ("", "tokens")  # and of those that say where the towers left the evidence
OTHERS = 20  # other clips on whose evidence a map is laid, to see what their likeness alone gives


@dataclass(frozen=True, eq=False)
class Job:
    """One model and its clips. present: the modalities that it may use; None: all."""

    name: str
    model: Model
    cases: Sequence[Case]
    present: Collection[Modality] | None = None


class Failure(NamedTuple):
    """What went wrong, and with what."""

    model: str
    clip: str
    method: str
    why: str


Report = Callable[[str], None]


def benchmark(
    jobs: Sequence[Job],
    methods: Sequence[Method],
    measures: Sequence[Measure],
    path: Path,
    *,
    seed: int = 0,
    report: Report = print,
) -> list[Failure]:
    """Add the rows that are not there yet to a CSV file; returns what failed, which is no end."""
    done = {row.unit: row.value for row in read(path)}
    failures: list[Failure] = []
    left = sum(len(job.cases) for job in jobs)
    began, count = time.monotonic(), 0
    for job in jobs:
        for i in range(len(job.cases)):
            worked = False
            for made in _of_case(job, i, methods, measures, done, seed):
                worked = True
                if isinstance(made, Failure):
                    failures.append(made)
                    report(f"  {made.model}, {made.clip}, {made.method}: {made.why}")
                else:
                    append(path, made)
            left, count = left - 1, count + worked
            if worked:
                pace = (time.monotonic() - began) / count
                report(f"{job.name}  clip {i + 1} / {len(job.cases)}  {_spoken(pace * left)} left")
    return failures


def _of_case(
    job: Job,
    index: int,
    methods: Sequence[Method],
    measures: Sequence[Measure],
    done: Mapping[tuple[str, ...], float],
    seed: int,
) -> Iterator[list[Row] | Failure]:
    """The rows of each piece of work about a clip that is not done yet."""
    case, analysis = job.cases[index], None
    rest = [*job.cases[index + 1 :], *job.cases[:index]][:OTHERS]
    for i, aim in enumerate(case.aims):
        head = (job.name, case.name, aim.name)
        todo = _todo(head, aim, methods, measures, done)
        first = [x for x in (ANSWER, TOKENS) if (*head, *x) not in done]
        if done.get((*head, *ANSWER)) == 0 or not (todo or first):
            continue
        try:
            if analysis is None:
                analysis = analyse(job.model, case.open(job.model.frames), job.present)
            question = Question(analysis, target(aim.asked, analysis))
        except Exception as error:
            yield Failure(job.name, case.name, "", _said(error))
            return
        right = not aim.word or aim.word in analysis.answer.split()
        if ANSWER in first:
            yield [Row(*head, *ANSWER, "right", "all", float(right), float("nan"))]
        if not right:
            continue
        if TOKENS in first and aim.regions:
            found = held(question, aim)
            yield [Row(*head, *TOKENS, x.metric, x.modality, x.value, x.chance) for x in found]
        elsewhere = [x.aims[i].regions for x in rest if i < len(x.aims)]
        asked = Asked(question, aim, elsewhere, seed)
        for method, wanted in todo:
            if not method.unfit(analysis):
                yield from _of_method(head, asked, method, wanted)


def _todo(
    head: tuple[str, str, str],
    aim: Aim,
    methods: Sequence[Method],
    measures: Sequence[Measure],
    done: Mapping[tuple[str, ...], float],
) -> list[tuple[Method, list[Measure]]]:
    """What is not measured yet of an aim."""
    every = [
        (
            method,
            [
                x
                for x in measures
                if x.fits(aim, method) and (*head, method.name, x.name) not in done
            ],
        )
        for method in methods
    ]
    return [(method, wanted) for method, wanted in every if wanted]


def _of_method(
    head: tuple[str, str, str], asked: Asked, method: Method, measures: Sequence[Measure]
) -> Iterator[list[Row] | Failure]:
    """The rows of each measure of one map."""
    seeded = any(control.name == "seed" for control in method.controls)
    settings: Mapping[str, int] = {"seed": asked.seed} if seeded else {}
    try:
        found = attributed(method, asked.question, **settings)
    except Exception as error:
        yield Failure(head[0], head[1], method.name, _said(error))
        return
    for measure in measures:
        try:
            scores = list(measure.run(asked, method, found))
        except Exception as error:
            yield Failure(head[0], head[1], f"{method.name}, {measure.name}", _said(error))
            continue
        yield [
            Row(*head, method.name, measure.name, x.metric, x.modality, x.value, x.chance)
            for x in scores
        ]


def _said(error: Exception) -> str:
    return " ".join((str(error) or type(error).__name__).split())


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
