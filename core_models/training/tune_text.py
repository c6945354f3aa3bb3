"""Tune the text tower on the categories, from single captions and a few joined ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.encoders import TextTower
from core_models.training.data import Video
from core_models.training.features import Report
from core_models.training.pace import Pace, Plan

JOIN = 0.15  # share of samples that are two or three captions


class TextHead(nn.Module):
    """The whole text tower and a classifier over the mean of its pieces."""

    def __init__(self, tower: TextTower, classes: int) -> None:
        super().__init__()
        self.tower = tower
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(tower.width, classes))

    def forward(self, ids: Tensor, keep: Tensor) -> Tensor:
        """Ids and keep (B, L) -> logits (B, C)."""
        out = self.tower(self.tower.embed(ids), keep).float()  # (B, L, d)
        mean = out.sum(dim=1) / keep.sum(dim=1, keepdim=True).clamp(min=1)
        logits: Tensor = self.head(mean)
        return logits


def draw(
    pieces: Sequence[Sequence[list[int]]], rng: np.random.Generator, batch: int
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """One text of every video, in batches of like length: rows (B,), ids and keep (B, L)."""
    texts: list[tuple[int, list[int]]] = []
    for row in rng.permutation(len(pieces)).tolist():
        captions = pieces[row]
        count = int(rng.integers(2, 4)) if rng.random() < JOIN else 1
        chosen = rng.permutation(len(captions))[:count]
        texts.append((row, [piece for i in chosen for piece in captions[i]][:62]))
    chunks = [texts[i : i + 8 * batch] for i in range(0, len(texts), 8 * batch)]
    ordered = [text for chunk in chunks for text in sorted(chunk, key=lambda t: len(t[1]))]
    batches = [ordered[i : i + batch] for i in range(0, len(ordered) - batch + 1, batch)]
    return [_padded(batches[i]) for i in rng.permutation(len(batches))]


def _padded(texts: Sequence[tuple[int, list[int]]]) -> tuple[Tensor, Tensor, Tensor]:
    lengths = torch.tensor([len(ids) for _, ids in texts])
    ids = torch.zeros(len(texts), int(lengths.max()), dtype=torch.long)
    for row, (_, pieces) in zip(ids, texts, strict=True):
        row[: len(pieces)] = torch.tensor(pieces)
    keep = torch.arange(ids.shape[1]) < lengths[:, None]  # (B, L)
    return torch.tensor([row for row, _ in texts]), ids, keep


def tune_text(
    tower: TextTower,
    videos: Sequence[Video],
    targets: Tensor,
    plans: Sequence[Plan],
    report: Report,
) -> None:
    """Tune the tower in place, plan after plan; word embeddings stay. targets: (videos, C)."""
    tower.bert.embeddings.word_embeddings.requires_grad_(False)
    torch.manual_seed(plans[0].seed)
    net = TextHead(tower, targets.shape[1])
    pieces = [[tower.pieces(said.split())[0] for said in v.captions] for v in videos]
    for plan in plans:
        torch.manual_seed(plan.seed)
        rng = np.random.default_rng(plan.seed)
        pace = Pace(net, plan, plan.epochs * (len(videos) // plan.batch), [net.head])
        for epoch in range(plan.epochs):
            net.train()
            losses = []
            for rows, ids, keep in draw(pieces, rng, plan.batch):
                with torch.autocast("cpu", torch.bfloat16):
                    logits = net(ids, keep)
                loss = F.cross_entropy(logits.float(), targets[rows])
                pace.descend(loss)
                losses.append(loss.item())
            report(f"epoch {epoch + 1}: loss {np.mean(losses):.3f}")
        net.load_state_dict(pace.average.state_dict())
    tower.eval()
