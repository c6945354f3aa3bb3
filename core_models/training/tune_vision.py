"""Tune the vision tower's last blocks.

They learn the categories (soft labels), which captions belong to a video (contrastive loss) and
what EfficientNet-Lite2 sees in it (distillation). What the blocks below make of the frames is
computed once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.encoders import VisionTower
from core_models.training.data import Msrvtt, Video, each_picture
from core_models.training.features import Ragged, Report
from core_models.training.pace import Pace, Plan

CONTRAST, TEMPERATURE = 0.15, 0.05
FROZEN = 6  # blocks that do not move
VIEWS = 4  # of a video
SHOWN = 88  # patches of a view, of 196: half the cost, and harder to learn by heart


class VisionTail(nn.Module):
    """The blocks that move, with heads for the category, the caption and the other network."""

    def __init__(self, tower: VisionTower, frozen: int, classes: int, said: int, seen: int) -> None:
        super().__init__()
        self.blocks, self.norm = tower.vit.blocks[frozen:], tower.vit.norm
        self.drop = nn.Dropout(0.3)
        width = tower.width
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in (classes, said, seen))

    def forward(self, x: Tensor, skip: float = 0.15) -> list[Tensor]:
        """Tokens (B, 1 + P, d) -> the heads' answers; a share of the paths is skipped."""
        for block in self.blocks:
            path = torch.ones(len(x), 1, 1)
            if self.training:
                path = (torch.rand(len(x), 1, 1) > skip).float() / (1 - skip)
            x = x + path * block.ls1(block.attn(block.norm1(x)))
            x = x + path * block.ls2(block.mlp(block.norm2(x)))
        pooled = self.drop(self.norm(x)[:, 1:].float().mean(dim=1))  # (B, d)
        return [head(pooled).float() for head in self.heads]


@torch.no_grad()
def shallow(
    tower: VisionTower, data: Msrvtt, videos: Sequence[Video], seed: int
) -> Iterator[tuple[str, NDArray[np.float16]]]:
    """Tokens behind the frozen blocks of four views a video: two frames as they are and two
    frames mirrored, cropped and made brighter or darker. (4, 1 + P, d) each."""
    rng, vit = np.random.default_rng(seed), tower.vit
    for video, frames in each_picture(data, videos):
        picked = np.linspace(0, len(frames) - 1, 4).round().astype(int)
        plain = [tower.pixels(frames[i][None]) for i in picked[::2]]
        other = [tower.pixels(varied(frames[i], rng)[None]) for i in picked[1::2]]
        with torch.autocast("cpu", torch.bfloat16):
            x = vit.norm_pre(vit._pos_embed(vit.patch_embed(torch.cat(plain + other))))
            x = vit.blocks[:FROZEN](x)
        yield video.name, x.float().numpy().astype(np.float16)


def varied(frame: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A mirrored crop of at least 60 % of the area, brighter or darker by up to a fifth."""
    h, w = frame.shape[:2]
    side = rng.uniform(0.6, 1.0) ** 0.5
    a, b = int(h * side), int(w * min(1.0, side * rng.uniform(0.85, 1.18)))
    top, left = int(rng.integers(h - a + 1)), int(rng.integers(w - b + 1))
    part = frame[top : top + a, left : left + b][:, ::-1] * rng.uniform(0.8, 1.2)
    return part.clip(0, 255).astype(np.uint8)


@torch.no_grad()
def lite2(
    weights: Path, data: Msrvtt, videos: Sequence[Video]
) -> Iterator[tuple[str, NDArray[np.float16]]]:
    """EfficientNet-Lite2's features of a video, the mean over its frames: (1, 1280)."""
    net = timm.create_model("tf_efficientnet_lite2").eval()
    net.load_state_dict({k: v.float() for k, v in load_file(weights).items()})
    for video, frames in each_picture(data, videos):
        x = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1
        x = F.interpolate(x, size=(260, 260), mode="bicubic", antialias=True).clamp(-1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            out = net.forward_head(net.forward_features(x), pre_logits=True)  # (T, 1280)
        yield video.name, out.float().mean(dim=0, keepdim=True).numpy().astype(np.float16)


@dataclass(frozen=True, eq=False)
class Lessons:
    """What a video should give: chances (N, C), its caption (N, d) and features (N, 1280)."""

    targets: Tensor
    said: Tensor
    seen: Tensor


def vision_loss(answers: Sequence[Tensor], lessons: Lessons, rows: Tensor) -> Tensor:
    """Category, contrast with the captions of all training videos, distillation."""
    labels, said, seen = answers
    close = F.normalize(said, dim=1) @ lessons.said.T / TEMPERATURE  # (B, N)
    apart = 1 - F.cosine_similarity(seen, lessons.seen[rows], dim=1).mean()
    category = F.cross_entropy(labels, lessons.targets[rows])
    return category + CONTRAST * F.cross_entropy(close, rows) + apart


def tune_vision(
    tower: VisionTower,
    tokens: Ragged,
    names: Sequence[str],
    lessons: Lessons,
    plans: Sequence[Plan],
    report: Report,
) -> None:
    """Tune the tower's last blocks in place; an epoch shows one view of every video."""
    torch.manual_seed(plans[0].seed)
    sizes = (lessons.targets.shape[1], lessons.said.shape[1], lessons.seen.shape[1])
    net = VisionTail(tower, FROZEN, *sizes)
    for plan in plans:
        per_epoch = len(names) // plan.batch
        pace = Pace(net, plan, plan.epochs * per_epoch, [net.heads])
        for epoch in range(plan.epochs):
            net.train()
            losses = []
            order = torch.randperm(len(names))[: per_epoch * plan.batch]
            for rows in order.view(per_epoch, -1):
                with torch.autocast("cpu", torch.bfloat16):
                    answers = net(views(tokens, [names[i] for i in rows.tolist()]))
                loss = vision_loss([a.float() for a in answers], lessons, rows)
                pace.descend(loss)
                losses.append(loss.item())
            report(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}")
        net.load_state_dict(pace.average.state_dict())
    tower.eval()


def views(tokens: Ragged, names: Sequence[str]) -> Tensor:
    """One view of each video, [CLS] and the same few patches of all: (B, 1 + SHOWN, d)."""
    patches = 1 + torch.randperm(tokens.rows.shape[1] - 1)[:SHOWN].sort().values
    kept = np.concatenate([[0], patches.numpy()])
    chosen = [tokens[name][int(torch.randint(VIEWS, ()))][kept] for name in names]
    return torch.from_numpy(np.stack(chosen).astype(np.float32))
