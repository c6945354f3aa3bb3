"""A full pass in bfloat16 beside float32: its time, and whether it answers the same."""

from __future__ import annotations

import csv
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import nn

from core_models.interface import FusionModel, Inputs, Output
from core_models.media import load_clip
from tests.bench.measure import Contest
from tests.bench.stage import Stage, full

NAME = "caam-msrvtt"
LABELLED = Path(__file__).resolve().parents[3] / "shared" / "data" / "clips"


def contests(stage: Stage) -> list[Contest]:
    analysis = stage.analysis(NAME)
    model, inputs = analysis.model, analysis.inputs
    assert isinstance(model, nn.Module)
    small = halved(model)
    clips = labelled(stage)
    return [
        Contest("a full pass in bfloat16", "the same in float32",
                lambda: in_half(small, inputs), partial(full, model, inputs), 0.6),
        Contest("clips to which bfloat16 gives another category", f"{len(clips)} clips",
                lambda: differing(model, small, clips), lambda: len(clips), 0, unit="clips"),
    ]  # fmt: skip


def halved(model: nn.Module) -> FusionModel:
    """A copy whose matrices are kept in bfloat16, so that no pass converts them."""
    copied = deepcopy(model)
    for part in copied.modules():
        if isinstance(part, nn.Linear | nn.Conv1d | nn.Conv2d):
            part.to(torch.bfloat16)
    return cast(FusionModel, copied)


def in_half(model: FusionModel, inputs: Inputs) -> Output:
    with torch.autocast(next(iter(inputs.values.values())).device.type, torch.bfloat16):
        return full(model, inputs)


def labelled(stage: Stage) -> list[Path]:
    """The labelled clips beside the project; the clip made here where there are none."""
    try:
        with (LABELLED / "labels.csv").open(newline="") as file:
            return [LABELLED / row["file"] for row in csv.DictReader(file)]
    except OSError:
        return [stage.file]


def differing(model: FusionModel, small: FusionModel, clips: list[Path]) -> int:
    """Of how many clips the first category is another."""
    other = 0
    for path in clips:
        inputs = model.prepare(load_clip(path, frames=model.frames))
        answers = full(model, inputs), in_half(small, inputs)
        first, second = (x.logits[0].argmax() for x in answers)
        other += int(first != second)
    return other
