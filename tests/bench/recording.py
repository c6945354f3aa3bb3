"""What it costs to record attention, beside the fused kernel that keeps nothing."""

from __future__ import annotations

from functools import partial

import torch

from core_models.trace import Trace, attend
from tests.bench.measure import Contest
from tests.bench.stage import Stage

TOKENS = (197, 525, 1214, 2814)
HEADS, WIDTH, LAYERS = 6, 64, 2


def contests(stage: Stage) -> list[Contest]:
    """Layers of the shape of ViT-S, attention and MLP, with a record and without."""
    return [_layers(stage.device, count) for count in TOKENS]


def _layers(device: torch.device, count: int) -> Contest:
    width = HEADS * WIDTH
    mix = torch.randn(4, width, width, device=device) / width**0.5
    up = torch.randn(width, 4 * width, device=device) / width**0.5
    x = torch.randn(1, count, width, device=device)

    @torch.no_grad()
    def run(recorded: bool) -> None:
        y, record = x, Trace() if recorded else None
        for i in range(LAYERS):
            q, k, v = ((y @ m).unflatten(-1, (HEADS, -1)).transpose(1, 2) for m in mix[:3])
            read = attend(q, k, v, record=record, name=f"video.{i}")  # (1, heads, N, d)
            y = y + read.transpose(1, 2).flatten(2) @ mix[3]
            y = y + torch.nn.functional.gelu(y @ up) @ up.T

    return Contest(
        f"recording {LAYERS} layers of {count} tokens",
        "the same layers, nothing recorded",
        partial(run, True),
        partial(run, False),
        1.1,
    )
