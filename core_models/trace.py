"""The one attention function, and the record that a caller may ask it to keep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F


class Trace(Mapping[str, Tensor]):
    """Attention maps by name, in the order they were computed: (B, heads, Q, K) each.

    The maps are the very tensors on the path to the output, so
    ``torch.autograd.grad(score, list(trace.values()))`` works on them.
    """

    def __init__(self) -> None:
        self._maps: dict[str, Tensor] = {}

    def add(self, name: str, weights: Tensor) -> None:
        if name in self._maps:
            raise ValueError(f"the map {name!r} was recorded twice in one trace")
        self._maps[name] = weights

    def __getitem__(self, name: str) -> Tensor:
        return self._maps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    keep: Tensor | None = None,
    record: Trace | None = None,
    name: str = "",
) -> Tensor:
    """Scaled dot-product attention; fused unless a record is asked for.

    q: (B, heads, Q, d); k, v: (B, heads, K, d); keep: bool (B, K), which keys exist.
    A row whose keys are all absent gets zeros and sends no gradient.
    """
    mask = None
    if keep is not None:
        some = keep.any(dim=-1, keepdim=True)  # (B, 1)
        mask = (keep | ~some)[:, None, None, :]  # (B, 1, 1, K)
        v = v * some[:, :, None, None].to(v.dtype)
    if record is None:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (B, heads, Q, K)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(dim=-1)  # (B, heads, Q, K)
    if keep is not None:
        weights = weights * some[:, :, None, None].to(weights.dtype)
    record.add(name, weights)
    return weights @ v
