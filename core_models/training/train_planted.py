"""Train a small MBT on planted clips; called by `core_models.training.train`.

No data is needed: clip n of a run has a seed of its own, and none is seen twice. Each head must
name the whole label, also what only the other modality shows, so there is something to exchange.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.checkpoint import save_model
from core_models.clip import Modality
from core_models.interface import Tokens
from core_models.mbt import HALVES, MBT, MBTConfig
from core_models.planted import FRAMES, LABELS, RATE, Planted, planted
from core_models.training.features import Report
from core_models.training.measure import Scores, judge
from core_models.training.pace import Pace, Plan
from core_models.training.train import draw_curves, log_row

FIRST, HELD_OUT = 1_000_000, 500_000  # seeds: training clips from FIRST on, others from HELD_OUT
EVERY, CLIPS = 200, 200  # steps between two looks at the held-out clips, and how many those are


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run; a JSON file holds the same fields.

    keep: chance that picture, sound is shown; at least one is. rate: the highest.
    """

    name: str
    trainer: str = "planted"
    model: Mapping[str, Any] = field(default_factory=dict)
    keep: tuple[float, float] = (0.85, 0.85)
    steps: int = 1500
    batch: int = 32
    rate: float = 3e-3
    average: float = 0.99
    seed: int = 0


def read_recipe(path: Path) -> Recipe:
    values: dict[str, Any] = json.loads(path.read_text())
    return Recipe(**{k: _tuple(v) for k, v in values.items()})


def config_of(recipe: Recipe) -> MBTConfig:
    return MBTConfig(labels=LABELS, **{k: _tuple(v) for k, v in recipe.model.items()})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def encode(model: MBT, clips: Sequence[Planted]) -> Tokens:
    """Clips through the towers."""
    c = model.config
    frames = torch.from_numpy(np.stack([x.clip.frames for x in clips])).movedim(4, 2).float()
    pixels = (frames / 255 - c.pixel_mean) / c.pixel_std  # (B, T, 3, S, S)
    at = (torch.arange(FRAMES) + 0.5) / FRAMES
    wave = torch.from_numpy(np.stack([x.clip.waveform for x in clips]))
    mel = model.audio.spectrogram(wave, RATE)
    return model.gather({"video": model.video(pixels, at), "audio": model.audio(mel)})


def loss_of(model: MBT, clips: Sequence[Planted], keep: tuple[float, float]) -> Tensor:
    """Of the answer and of each head, with some of the pictures and sounds hidden."""
    tokens = encode(model, clips)
    shown = torch.rand(len(clips), 2) < torch.tensor(keep)
    shown |= ~shown.any(dim=1, keepdim=True)
    kept: dict[Modality, Tensor] = {
        m: tokens.keep[m] & shown[:, j, None] for j, m in enumerate(HALVES)
    }
    out = model.fuse(Tokens(tokens.values, kept, tokens.extra))
    labels = torch.tensor([x.label for x in clips])
    loss = F.cross_entropy(out.logits, labels)
    for j, m in enumerate(HALVES):
        live = shown[:, j]
        if live.any():
            loss = loss + 0.5 * F.cross_entropy(out.votes[m][live], labels[live])
    return loss


@torch.no_grad()
def scores(model: MBT, first: int, count: int) -> dict[str, Scores]:
    """V, A and V+A on the clips of so many seeds."""
    out: dict[str, list[np.ndarray]] = {"V": [], "A": [], "V+A": []}
    for start in range(first, first + count, 50):
        clips = [planted(seed) for seed in range(start, min(start + 50, first + count))]
        tokens = encode(model, clips)
        for name, on in (("V", ("video",)), ("A", ("audio",)), ("V+A", HALVES)):
            keep = {m: x & (m in on) for m, x in tokens.keep.items()}
            logits = model.fuse(Tokens(tokens.values, keep, tokens.extra)).logits
            out[name] += [judge(x[None], c.label) for x, c in zip(logits, clips, strict=True)]
    means = {name: np.mean(rows, axis=0).tolist() for name, rows in out.items()}
    return {k: Scores(top1, top5, nll, count) for k, (top1, top5, nll) in means.items()}


def train(
    path: Path, data: Path | None, cache: Path | None, out: Path | None, report: Report = print
) -> MBT:
    """Leave config.json, model.safetensors, training_log.csv and curves.png in a folder."""
    recipe = read_recipe(path)
    out = out or Path("runs") / recipe.name
    torch.manual_seed(recipe.seed)
    model = MBT(config_of(recipe), name=recipe.name)
    heads = [model.video.head, model.audio.head]
    plan = Plan(1, recipe.rate, recipe.batch, recipe.rate, keep=recipe.average)
    pace = Pace(model, plan, recipe.steps, heads)
    average = pace.average
    assert isinstance(average, MBT)
    out.mkdir(parents=True, exist_ok=True)
    losses, began = [], time.monotonic()
    for step in range(recipe.steps):
        first = FIRST + (recipe.seed * recipe.steps + step) * recipe.batch
        clips = [planted(seed) for seed in range(first, first + recipe.batch)]
        loss = loss_of(model.train(), clips, recipe.keep)
        pace.descend(loss)
        losses.append(loss.item())
        if (step + 1) % EVERY and step + 1 < recipe.steps:
            continue
        found = scores(average, HELD_OUT, CLIPS)
        log_row(out / "training_log.csv", step + 1, float(np.mean(losses[-EVERY:])), found)
        said = "  ".join(f"{k} {v.top1:.2%}" for k, v in found.items())
        said = f"loss {np.mean(losses[-EVERY:]):.3f}  {said}"
        report(f"step {step + 1:4d}  {said}  ({time.monotonic() - began:.0f} s)")
    save_model(average, out)
    draw_curves(out / "training_log.csv", out / "curves.png")
    return average
