"""How tuning walks: AdamW, a one-cycle rate, and the average of the weights on the way."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Plan:
    """How long and how fast; fresh: rate of the heads; keep: share of the average a step leaves."""

    epochs: int
    rate: float
    batch: int
    fresh: float = 2e-3
    warmup: float = 0.1
    keep: float = 0.98
    seed: int = 0


class Pace:
    """AdamW with a one-cycle rate and a running average of the weights."""

    def __init__(self, net: nn.Module, plan: Plan, steps: int, fresh: Sequence[nn.Module]) -> None:
        new = {p for module in fresh for p in module.parameters()}
        old = [p for p in net.parameters() if p.requires_grad and p not in new]
        groups = [
            {"params": old, "weight_decay": 0.1},
            {"params": list(new), "weight_decay": 0.01},
        ]
        self.net, self.average = net, copy.deepcopy(net).eval()
        self.optimiser = torch.optim.AdamW(groups, lr=plan.rate)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimiser, [plan.rate, plan.fresh], total_steps=steps, pct_start=plan.warmup
        )
        self.step, self.keep = 0, plan.keep

    def descend(self, loss: Tensor) -> None:
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        pace = min(self.keep, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.net.parameters(), strict=True)
            for mean, now in pairs:
                mean.lerp_(now, 1 - pace)
