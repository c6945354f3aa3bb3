"""The decoder of a captioner: causal self-attention, and cross-attention over a memory.

Row i of every map is the position that predicts piece i of the caption; column j of
``caption<-caption`` is piece j. The mark that starts a caption is a query only, never a key: it
says nothing about the clip. So a piece reads the pieces before it, and the first reads none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Cache

from core_models.clip import Modality
from core_models.micap_config import MICapConfig
from core_models.trace import Trace, attend, merge_heads, split_heads

START, END = 0, 1  # the first two of the vocabulary: the marks around a caption

Keys = tuple[Tensor, Tensor]  # keys and values (B, heads, K, d / heads)


@dataclass(frozen=True, eq=False)
class Memory:
    """What a caption is about, ready to be read by every layer.

    keys: per layer, over the streams in a row; keep (B, K); sizes: tokens of every stream.
    """

    keys: tuple[Keys, ...]
    keep: Tensor
    sizes: Mapping[Modality, int]

    @property
    def name(self) -> str:
        """The streams that have tokens, joined as the keys of a map are named."""
        return "+".join(stream for stream, size in self.sizes.items() if size)

    def without(self, layer: int, cut: Collection[str]) -> Tensor:
        """Which keys a layer may read (B, K) when the paths named in cut are gone."""
        if not cut:
            return self.keep
        blocks = self.keep.split(list(self.sizes.values()), dim=1)
        gone = [f"decoder.{layer}.caption<-{stream}" in cut for stream in self.sizes]
        return torch.cat([x & (not off) for x, off in zip(blocks, gone, strict=True)], dim=1)


class Attention(nn.Module):
    """Multi-head attention whose message is zero where a query has no key."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width, bias=False)

    def keys(self, y: Tensor) -> Keys:
        """(B, K, d) -> keys and values."""
        return split_heads(self.k(y), self.heads), split_heads(self.v(y), self.heads)

    def forward(
        self, x: Tensor, keys: Keys, keep: Tensor, record: Trace | None, name: str
    ) -> Tensor:
        """What x (B, Q, d) reads; keep (B, K) or (B, Q, K)."""
        q = split_heads(self.q(x), self.heads)  # (B, heads, Q, d')
        message: Tensor = self.out(
            merge_heads(attend(q, *keys, keep=keep, record=record, name=name))
        )
        return message


class DecoderLayer(nn.Module):
    """Self-attention, cross-attention and an MLP, each normed before and added."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        self.norm_own, self.norm_cross, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.own, self.cross = Attention(width, heads), Attention(width, heads)
        hidden = int(width * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.drop = nn.Dropout(dropout)


class CaptionDecoder(nn.Module):
    """Pieces of a caption so far -> logits of the next piece.

    The pieces' embeddings are frozen and come from the text tower; going in and coming out they
    are shared, each through a projection of its own.
    """

    words: Tensor

    def __init__(self, config: MICapConfig) -> None:
        super().__init__()
        size, words, d = len(config.vocabulary), config.feature_widths[1], config.width
        self.register_buffer("words", torch.zeros(size, words), persistent=False)
        self.up, self.down = nn.Linear(words, d), nn.Linear(d, words)
        self.bias = nn.Parameter(torch.zeros(size))
        self.places = nn.Parameter(torch.randn(config.max_pieces, d) * 0.02)
        self.norm_in, self.norm_out = nn.LayerNorm(d), nn.LayerNorm(d)
        self.layers = nn.ModuleList(
            DecoderLayer(d, config.heads, config.mlp_ratio, config.dropout)
            for _ in range(config.decoder_layers)
        )
        self.drop = nn.Dropout(config.dropout)

    def memory(self, streams: Mapping[Modality, Tensor], keep: Mapping[Modality, Tensor]) -> Memory:
        """The memory over streams (B, N_m, d), in their order; keep (B, N_m)."""
        y = torch.cat(list(streams.values()), dim=1)  # (B, K, d)
        keys = []
        for layer in self.layers:
            assert isinstance(layer, DecoderLayer)
            keys.append(layer.cross.keys(y))
        sizes = {m: x.shape[1] for m, x in streams.items()}
        return Memory(tuple(keys), torch.cat(list(keep.values()), dim=1), sizes)

    def forward(
        self,
        pieces: Tensor,
        memory: Memory,
        start: int = 0,
        cache: Cache | None = None,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Tensor:
        """Pieces (R, n) at the places from start on -> what is to be said next (R, n, d).

        R is a multiple of the memory's B: rows that share a clip stand together. With a cache the
        pieces before start are in it; without one start is 0.
        """
        count = pieces.shape[1]
        place = torch.arange(start, start + count, device=pieces.device)
        keys_at = torch.arange(start + count - (cache is not None), device=pieces.device)  # (K,)
        past = (keys_at < place[:, None])[None]  # (1, n, K)
        x = self.drop(self.norm_in(self.up(self.words[pieces]) + self.places[place]))  # (R, n, d)
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, DecoderLayer)
            if (name := f"decoder.{i}.caption<-caption") not in cut:
                y = layer.norm_own(x)
                keys = layer.own.keys(y if start else y[:, 1:])
                if cache is None:  # the last piece is predicted, and read by none
                    keys = (F.pad(keys[0], (0, 0, 0, 1)), F.pad(keys[1], (0, 0, 0, 1)))
                else:
                    keys = cache.update(*keys, i)
                x = x + layer.drop(layer.own(x=y, keys=keys, keep=past, record=record, name=name))
            x = self._look(layer, i, x, memory, record, cut)
            x = x + layer.drop(layer.mlp(layer.norm_mlp(x)))
        hidden: Tensor = self.norm_out(x)
        return hidden

    def say(self, hidden: Tensor) -> Tensor:
        """(..., d) -> logits (..., V)."""
        few = self.down(hidden).flatten(0, -2)  # (n, d_w)
        logits = torch.addmm(self.bias[:, None], self.words, few.T)  # (V, n): faster this way round
        return logits.T.unflatten(0, hidden.shape[:-1])

    def _look(
        self,
        layer: DecoderLayer,
        i: int,
        x: Tensor,
        memory: Memory,
        record: Trace | None,
        cut: Collection[str],
    ) -> Tensor:
        """x (R, n, d) with what it reads of the memory."""
        name = f"decoder.{i}.caption<-{memory.name}"
        if not memory.name or name in cut:
            return x
        rows = layer.norm_cross(x).reshape(len(memory.keep), -1, x.shape[-1])  # (B, R / B * n, d)
        seen = layer.cross(rows, memory.keys[i], memory.without(i, cut), record, name)
        return x + layer.drop(seen.reshape(x.shape))
