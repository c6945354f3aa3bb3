"""Work that an accelerator has too little memory for: with less at once, then on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import torch

from app.memory import freed
from core_models.interface import Captioner, Inputs, Model, Tokens
from core_models.prepare import sparing
from core_models.registry import load
from explain.analysis import Analysis
from explain.question import Question

LESS = "The accelerator ran out of memory, so less was computed at once."
ON_CPU = "The accelerator ran out of memory, so this was computed on the CPU."
CPU = torch.device("cpu")
T = TypeVar("T")


def spared(
    question: Question, model: str, ask: Callable[[Question], Iterator[T]]
) -> Iterator[tuple[T, str]]:
    """What the question gives, each with a notice: "" unless it had to be asked again, with
    smaller batches or in the end on the CPU. model: its name in the registry.
    """
    tries: tuple[tuple[Callable[[], Question], str], ...] = (
        (lambda: question, ""),
        (lambda: replace(question, lean=True), LESS),
        (lambda: replace(question, analysis=on_cpu(question.analysis, model), lean=True), ON_CPU),
    )
    for made, notice in tries:
        try:
            for found in ask(made()):
                yield found, notice
            return
        except torch.OutOfMemoryError:
            if notice == ON_CPU:
                raise
        freed()  # here, where the error and what its frames held are gone


def spared_on(
    device: torch.device, model: str, work: Callable[[Model, torch.device], T]
) -> tuple[T, str]:
    """The same for work on a model, by its name in the registry: with fewer frames in the tower
    at a time, where it can do that, then on the CPU.
    """
    tries: tuple[tuple[torch.device, Callable[[Model], Model | None], str], ...] = (
        (device, lambda read: read, ""),
        (device, sparing, LESS),
        (CPU, lambda read: read, ON_CPU),
    )
    for place, made, notice in tries:
        if (read := made(load(model, place))) is None:
            continue
        try:
            return work(read, place), notice
        except torch.OutOfMemoryError:
            if notice == ON_CPU:
                raise
        freed()  # here, where the error and what its frames held are gone
    raise AssertionError


def on_cpu(analysis: Analysis, model: str) -> Analysis:
    """The same analysis, for questions that are computed on the CPU."""
    read = load(model, CPU)
    if isinstance(read, Captioner):
        assert analysis.caption is not None
        captioner, read = read, read.given(analysis.caption)
    else:
        captioner = None
    inputs, tokens = analysis.inputs, analysis.tokens
    return replace(
        analysis,
        model=read,
        captioner=captioner,
        inputs=replace(inputs, values={m: x.cpu() for m, x in inputs.values.items()}),
        tokens=Tokens(
            {m: x.cpu() for m, x in tokens.values.items()},
            {m: x.cpu() for m, x in tokens.keep.items()},
            {s: x.cpu() for s, x in tokens.extra.items()},
        ),
    )


def noted(analysis: Analysis, notice: str) -> Analysis:
    """The analysis with a notice more, which the page and every export show."""
    if not notice:
        return analysis
    inputs: Inputs = analysis.inputs
    return replace(analysis, inputs=replace(inputs, notices=(*inputs.notices, notice)))
