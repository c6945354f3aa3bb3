"""What it costs to record attention, beside the fused kernel that keeps nothing."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from core_models.trace import Trace, attend
from tests.bench.measure import Contest
from tests.bench.stage import Stage

TOKENS = (197, 525, 1214, 2814)
HEADS, WIDTH, LAYERS = 6, 64, 2


def contests(stage: Stage) -> list[Contest]:
    """Layers of the shape of ViT-S, attention and MLP, with a record and without."""
    return [contest for count in TOKENS for contest in _layers(stage.device, count)]


def _layers(device: torch.device, count: int) -> list[Contest]:
    width = HEADS * WIDTH
    mix = torch.randn(4, width, width, device=device) / width**0.5
    up = torch.randn(width, 4 * width, device=device) / width**0.5
    x = torch.randn(1, count, width, device=device)

    @torch.no_grad()
    def run(layers: int, record: Trace | None) -> Tensor:
        y = x
        for i in range(layers):
            q, k, v = ((y @ m).unflatten(-1, (HEADS, -1)).transpose(1, 2) for m in mix[:3])
            read = attend(q, k, v, record=record, name=f"video.{i}")  # (1, heads, N, d)
            y = y + read.transpose(1, 2).flatten(2) @ mix[3]
            y = y + torch.nn.functional.gelu(y @ up) @ up.T
        return y

    kept = Trace()
    run(1, kept)
    return [
        Contest(f"recording {LAYERS} layers of {count} tokens",
                "the same layers, nothing recorded",
                lambda: run(LAYERS, Trace()), partial(run, LAYERS, None), 1.1),
        Contest(f"looking at one head of {count} tokens", "one layer",
                lambda: kept.head("video.0", 0), partial(run, 1, None), 0.15),
        Contest(f"kept of one layer of {count} tokens", "4 bytes a number of its tokens",
                lambda: kept.nbytes, lambda: 4 * count * width, 1.0, unit="bytes"),
    ]  # fmt: skip
