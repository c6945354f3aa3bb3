"""Train an MBT on GRID, picture and sound of one event; called by `core_models.training.train`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from core_models.checkpoint import save_model
from core_models.interface import Tokens
from core_models.mbt import HALVES, MBT, MBTConfig
from core_models.training.features import Report
from core_models.training.grid import (
    LABELS,
    RATE,
    SECONDS,
    Table,
    Utterance,
    read,
    split,
    table,
    with_noise,
)
from core_models.training.grid_views import Views, draw, eased, frames_of
from core_models.training.mbt_learner import Learner
from core_models.training.measure import Scores, judge
from core_models.training.pace import Pace, Plan
from core_models.training.train import draw_curves, log_row


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run; a JSON file holds the same fields.

    start: a run to begin from, for what both models have. cells: of every frame training looks at
    those that move most and some others by chance. rate: the highest; fresh: of what only helps.
    settle: share of the epochs until the views have all their noise.
    every: epochs between two looks at the validation clips, the last of which decides nothing.
    """

    name: str
    trainer: str = "mbt"
    model: Mapping[str, Any] = field(default_factory=dict)
    views: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""
    cells: tuple[int, int] = (4, 2)
    epochs: int = 40
    batch: int = 20
    rate: float = 2e-3
    fresh: float = 2e-3
    warmup: float = 0.1
    average: float = 0.99
    settle: float = 0.0
    every: int = 5
    seed: int = 0


def read_recipe(path: Path) -> Recipe:
    values: dict[str, Any] = json.loads(path.read_text())
    return Recipe(**{k: _tuple(v) for k, v in values.items()})


def config_of(recipe: Recipe) -> MBTConfig:
    return MBTConfig(labels=LABELS, **{k: _tuple(v) for k, v in recipe.model.items()})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def still(model: MBT, clips: Table, part: Sequence[Utterance], snr: float | None) -> Tokens:
    """Clips as they are, with noise where an snr is given, through the towers."""
    c, rng = model.config, np.random.default_rng(0)
    at = (np.arange(c.frames) + 0.5) / c.frames
    rows = [clips.row[u.file] for u in part]
    frames = np.stack([frames_of(clips, row, at * SECONDS, (0, 0)) for row in rows])
    waves = clips.sound[rows].astype(np.float32)
    if snr is not None:
        waves = np.stack([with_noise(wave, snr, rng) for wave in waves])
    pixels = (torch.from_numpy(frames)[:, :, None] - c.pixel_mean) / c.pixel_std
    mel = model.audio.spectrogram(torch.from_numpy(waves), RATE)
    seen = model.video(pixels, torch.from_numpy(at))
    return model.gather({"video": seen, "audio": model.audio(mel)})


@torch.no_grad()
def scores(model: MBT, clips: Table, part: Sequence[Utterance]) -> dict[str, Scores]:
    """V, and A and V+A with white noise as loud as the sound, on clips as they are."""
    out: dict[str, list[np.ndarray]] = {"V": [], "A": [], "V+A": []}
    for start in range(0, len(part), 10):
        some = part[start : start + 10]
        tokens = still(model, clips, some, 0.0)
        for name, on in (("V", ("video",)), ("A", ("audio",)), ("V+A", HALVES)):
            keep = {m: x & (m in on) for m, x in tokens.keep.items()}
            logits = model.fuse(Tokens(tokens.values, keep, tokens.extra)).logits
            out[name] += [judge(x[None], u.label) for x, u in zip(logits, some, strict=True)]
    means = {name: np.mean(rows, axis=0).tolist() for name, rows in out.items()}
    return {k: Scores(top1, top5, nll, len(part)) for k, (top1, top5, nll) in means.items()}


def train(
    path: Path, data: Path | None, cache: Path | None, out: Path | None, report: Report = print
) -> MBT:
    """Leave config.json, model.safetensors, training_log.csv and curves.png in a folder."""
    recipe = read_recipe(path)
    data, cache = data or Path("data"), cache or Path("cache")
    out = out or Path("runs") / recipe.name
    torch.manual_seed(recipe.seed)
    utterances = read(data / "grid")
    parts, config = split(utterances), config_of(recipe)
    clips = table(data / "grid", cache, config.image_size, report)
    learner = Learner(MBT(config, name=recipe.name), utterances)
    if recipe.start:
        begin = load_file(out.parent / recipe.start / "learner.safetensors")
        learner.load_state_dict(begin, strict=False)
    per_epoch = len(parts.train) // recipe.batch
    plan = Plan(
        recipe.epochs, recipe.rate, recipe.batch, recipe.fresh, recipe.warmup, recipe.average
    )
    helpers = [learner.words, learner.spelling, learner.look, learner.sound]
    pace = Pace(learner, plan, per_epoch * recipe.epochs, helpers)
    average = pace.average
    assert isinstance(average, Learner)
    out.mkdir(parents=True, exist_ok=True)
    for epoch in range(1, recipe.epochs + 1):
        began = time.monotonic()
        loss = _epoch(learner, pace, recipe, clips, parts.train, epoch)
        said = ""
        if epoch % recipe.every == 0 or epoch == recipe.epochs:
            found = scores(average.model, clips, parts.validate)
            log_row(out / "training_log.csv", epoch, loss, found)
            said = "  ".join(f"{k} {v.top1:.2%}" for k, v in found.items())
        report(f"epoch {epoch:2d}  loss {loss:.3f}  {said}  ({time.monotonic() - began:.0f} s)")
    save_file(average.state_dict(), out / "learner.safetensors")
    save_model(average.model, out)
    draw_curves(out / "training_log.csv", out / "curves.png")
    return average.model


def _epoch(
    learner: Learner,
    pace: Pace,
    recipe: Recipe,
    clips: Table,
    part: Sequence[Utterance],
    epoch: int,
) -> float:
    """One pass over the clips; all chance comes from (seed, epoch). Returns the mean loss."""
    rng = np.random.default_rng((recipe.seed, epoch))
    torch.manual_seed(recipe.seed * 10_007 + epoch)
    c, losses = learner.model.config, []
    hard = min(1.0, epoch / max(1.0, recipe.settle * recipe.epochs))
    views = eased(Views(**{k: _tuple(v) for k, v in recipe.views.items()}), hard)
    order = rng.permutation(len(part))[: len(part) // recipe.batch * recipe.batch]
    learner.train()
    for rows in order.reshape(-1, recipe.batch):
        mel = (c.mel_bands, c.mel_frames)
        batch = draw(clips, [part[row] for row in rows], views, c.frames, mel, rng)
        loss = learner(batch, recipe.cells)
        pace.descend(loss)
        losses.append(loss.item())
    return float(np.mean(losses))
