"""The answers to other programs: plain values with names and types."""

from __future__ import annotations

from typing import Any, TypedDict

from app.session import Run
from core_models.clip import Clip
from explain.analysis import Analysis
from explain.attribution import Attribution
from explain.compare import Change
from explain.export.arrays import cells, places
from explain.question import Question

Axes = dict[str, list[Any]]


class Label(TypedDict):
    label: str
    probability: float


class Analysed(TypedDict):
    """run: the id for the other endpoints. top: labels, or the words of a caption in order."""

    run: str
    model: str
    answer: str
    top: list[Label]
    present: list[str]
    notices: list[str]
    seconds: float


class Attributed(TypedDict):
    """scores: per modality, (T, rows, cols), (spans, bands), (spans,) or (words,); axes: their
    places in seconds, pixels and Hz. change: what they promise to sum to, and residual: what is
    too much; null without a promise.
    """

    run: str
    method: str
    target: str
    value: float
    level: str
    signed: bool
    change: float | None
    residual: float | None
    shares: dict[str, float]
    nets: dict[str, float]
    settings: dict[str, Any]
    scores: dict[str, list[Any]]
    axes: dict[str, Axes]
    seconds: float


class Changed(TypedDict):
    label: str
    before: float
    after: float
    delta: float


class Compared(TypedDict):
    """changes: of every label, the largest first. scores: second less first, where a method was
    named and both lie on the same cells; why: the sentence that says why something is missing.
    """

    before: str
    after: str
    changes: list[Changed]
    scores: dict[str, list[Any]]
    why: str


def analysed(run: Run) -> Analysed:
    """The answer of a run."""
    now = run.now
    words = [(w.text, w.probability) for w in now.caption.words] if now.caption else now.top
    return {
        "run": run.id,
        "model": now.model.name,
        "answer": now.answer,
        "top": [{"label": label, "probability": p} for label, p in words],
        "present": list(now.present),
        "notices": list(now.notices),
        "seconds": run.full.seconds,
    }


def attributed(run: str, found: Attribution, analysis: Analysis) -> Attributed:
    """An attribution of a run."""
    scores, axes = lists(found, analysis.clip)
    return {
        "run": run,
        "method": found.method,
        "target": found.target.name,
        "value": Question(analysis, found.target).value,
        "level": found.level,
        "signed": found.signed,
        "change": found.change,
        "residual": found.residual,
        "shares": {m: share for m, share in found.shares.items()},
        "nets": {m: net for m, net in found.nets.items()},
        "settings": dict(found.settings),
        "scores": scores,
        "axes": axes,
        "seconds": found.seconds,
    }


def changed(one: Change) -> Changed:
    """A label before and after."""
    return {"label": one.label, "before": one.before, "after": one.after, "delta": one.delta}


def lists(found: Attribution, clip: Clip) -> tuple[dict[str, list[Any]], dict[str, Axes]]:
    """The scores on their cells, and the axes of these, per modality."""
    scores: dict[str, list[Any]] = {m: cells(found, m).tolist() for m in found.scores}
    axes: dict[str, Axes] = {}
    for m, grid in found.grids.items():
        axes[m] = {name: at.tolist() for name, at in places(grid, clip).items()}
    return scores, axes
