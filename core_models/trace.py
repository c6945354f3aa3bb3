"""The one attention function, and the record that a caller may ask it to keep."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.clip import Stream

NAME = re.compile(r"(fusion|decoder)\.(\d+)\.([\w+-]+)<-([\w+-]+)")
AT_ONCE = 256  # rows of a map


@dataclass(frozen=True, eq=False)
class Lookup:
    """A map not computed yet: q (B, heads, Q, d) looks up k (B, heads, K, d).

    mask: bool (B, 1, 1 or Q, K), which keys count; some: bool (B, 1, 1 or Q, 1), which rows have
    any; None: all.
    """

    q: Tensor
    k: Tensor
    mask: Tensor | None = None
    some: Tensor | None = None

    def weights(self) -> Tensor:
        """(B, heads, Q, K)"""
        scores = self.q * self.q.shape[-1] ** -0.5 @ self.k.transpose(-2, -1)  # (B, heads, Q, K)
        if self.mask is not None:
            scores = scores.masked_fill(~self.mask, -torch.inf)
        weights = scores.softmax(dim=-1)  # (B, heads, Q, K)
        return weights if self.some is None else weights * self.some

    def rows(self, at: slice) -> Lookup:
        """Of some queries alone."""
        parts = (self.mask, self.some)
        cut = (x if x is None or x.shape[2] == 1 else x[:, :, at] for x in parts)
        return Lookup(self.q[:, :, at], self.k, *cut)

    def halved(self) -> Lookup:
        """Half of the bytes. What all keys share changes no map: rounded without it, they keep
        more of what does.
        """
        k = self.k - self.k.mean(dim=-2, keepdim=True) if self.mask is None else self.k
        return replace(self, q=self.q.half(), k=k.half())

    def full(self) -> Lookup:
        return replace(self, q=self.q.float(), k=self.k.float())

    def seen(self) -> Tensor:
        """The weights, without gradients: as many rows at a time as caches hold."""
        full = self.full()
        out = full.q.new_empty(*full.q.shape[:3], full.k.shape[2])  # (B, heads, Q, K)
        for start in range(0, out.shape[2], AT_ONCE):
            at = slice(start, start + AT_ONCE)
            out[:, :, at] = full.rows(at).weights()
        return out


class Trace(Mapping[str, Tensor]):
    """Attention maps by name, in the order they were computed: (B, heads, Q, K) each.

    Where gradients are on, the maps are the very tensors on the path to the output, so
    ``torch.autograd.grad(score, list(trace.values()))`` works on them. Where they are off, the
    output comes from fused attention; queries and keys are kept in half precision, and a map is
    computed anew, to about 1e-3, each time that it is looked at. One that takes less room than
    they do is kept itself.
    lengths: of the value vectors that a map weighs (B, heads, K), where they were given.
    """

    def __init__(self) -> None:
        self._maps: dict[str, Tensor | Lookup] = {}
        self.lengths: dict[str, Tensor] = {}

    def add(self, name: str, found: Tensor | Lookup, vectors: Tensor | None = None) -> None:
        if name in self._maps:
            raise ValueError(f"the map {name!r} was recorded twice in one trace")
        self._maps[name] = found if isinstance(found, Tensor) else _smaller(found)
        if vectors is not None:
            self.lengths[name] = vectors.detach().norm(dim=-1)

    def __getitem__(self, name: str) -> Tensor:
        found = self._maps[name]
        return found if isinstance(found, Tensor) else found.seen()

    def head(self, name: str, head: int) -> Tensor:
        """One head of a map, the others not computed: (B, Q, K)."""
        found = self._maps[name]
        if isinstance(found, Tensor):
            return found[:, head]
        one = replace(found, q=found.q[:, [head]], k=found.k[:, [head]])
        return one.seen()[:, 0]

    @property
    def nbytes(self) -> int:
        """What the maps take in memory."""
        return sum(
            x.untyped_storage().nbytes()
            for found in self._maps.values()
            for x in ((found,) if isinstance(found, Tensor) else (found.q, found.k))
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._maps)

    def __len__(self) -> int:
        return len(self._maps)


def _smaller(found: Lookup) -> Tensor | Lookup:
    """The map, or queries and keys in half precision."""
    queries, keys, width = found.q.shape[-2], *found.k.shape[-2:]
    whole = 2 * queries * keys <= (queries + keys) * width  # numbers of 4 bytes, and of 2
    return found.weights() if whole else found.halved()


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
    """Scaled dot-product attention; fused unless a record for gradients is asked for.

    q: (B, heads, Q, d); k, v: (B, heads, K, d); keep: bool (B, K), which keys exist, or
    (B, Q, K), which keys each query may read; what all rows share may be one. A row without any
    key gets zeros and sends no gradient.
    """
    mask = some = None
    if keep is not None and not (keep.numel() and keep.all()):
        rows = keep[:, None] if keep.ndim == 2 else keep  # (B, 1 or Q, K)
        mask = rows[:, None]  # (B, 1, 1 or Q, K)
        some = mask.any(dim=-1, keepdim=True)  # (B, 1, 1 or Q, 1)
        mask, some = (mask, None) if some.all() else (mask | ~some, some)
    batch = max(len(x) for x in (q, k, keep) if x is not None)
    q, k, v = (x.expand(batch, -1, -1, -1) for x in (q, k, v))
    lookup = Lookup(q, k, mask, some)
    if record is not None and torch.is_grad_enabled():
        weights = lookup.weights()
        record.add(name, weights, v)
        return weights @ v
    if record is not None:
        record.add(name, lookup, v)
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return out if some is None else out * some


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, N, heads * d) -> (B, heads, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, N, d) -> (B, N, heads * d)."""
    return x.transpose(1, 2).flatten(2)


def in_parts(
    work: Callable[[Tensor, Trace | None], Tensor],
    x: Tensor,
    record: Trace | None,
    at_once: int | None,
) -> Tensor:
    """What a pass makes of the rows of x, so many at once, and all recorded; None: of all."""
    if at_once is None:
        return work(x, record)
    records = [None if record is None else Trace() for _ in x.split(at_once)]
    made = torch.cat(
        [work(part, kept) for part, kept in zip(x.split(at_once), records, strict=True)]
    )
    if record is not None:
        kept = [r for r in records if r is not None]
        for name in kept[0]:
            record.add(name, torch.cat([r[name] for r in kept]))
    return made
