"""A timm ViT over single frames, walked with `attend`."""

from __future__ import annotations

from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.trace import Trace, attend, merge_heads, split_heads


class VisionTower(nn.Module):
    """A timm ViT over single frames; its patch tokens, average-pooled to a coarser grid."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.image_size = int(config["image_size"])
        self.pool = int(config.get("pool", 1))
        self.vit = timm.create_model(
            config["arch"],
            pretrained=bool(config.get("pretrained", False)),
            img_size=self.image_size,
            num_classes=0,
            global_pool="",
        )
        if "depth" in config:
            self.vit.blocks = self.vit.blocks[: config["depth"]]
        self.width = int(self.vit.embed_dim)
        self.heads = int(self.vit.blocks[0].attn.num_heads)
        self.grid = int(self.vit.patch_embed.grid_size[0]) // self.pool
        self.register_buffer("mean", torch.tensor(config["mean"]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(3, 1, 1), persistent=False)

    def pixels(self, frames: NDArray[np.uint8]) -> Tensor:
        """uint8 (T, H, W, 3) -> float (T, 3, S, S): the whole frame, squashed to a square."""
        x = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255  # (T, 3, H, W)
        size = (self.image_size, self.image_size)
        x = F.interpolate(x, size=size, mode="bilinear", antialias=True)
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        return (x.to(mean.device) - mean) / std

    def forward(self, x: Tensor, record: Trace | None = None, name: str = "video") -> Tensor:
        """float (N, 3, S, S) -> (N, grid * grid, d)."""
        vit = self.vit
        x = vit.norm_pre(vit._pos_embed(vit.patch_embed(x)))  # (N, 1 + patches, d)
        for i, block in enumerate(vit.blocks):
            attn = block.attn
            qkv = attn.qkv(block.norm1(x)).chunk(3, dim=-1)
            q, k, v = (split_heads(part, self.heads) for part in qkv)  # (N, heads, 1 + P, d')
            y = attend(attn.q_norm(q), attn.k_norm(k), v, record=record, name=f"{name}.{i}")
            x = x + block.ls1(attn.proj(merge_heads(y)))
            x = x + block.ls2(block.mlp(block.norm2(x)))
        patches = vit.norm(x)[:, vit.num_prefix_tokens :]  # (N, patches, d)
        side = self.grid * self.pool
        image = patches.transpose(1, 2).unflatten(2, (side, side))  # (N, d, side, side)
        return F.avg_pool2d(image, self.pool).flatten(2).transpose(1, 2)
