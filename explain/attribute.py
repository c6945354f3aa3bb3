"""Ask a method a question: what it finds, as it finds it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np

from core_models.clip import MODALITIES, Modality, Stream
from explain.attribution import Attribution, Setting
from explain.methods.method import KINDS, Method, Step
from explain.methods.registry import MethodError
from explain.question import Question

SEEDS = (0, 2**32 - 1)  # of a setting without limits


def attribute(method: Method, question: Question, **settings: Setting) -> Iterator[Attribution]:
    """The attribution so far after every step of the method; the last one is complete.

    MethodError where the method does not fit the run, has no such setting, or finds no number.
    """
    if why := method.unfit(question.analysis):
        raise MethodError(why)
    used = checked(method, settings)
    begin = time.perf_counter()
    for step in method.run(question, **used):
        yield _made(method, question, step, used, time.perf_counter() - begin)


def attributed(method: Method, question: Question, **settings: Setting) -> Attribution:
    """The complete attribution."""
    *_, last = attribute(method, question, **settings)
    return last


def checked(method: Method, settings: Mapping[str, Setting]) -> dict[str, Setting]:
    """All settings of a method, in their kinds and ranges; MethodError says what is wrong."""
    controls = {control.name: control for control in method.controls}
    for name in settings:
        if name not in controls:
            known = ", ".join(controls) or "none"
            raise MethodError(f"{method.title} has no setting “{name}”; it has: {known}.")
    out: dict[str, Setting] = {}
    for name, control in controls.items():
        try:
            value = control.kind(settings.get(name, control.default))
        except (TypeError, ValueError, OverflowError):
            raise MethodError(
                f"“{name}” of {method.title} must be {KINDS[control.kind]}."
            ) from None
        least, most = (control.limits.least, control.limits.most) if control.limits else SEEDS
        if not least <= value <= most:
            raise MethodError(
                f"“{name}” of {method.title} must lie between {least:g} and {most:g}."
            )
        out[name] = value
    return out


def _made(
    method: Method, question: Question, step: Step, used: dict[str, Setting], seconds: float
) -> Attribution:
    analysis = question.analysis
    grids = question.fields.grids if method.level == "input" else analysis.layout
    scores: dict[Modality, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
    loose: dict[Stream, float] = {}
    for stream, found in step.scores.items():
        if stream not in MODALITIES:
            loose[stream] = float(found.sum())
            continue
        cells = found if found.ndim == 2 else question.fields.cells(stream, found)
        scores[stream] = cells[0].detach().float().cpu().numpy()
        if not np.isfinite(scores[stream]).all():
            raise MethodError(f"{method.title} gives no finite number for this clip and target.")
    return Attribution(
        method.name, question.target, method.level, method.signed, scores,
        {m: grids[m] for m in scores}, loose, step.change, used, seconds, step.done,
    )  # fmt: skip
