"""The one attention function, and the record that a caller may ask it to keep."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.clip import Stream

NAME = re.compile(r"(fusion|decoder)\.(\d+)\.([\w+-]+)<-([\w+-]+)")


class Trace(Mapping[str, Tensor]):
    """Attention maps by name, in the order they were computed: (B, heads, Q, K) each.

    The maps are the very tensors on the path to the output, so
    ``torch.autograd.grad(score, list(trace.values()))`` works on them.
    vectors: what a map weighs, the value vectors (B, heads, K, d), where they were given.
    """

    def __init__(self) -> None:
        self._maps: dict[str, Tensor] = {}
        self.vectors: dict[str, Tensor] = {}

    def add(self, name: str, weights: Tensor, vectors: Tensor | None = None) -> None:
        if name in self._maps:
            raise ValueError(f"the map {name!r} was recorded twice in one trace")
        self._maps[name] = weights
        if vectors is not None:
            self.vectors[name] = vectors

    def __getitem__(self, name: str) -> Tensor:
        return self._maps[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)


class Path(NamedTuple):
    """The name of a map taken apart: ``<group>.<layer>.<queries><-<keys>``."""

    group: str
    layer: int
    queries: tuple[Stream, ...]
    keys: tuple[Stream, ...]

    @property
    def blocks(self) -> tuple[Path, ...]:
        """The paths between two single streams that the map is made of, row by row."""
        return tuple(
            Path(self.group, self.layer, (q,), (k,)) for q in self.queries for k in self.keys
        )

    def __str__(self) -> str:
        return f"{self.group}.{self.layer}.{'+'.join(self.queries)}<-{'+'.join(self.keys)}"


def path(name: str) -> Path:
    """Raises ValueError for a name that is not of this form."""
    if (found := NAME.fullmatch(name)) is None:
        raise ValueError(f"{name!r} is not the name of a map: <group>.<layer>.<queries><-<keys>")
    group, layer, queries, keys = found.groups()
    split = (cast(tuple[Stream, ...], tuple(part.split("+"))) for part in (queries, keys))
    return Path(group, int(layer), *split)


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

    q: (B, heads, Q, d); k, v: (B, heads, K, d); keep: bool (B, K), which keys exist, or
    (B, Q, K), which keys each query may read. A row without any key gets zeros and sends no
    gradient.
    """
    mask = some = None
    if keep is not None:
        rows = keep[:, None] if keep.ndim == 2 else keep  # (B, 1 or Q, K)
        some = rows.any(dim=-1, keepdim=True)[:, None]  # (B, 1, 1 or Q, 1)
        mask = rows[:, None] | ~some  # (B, 1, 1 or Q, K)
    if record is None:
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return out if some is None else out * some
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5  # (B, heads, Q, K)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = scores.softmax(dim=-1)  # (B, heads, Q, K)
    if some is not None:
        weights = weights * some
    record.add(name, weights, v)
    return weights @ v


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, N, heads * d) -> (B, heads, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, N, d) -> (B, N, heads * d)."""
    return x.transpose(1, 2).flatten(2)
