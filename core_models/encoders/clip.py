"""CLIP's vision tower (Radford et al. 2021, arXiv:2103.00020), walked with `attend`."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from transformers import CLIPVisionConfig, CLIPVisionModel

from core_models.encoders.vision import VisionTower
from core_models.trace import Trace, attend, merge_heads, split_heads

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class ClipTower(VisionTower):
    """transformers' CLIPVisionModel over single frames; its patch tokens, average-pooled.

    The patch tokens are those behind the last layer; CLIP's last norm is for its class token.
    """

    def __init__(self, config: CLIPVisionConfig, pool: int = 2) -> None:
        nn.Module.__init__(self)
        self.clip = CLIPVisionModel(config)
        self.image_size, self.pool = int(config.image_size), pool
        self.width, self.heads = int(config.hidden_size), int(config.num_attention_heads)
        self.grid = self.image_size // int(config.patch_size) // pool
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)

    def forward(
        self, x: torch.Tensor, record: Trace | None = None, name: str = "video"
    ) -> torch.Tensor:
        """float (N, 3, S, S) -> (N, grid * grid, d)."""
        x = self.clip.pre_layrnorm(self.clip.embeddings(x))  # (N, 1 + patches, d)
        for i, layer in enumerate(self.clip.encoder.layers):
            own, y = layer.self_attn, layer.layer_norm1(x)
            q, k, v = (split_heads(f(y), self.heads) for f in (own.q_proj, own.k_proj, own.v_proj))
            read = attend(q, k, v, record=record, name=f"{name}.{i}")  # (N, heads, 1 + P, d')
            x = x + own.out_proj(merge_heads(read))
            x = x + layer.mlp(layer.layer_norm2(x))
        side = self.grid * self.pool
        image = x[:, 1:].transpose(1, 2).unflatten(2, (side, side))  # (N, d, side, side)
        return F.avg_pool2d(image, self.pool).flatten(2).transpose(1, 2)


def clip_tower(name: str) -> ClipTower:
    """The tower of a hub id; OSError without a network. Weights from safetensors only."""
    found = CLIPVisionModel.from_pretrained(name, use_safetensors=True)
    tower = ClipTower(found.config)
    tower.clip.load_state_dict(found.state_dict())
    return tower
