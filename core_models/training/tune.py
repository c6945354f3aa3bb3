"""Tune a tower on MSR-VTT: ``python -m core_models.training.tune vision|text TOWERS``.

TOWERS is the folder that towers.py filled. The tuned tower replaces the one under
``core_models/weights/encoders``; the tenth of the training videos that `held_out` keeps back, and
all validation and test videos, are not seen.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.encoders import ENCODERS, TextTower, VisionTower, load_encoder
from core_models.training.data import Video, read
from core_models.training.features import cached
from core_models.training.pace import Plan
from core_models.training.prepare import held_out
from core_models.training.ship import ship, write_card, write_weights
from core_models.training.teacher import sentence_means, soft_labels, targets
from core_models.training.tune_text import tune_text
from core_models.training.tune_vision import Lessons, lite2, shallow, tune_vision

PLANS = {
    "vision": (Plan(epochs=9, rate=1.2e-4, batch=64, warmup=0.15, keep=0.985),),
    "text": (
        Plan(epochs=7, rate=6e-5, batch=96, fresh=3e-3),
        Plan(epochs=10, rate=1e-4, batch=96, fresh=1e-3, seed=1),
    ),
}

TUNED = {
    "vision": "- Tuned on the frames of MSR-VTT training videos: the last four of its ten blocks, "
    "on the categories, the captions and EfficientNet-Lite2's features "
    "(`python -m core_models.training.tune vision TOWERS`).",
    "text": "- Tuned on the captions of MSR-VTT training videos: all six layers, on the "
    "categories; word embeddings as they were "
    "(`python -m core_models.training.tune text TOWERS`).",
}


def said_and_soft(videos: Sequence[Video], classes: int, cache: Path) -> tuple[Tensor, Tensor]:
    """The mean sentence embedding (N, d) and the targets (N, C) of training videos."""
    tower = load_encoder(str((cache / "untuned" / "minilm").resolve()))
    assert isinstance(tower, TextTower)
    means = sentence_means(tower, videos, cache, print)
    soft = soft_labels(tower, videos, classes, cache, print)
    aims = targets(videos, classes, soft, share=0.5, smoothing=0.1)
    return means.mean(dim=1), torch.from_numpy(np.stack(list(aims.values())))


def main() -> None:
    parser = argparse.ArgumentParser(description="Tune a tower on MSR-VTT.")
    parser.add_argument("kind", choices=list(PLANS))
    parser.add_argument("towers", type=Path)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    args = parser.parse_args()
    data, plans, cache = read(args.data / "msrvtt"), PLANS[args.kind], args.cache
    for name in ("minilm", "vit-small-msrvtt"):
        ship(name, args.towers, cache / "untuned")
    videos, _ = held_out(data.split("train"))
    said, aims = said_and_soft(videos, len(data.labels), cache)
    name = "minilm" if args.kind == "text" else "vit-small-msrvtt"
    tower = load_encoder(str((cache / "untuned" / name).resolve()))
    if isinstance(tower, TextTower):
        tune_text(tower, videos, aims, plans, print)
    if isinstance(tower, VisionTower):
        rows = [i for i, v in enumerate(videos) if v.frames]
        seen = [videos[i] for i in rows]
        tokens = cached(cache / "shallow", lambda: shallow(tower, data, seen, 0), print)
        weights = args.towers / "efficientnet_lite2.safetensors"
        other = cached(cache / "lite2", lambda: lite2(weights, data, seen), print)
        feats = torch.from_numpy(np.concatenate([other[v.name] for v in seen])).float()
        feats = (feats - feats.mean(dim=0)) / (feats.std(dim=0) + 1e-3)
        lessons = Lessons(aims[rows], F.normalize(said[rows], dim=1), feats)
        tune_vision(tower, tokens, [v.name for v in seen], lessons, plans, print)
    folder = ENCODERS / name
    write_weights(folder, _config(cache / "untuned" / name), tower.state_dict())
    write_card(folder, TUNED[args.kind])


def _config(folder: Path) -> dict[str, object]:
    config: dict[str, object] = json.loads((folder / "config.json").read_text())
    return config


if __name__ == "__main__":
    main()
