"""Soft labels: what the twenty captions of a training video, read together, say of its category.

The official category is one of several fair ones. A small classifier over the mean of MiniLM's
sentence embeddings is fitted on four fifths of the videos and asked about the fifth it has not
seen; its answers, mixed with the official label, are the targets of every tower and of CAAM.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.encoders import TextTower
from core_models.training.data import Video
from core_models.training.features import Report, read_texts

FOLDS = 5


def digest(videos: Sequence[Video]) -> str:
    """Names the videos and their captions."""
    text = "\n".join(f"{v.name} {said}" for v in videos for said in v.captions)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def kept(path: Path, make: Callable[[], Tensor]) -> Tensor:
    """A tensor in the cache, made first if it is not there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"x": make()}, path)
    return load_file(path)["x"].float()


def sentence_means(
    tower: TextTower, videos: Sequence[Video], cache: Path, report: Report
) -> Tensor:
    """Mean-pooled MiniLM embeddings of every caption: (videos, captions, d)."""

    def make() -> Tensor:
        texts = {f"{v.name}#{i}": said for v in videos for i, said in enumerate(v.captions)}
        rows = {k: torch.from_numpy(v.mean(axis=0)) for k, v in read_texts(tower, texts, report)}
        none = torch.zeros(tower.width)
        count = max(len(v.captions) for v in videos)
        table = [[rows.get(f"{v.name}#{i}", none).half() for i in range(count)] for v in videos]
        return torch.stack([torch.stack(row) for row in table])

    return kept(cache / f"sentences-{digest(videos)}.safetensors", make)


def fit(x: Tensor, labels: Tensor, classes: int, seed: int, epochs: int = 30) -> nn.Module:
    """A small classifier over means of random subsets of a video's captions (N, captions, d)."""
    torch.manual_seed(seed)
    d = x.shape[2]
    net = nn.Sequential(
        nn.Dropout(0.2), nn.Linear(d, 512), nn.GELU(), nn.Dropout(0.5), nn.Linear(512, classes)
    )
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=0.05)
    steps = epochs * -(-len(x) // 128)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(128):
            shown = (torch.rand(len(rows), x.shape[1]) < torch.rand(len(rows), 1)).float()
            shown[:, 0] += (shown.sum(dim=1) == 0).float()
            mean = torch.einsum("bc,bcd->bd", shown, x[rows]) / shown.sum(dim=1, keepdim=True)
            loss = F.cross_entropy(net(mean * 4), labels[rows], label_smoothing=0.05)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return net.eval()


def soft_labels(
    tower: TextTower, videos: Sequence[Video], classes: int, cache: Path, report: Report
) -> Tensor:
    """Chances (N, C), each video's from classifiers that have not seen it."""
    labels = torch.tensor([v.category for v in videos])

    def make() -> Tensor:
        means = sentence_means(tower, videos, cache, report)
        report("fitting the caption classifiers")
        return cross_fit(means, labels, classes)

    return kept(cache / f"soft-{digest(videos)}.safetensors", make)


def cross_fit(x: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Chances (N, C) from the captions (N, captions, d), by classifiers of the other folds."""
    out = torch.zeros(len(x), classes)
    for fold in range(FOLDS):
        unseen = torch.arange(len(x)) % FOLDS == fold
        nets = [fit(x[~unseen], labels[~unseen], classes, seed) for seed in range(2)]
        with torch.no_grad():
            answers = [net(x[unseen].mean(dim=1) * 4).softmax(dim=1) for net in nets]
        out[unseen] = torch.stack(answers).mean(dim=0)
    return out


def targets(
    videos: Sequence[Video],
    classes: int,
    soft: Tensor | None,
    share: float,
    smoothing: float,
) -> Mapping[str, NDArray[np.float32]]:
    """The official label, smoothed, mixed with a share of the soft one: (C,) by video."""
    labels = torch.tensor([v.category for v in videos])
    hard = F.one_hot(labels, classes).float() * (1 - smoothing) + smoothing / classes
    mixed = hard if soft is None else (1 - share) * hard + share * soft
    return {v.name: row for v, row in zip(videos, mixed.numpy(), strict=True)}
