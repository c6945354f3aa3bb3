"""A full pass in bfloat16 beside float32."""

from __future__ import annotations

from functools import partial

import torch

from tests.bench.measure import Contest
from tests.bench.stage import Stage, full

NAME = "caam-msrvtt"


def contests(stage: Stage) -> list[Contest]:
    analysis = stage.analysis(NAME)
    once = partial(full, analysis.model, analysis.inputs)

    def halved() -> None:
        with torch.autocast(stage.device.type, torch.bfloat16):
            once()

    return [Contest("a full pass in bfloat16", "the same in float32", halved, once, 0.6)]
