"""AttnLRP (Achtibat et al. 2024, arXiv:2402.05602) from the tokens that the towers made on.

The rules are those of input × gradient on a pass in which what merely scales is held fixed: the
spread that a layer norm divides by, the factor by which a GELU lets a number through. A product of
two numbers that both differ from clip to clip, query and key or weight and value, gives half to
each.
The values of the pass stay as they are. What falls to the constants of the model, such as biases,
bottlenecks and the words of the caption before, is not shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from core_models.trace import Trace
from explain.methods.method import Step
from explain.question import Question


class Rules(TorchFunctionMode):
    """Inside ``with Rules():`` this thread computes with gradients that carry relevance."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        return RULES.get(func, func)(*args, **(kwargs or {}))


def attn_lrp(question: Question) -> Iterator[Step]:
    """The relevance of each token, for the target and against it."""
    with torch.enable_grad(), Rules():
        leaves = {s: x.detach().requires_grad_() for s, x in question.tokens.items()}
        score = question.of_tokens(leaves, record=Trace())  # attention spelt out, not fused
        inputs = list(leaves.values())
        found = torch.autograd.grad(score, inputs, allow_unused=True, materialize_grads=True)
    pairs = zip(leaves.items(), found, strict=True)
    yield Step(1, {s: (x.detach() * gradient).sum(dim=-1) for (s, x), gradient in pairs})


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b; half of the relevance to each, all to one if the other is a plain matrix."""
    if min(a.ndim, b.ndim) < 3:
        return a @ b
    return (a @ b.detach() + a.detach() @ b) / 2


def layer_norm(
    x: Tensor,
    shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Linear in x: the spread is a constant."""
    around = tuple(range(-len(shape), 0))
    centred = x - x.mean(dim=around, keepdim=True)
    spread = (centred.detach().square().mean(dim=around, keepdim=True) + eps).sqrt()
    out = centred / spread
    out = out if weight is None else out * weight
    return out if bias is None else out + bias


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """Linear in x: the factor is a constant."""
    at = x.detach()
    factor = torch.where(at == 0, 0.5, F.gelu(at, approximate=approximate) / at)
    return x * factor


RULES: Mapping[Callable[..., Any], Callable[..., Any]] = {
    torch.matmul: product,
    Tensor.matmul: product,
    Tensor.__matmul__: product,
    F.layer_norm: layer_norm,
    F.gelu: gelu,
}
