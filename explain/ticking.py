"""A pass of a model that can be stopped in its middle, on the way there and on the way back.

A pass of a large tower takes seconds on a CPU, and whoever presses Stop should not wait for it.
The mode is of one thread and one ``with``; the model knows nothing of it, and its numbers stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Tick = Callable[[], None]
LONG = (F.linear, F.conv1d, F.conv2d, torch.matmul, F.scaled_dot_product_attention)


class Ticking(TorchFunctionMode):
    """Inside ``with Ticking(tick):`` this thread calls tick before every long step, and so does
    the backward pass of what is computed there; tick may raise.
    """

    def __init__(self, tick: Tick) -> None:
        super().__init__()
        self.tick = tick

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func not in LONG:
            return func(*args, **(kwargs or {}))
        self.tick()
        out = func(*args, **(kwargs or {}))
        return Passed.apply(out, self.tick) if out.requires_grad else out


class Passed(torch.autograd.Function):
    """The same tensor, whose gradient calls tick as it comes by."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, tick: Tick) -> Tensor:
        ctx.tick = tick
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        ctx.tick()
        return gradients[0], None
