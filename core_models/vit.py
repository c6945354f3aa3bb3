"""A vision transformer over the patches of pictures or spectrograms, walked with `attend`.

Parameters have timm's names. Positions are learned; class tokens stand in front.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.trace import Trace, attend, merge_heads, split_heads


class Sizes(Protocol):
    """What a tower needs to know of a config."""

    @property
    def width(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def mlp_ratio(self) -> float: ...
    @property
    def dropout(self) -> float: ...


class Block(nn.Module):
    """Self-attention, then an MLP; each behind a norm and with a residual."""

    def __init__(self, sizes: Sizes, eps: float) -> None:
        super().__init__()
        width, hidden = sizes.width, int(sizes.width * sizes.mlp_ratio)
        self.heads = sizes.heads
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=eps) for _ in range(2))
        self.attn = nn.ModuleDict(
            {"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)}
        )
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})
        self.drop = nn.Dropout(sizes.dropout)

    def forward(
        self, x: Tensor, keep: Tensor | None = None, record: Trace | None = None, name: str = ""
    ) -> Tensor:
        """(B, N, d) -> (B, N, d); keep as in `attend`."""
        parts = self.attn["qkv"](self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.heads) for part in parts)  # (B, heads, N, d')
        y = merge_heads(attend(q, k, v, keep=keep, record=record, name=name))
        x = x + self.drop(self.attn["proj"](y))
        hidden = F.gelu(self.mlp["fc1"](self.norm2(x)))
        return x + self.drop(self.mlp["fc2"](hidden))


class Tower(nn.Module):
    """Patches, positions, class tokens, blocks, the last norm and a head."""

    def __init__(
        self,
        channels: int,
        patch: tuple[int, int],
        stride: tuple[int, int],
        grid: tuple[int, int],
        classes: int,
        sizes: Sizes,
        outputs: int,
        eps: float,
    ) -> None:
        """grid: rows and columns of patches; classes: how many class tokens; eps: of the norms."""
        super().__init__()
        self.grid, self.classes = grid, classes
        self.patch_embed = nn.Conv2d(channels, sizes.width, patch, stride)
        self.cls_token = nn.Parameter(torch.randn(1, classes, sizes.width) * 0.02)
        places = classes + grid[0] * grid[1]
        self.pos_embed = nn.Parameter(torch.randn(1, places, sizes.width) * 0.02)
        self.blocks = nn.ModuleList(Block(sizes, eps) for _ in range(sizes.depth))
        self.norm = nn.LayerNorm(sizes.width, eps=eps)
        self.head = nn.Linear(sizes.width, outputs)

    def lead(self, x: Tensor) -> Tensor:
        """Put the class tokens in front: (B, N, d) -> (B, classes + N, d)."""
        front = self.cls_token + self.pos_embed[:, : self.classes]
        return torch.cat([front.expand(len(x), -1, -1), x], dim=1)

    def walk(self, x: Tensor, start: int, end: int, name: str, record: Trace | None) -> Tensor:
        """Some of the blocks; trace names: ``<name>.<i>``."""
        for i in range(start, end):
            x = self.blocks[i](x, record=record, name=f"{name}.{i}")
        return x

    def says(self, x: Tensor) -> Tensor:
        """The head over the mean class token of (B, classes + N, d): (B, outputs)."""
        out: Tensor = self.head(self.norm(x[:, : self.classes]).mean(dim=1))
        return out
