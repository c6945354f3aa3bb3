"""The tab "Modalities": what each modality did for the target, over all combinations of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.jobs import Job
from app.problems import problem
from app.session import Runs
from app.why import Why
from explain.modalities import ModalityReport, modalities
from explain.question import Question
from explain.render.modality_cards import panel
from explain.targets import TargetError, target

NOTHING_YET = "<p>Analyse a clip: what each modality did for the answer appears here.</p>"


def tab() -> gr.HTML:
    """Lay it out."""
    return gr.HTML(NOTHING_YET, elem_id="modalities")


def report(runs: Runs, key: str, asked: str) -> Iterator[str]:
    """The panel of a run for a target; its top answer where it has no such target."""
    run = runs.get(key)
    if run is None:
        return
    job: Job[ModalityReport] = Job()
    try:
        try:
            chosen = target(asked or "auto", run.now)
        except TargetError:
            chosen = target("auto", run.now)
        question = Question(run.now, chosen, job.tick)
        for found in job.follow(modalities(question) for _ in range(1)):
            if found is not None:
                yield panel(found)
    except Exception as error:
        yield problem(error)
    finally:
        job.halt()


def wire(runs: Runs, run: gr.State, why: Why, shown: gr.HTML, changes: list[Any]) -> None:
    """After every change of the run, and when another target is chosen."""

    def fill(key: str, asked: str) -> Iterator[str]:
        yield from report(runs, key, asked)

    options: dict[str, Any] = {
        "concurrency_id": "modalities",
        "concurrency_limit": 2,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    for change in changes:
        change.then(fill, [run, why.target], shown, **options)
    why.target.input(fill, [run, why.target], shown, **options)
