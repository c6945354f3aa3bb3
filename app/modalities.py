"""The tab "Modalities": what each modality did for the target, over all combinations of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from app.jobs import asker, once
from app.line import Line
from app.problems import problem
from app.session import Run, told
from app.spare import spared
from app.store import Runs
from app.why import Why
from core_models.clip import Modality
from explain.analysis import Analysis
from explain.modality.interventions import aimed
from explain.modality.mm_shap import OF_TOKENS, mm_shap
from explain.modality.report import modalities
from explain.question import Question
from explain.render.modality_cards import changed, panel
from explain.targets import Target, TargetError, target

NOTHING_YET = "<p>Analyse a clip: what each modality did for the answer appears here.</p>"


def tab() -> gr.HTML:
    """Lay it out."""
    return gr.HTML(NOTHING_YET, elem_id="modalities")


def aim(asked: str, analysis: Analysis) -> Target:
    """What was asked for; the top answer where the run has no such target."""
    try:
        return target(asked or "auto", analysis)
    except TargetError:
        return target("auto", analysis)


def report(
    runs: Runs, line: Line, key: str, asked: str, asker: str = ""
) -> Iterator[tuple[str, str]]:
    """The two cards of a run for a target; what is known already is not computed again."""
    run = runs.get(key)
    if run is None:
        return
    job = None
    try:
        of, chosen = run.now, aim(asked, run.now)
        if run.told is not None and run.told.target == chosen:
            yield cards(run)
            return
        job = line.enter(asker, "modalities")
        question = Question(of, chosen, job.tick)
        model = run.arguments.get("model", run.full.model.name)
        for result in job.follow(spared(question, model, lambda q: once(lambda: modalities(q)))):
            if result is not None:
                found, said = result
                kept = runs.change(key, partial(told, of=of, found=found))
                if kept is not None and kept.told is found:
                    note = f"<p>{said}</p>" if said else ""
                    shown, changes = cards(kept)
                    yield note + shown, changes
    except Exception as error:
        yield problem(error), ""
    finally:
        if job is not None:
            job.halt()


def cards(run: Run) -> tuple[str, str]:
    """What each modality did, and what became of changes, as HTML; nothing before it is known."""
    if run.told is None:
        return "", ""
    asked, independent = run.told.target, run.told.coalitions.independent
    effects = tuple(aimed(effect, asked, independent) for effect in run.effects)
    whole = replace(run.told, effects=effects, mm_shap=shares(run, asked))
    return panel(replace(whole, effects=(), cuts=())), changed(whole)


def shares(run: Run, asked: Target) -> Mapping[Modality, float] | None:
    """MM-SHAP, where an explanation of this target by Shapley values of tokens is kept."""
    for reason in run.fitting:
        found = reason.found
        suits = found.method in OF_TOKENS and found.target == asked and found.done == 1
        if suits and not found.blank:
            return mm_shap(found)
    return None


def wire(
    runs: Runs, line: Line, run: gr.State, why: Why, shown: list[gr.HTML], after: list[Any]
) -> None:
    """shown: what `cards` fills; after: events after which the run, target or map is another."""

    def fill(key: str, asked: str, request: gr.Request) -> Iterator[tuple[str, str]]:
        yield from report(runs, line, key, asked, asker(request))

    options: dict[str, Any] = {
        "concurrency_limit": None,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    for event in after:
        event.then(fill, [run, why.target], shown, **options)
    why.target.input(fill, [run, why.target], shown, **options)
