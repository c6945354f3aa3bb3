"""Which vision tower sees categories best: ``python -m core_models.training.probe TOWERS``.

A linear classifier over the frozen features of one frame (the first stored one) of every MSR-VTT
training video; its weight decay is chosen on validation. TOWERS is the folder towers.py filled.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.encoders import VisionTower
from core_models.training.data import Msrvtt, Video, each_picture, read
from core_models.training.features import Ragged, cached
from core_models.training.measure import Scores
from core_models.training.ship import VISION, vision_state

DEPTHS = tuple(range(6, 13))
LITE = {"efficientnet_lite0": 224, "efficientnet_lite2": 260}
Rows = Iterator[tuple[str, NDArray[np.float16]]]


def first_frames(
    data: Msrvtt, videos: Sequence[Video], size: int, batch: int = 32
) -> Iterator[tuple[Sequence[str], Tensor]]:
    """Names and first frames (B, 3, size, size) in [0, 1]."""
    names: list[str] = []
    frames: list[Tensor] = []
    for video, pictures in each_picture(data, videos):
        x = torch.from_numpy(pictures[0].copy()).permute(2, 0, 1)[None].float() / 255
        x = F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
        names, frames = [*names, video.name], [*frames, x]
        if len(names) == batch:
            yield names, torch.cat(frames)
            names, frames = [], []
    if names:
        yield names, torch.cat(frames)


@torch.no_grad()
def dino(weights: Path, data: Msrvtt, videos: Sequence[Video]) -> Rows:
    """[CLS] and mean patch behind each depth, normed: (depths, 2 d) per video."""
    config = {**VISION, "depth": 12}
    tower = VisionTower(config).eval()
    state = vision_state(load_file(weights), config)
    tower.load_state_dict({k: v.float() for k, v in state.items()})
    vit, mean, std = tower.vit, tower.get_buffer("mean"), tower.get_buffer("std")
    for names, x in first_frames(data, videos, tower.image_size):
        seen = []
        with torch.autocast("cpu", torch.bfloat16):
            x = vit._pos_embed(vit.patch_embed((x - mean) / std))
            for i, block in enumerate(vit.blocks):
                x = block(x)
                if i + 1 in DEPTHS:
                    y = vit.norm(x).float()
                    seen.append(torch.cat([y[:, 0], y[:, 1:].mean(dim=1)], dim=1))  # (B, 2 d)
        stacked = torch.stack(seen, dim=1).numpy().astype(np.float16)
        yield from zip(names, stacked, strict=True)


@torch.no_grad()
def lite(name: str, weights: Path, data: Msrvtt, videos: Sequence[Video]) -> Rows:
    """The pooled features of an EfficientNet-Lite: (1, 1280) per video."""
    net = timm.create_model(f"tf_{name}").eval()
    net.load_state_dict({k: v.float() for k, v in load_file(weights).items()})
    net = net.to(memory_format=torch.channels_last)
    for names, x in first_frames(data, videos, LITE[name]):
        x = (x * 2 - 1).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            y = net.forward_head(net.forward_features(x), pre_logits=True)  # (B, 1280)
        yield from zip(names, y.float()[:, None].numpy().astype(np.float16), strict=True)


def linear_probe(x: dict[str, Tensor], y: dict[str, Tensor], classes: int) -> tuple[Scores, ...]:
    """Scores on validation and test of the classifier that is best on validation."""
    mean, std = x["train"].mean(dim=0), x["train"].std(dim=0) + 1e-4
    x = {split: (rows - mean) / std for split, rows in x.items()}
    tried = [_fit(x, y, classes, decay) for decay in (0.03, 0.3, 1.0)]
    return max(tried, key=lambda scores: scores[0].top1)


def _fit(
    x: dict[str, Tensor], y: dict[str, Tensor], classes: int, decay: float
) -> tuple[Scores, ...]:
    torch.manual_seed(0)
    net = nn.Linear(x["train"].shape[1], classes)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=decay)
    for _ in range(25):
        for rows in torch.randperm(len(x["train"])).split(128):
            logits = net(F.dropout(x["train"][rows], 0.5))
            loss = F.cross_entropy(logits, y["train"][rows], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    out = []
    for split in ("validate", "test"):
        with torch.no_grad():
            ranks = net(x[split]).topk(5, dim=1).indices == y[split][:, None]  # (N, 5)
        top1, top5 = ranks[:, 0].float().mean(), ranks.any(dim=1).float().mean()
        out.append(Scores(float(top1), float(top5), float("nan"), len(ranks)))
    return tuple(out)


def report(label: str, table: Ragged, row: int, data: Msrvtt) -> None:
    x, y = {}, {}
    for split in ("train", "validate", "test"):
        videos = data.split(split, seen=True)
        rows = np.stack([table[v.name][row] for v in videos]).astype(np.float32)
        x[split], y[split] = torch.from_numpy(rows), torch.tensor([v.category for v in videos])
    for split, scores in zip(("validate", "test"), linear_probe(x, y, 20), strict=True):
        print(f"{label:28s} {split:9s} {scores}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Linear probes of the vision towers.")
    parser.add_argument("towers", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    args = parser.parse_args()
    data = read(args.data / "msrvtt")
    videos = [v for v in data.videos if v.frames]
    weights = args.towers / "dinov2_s14.safetensors"
    table = cached(args.cache / "probe-dinov2_s14", lambda: dino(weights, data, videos), print)
    for row, depth in enumerate(DEPTHS):
        report(f"dinov2_s14, {depth} blocks", table, row, data)
    for name in LITE:
        file = args.towers / f"{name}.safetensors"
        features = cached(
            args.cache / f"probe-{name}",
            partial(lite, name, file, data, videos),
            print,
        )
        report(name, features, 0, data)


if __name__ == "__main__":
    main()
