"""Top-1 and top-5 with intervals, for any subset of modalities."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_models.caam import CAAM
from core_models.clip import Modality
from core_models.training.batches import pad
from core_models.training.data import Video
from core_models.training.features import Features

SUBSETS: dict[str, tuple[Modality, ...]] = {
    "V": ("video",),
    "T": ("text",),
    "V+T": ("video", "text"),
}
HEARD: dict[str, tuple[Modality, ...]] = {
    "A": ("audio",),
    "V+A": ("video", "audio"),
    "V+A+T": ("video", "audio", "text"),
}


@dataclass(frozen=True)
class Scores:
    """Shares of right answers over n videos, and the mean negative log-likelihood."""

    top1: float
    top5: float
    nll: float
    n: int

    def __str__(self) -> str:
        low, high = wilson(self.top1, self.n)
        return f"{self.top1:6.2%} [{low:.1%}, {high:.1%}]  top-5 {self.top5:6.2%}  n={self.n}"


def wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval of a share of n independent trials (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


@torch.no_grad()
def predict(
    model: CAAM, features: Features, video: Video, subset: Collection[Modality], keys: Sequence[str]
) -> Tensor:
    """Logits (rows, C) of one video: a row per text key, or one row without text.

    Every stored frame is shown, unmirrored; there is no sound unless the video has its own.
    """
    values: dict[Modality, Tensor] = {}
    keep: dict[Modality, Tensor] = {}
    rows = len(keys) if "text" in subset else 1
    times = torch.zeros(rows, 1)
    if "video" in subset and video.name in features.video:
        frames = torch.from_numpy(features.video[video.name].astype(np.float32))  # (T, cells, d)
        values["video"] = frames.flatten(0, 1).expand(rows, -1, -1)
        times = ((torch.arange(len(frames)) + 0.5) / len(frames)).expand(rows, -1)
    if "audio" in subset and video.name in features.sound:
        sound = torch.from_numpy(features.sound[video.name].astype(np.float32))
        values["audio"] = sound[:64].expand(rows, -1, -1)
    if "text" in subset:
        values["text"], keep["text"] = pad([features.text[key] for key in keys])
    for m, x in values.items():
        keep.setdefault(m, torch.ones(x.shape[:2], dtype=torch.bool))
    with torch.autocast("cpu", torch.bfloat16):
        out = model.fuse(model.embed(values, times, keep))
    return out.logits.float()


def score(
    model: CAAM,
    features: Features,
    videos: Sequence[Video],
    subset: Collection[Modality],
    captions: Sequence[int] = tuple(range(20)),
) -> Scores:
    """Scores over videos; with text, the mean over the given captions, each read alone."""
    model.eval()
    parts: list[NDArray[np.float64]] = []
    for video in videos:
        keys = [k for i in captions if (k := f"{video.name}#{i}") in features.text]
        parts.append(judge(predict(model, features, video, subset, keys), video.category))
    top1, top5, nll = np.mean(parts, axis=0)
    return Scores(float(top1), float(top5), float(nll), len(videos))


def judge(logits: Tensor, label: int) -> NDArray[np.float64]:
    """Logits (rows, C) -> share of rows right, right within five, and the mean NLL."""
    right = logits.argmax(dim=1) == label
    within = (logits.topk(min(5, logits.shape[1]), dim=1).indices == label).any(dim=1)
    nll = -logits.log_softmax(dim=1)[:, label]
    return np.array([float(x.float().mean()) for x in (right, within, nll)])
