"""Train a MICap: ``python -m core_models.training.train RECIPE.json`` with trainer "micap".

Deterministic by seed, and an interrupted run goes on with the same result. It leaves config.json,
model.safetensors, training_log.csv and curves.png in the output folder.
"""

from __future__ import annotations

import copy
import csv
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from core_models.checkpoint import save_model
from core_models.encoders import TextTower
from core_models.interface import Decoding
from core_models.micap import MICap
from core_models.micap_config import MICapConfig
from core_models.trace import Trace
from core_models.training.caption_scores import describe, quick_cider
from core_models.training.captions import CaptionBatch
from core_models.training.cider import CiderD
from core_models.training.features import Report
from core_models.training.prepare_micap import (
    CaptionData,
    CaptionRecipe,
    prepare_captions,
    read_caption_recipe,
)
from core_models.training.self_critical import critical_loss
from core_models.training.train import Run, learning_rate, resume, save_run

COLUMNS = ("epoch", "caption loss", "contrastive loss", "temperature", "reward", "held-out CIDEr")


def contrastive(video: Tensor, text: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of paired unit vectors (B, d) (CLIP, arXiv:2103.00020)."""
    likeness = scale * video @ text.T  # (B, B)
    pairs = torch.arange(len(video), device=video.device)
    return (F.cross_entropy(likeness, pairs) + F.cross_entropy(likeness.T, pairs)) / 2


@dataclass(frozen=True, eq=False)
class Losses:
    """Means over what they are about: per piece, and per video."""

    caption: Tensor
    contrast: Tensor


def losses(model: MICap, batch: CaptionBatch, smoothing: float) -> Losses:
    """Both losses of a batch; recorded, as that is faster to differentiate."""
    with torch.autocast("cpu", torch.bfloat16):
        whole = model.embed(batch.values, batch.times, batch.keep)
        memory = model.memory(replace(whole, keep=batch.shown), Trace())
        hidden = model.decoder(batch.begun, memory, record=Trace())  # (R, L, d)
        counts = batch.pieces >= 0
        logits = model.decoder.say(hidden[counts])  # (pieces, V)
        both = model.compare(whole)
    said = F.cross_entropy(logits.float(), batch.pieces[counts], label_smoothing=smoothing)
    if not batch.times.shape[1]:
        return Losses(said, said.new_zeros(()))
    paired = contrastive(both["video"].float(), both["text"].float(), model.scale)
    return Losses(said, paired)


def start(recipe: CaptionRecipe, config: MICapConfig, reader: TextTower) -> Run[MICap]:
    """A fresh run: weights by the seed, words by the text tower."""
    torch.manual_seed(recipe.seed)
    model = MICap(config, towers=False, name=recipe.name)
    model.adopt(reader)
    flat = [p for p in model.parameters() if p.ndim < 2]
    full = [p for p in model.parameters() if p.ndim >= 2]
    groups = [
        {"params": full, "weight_decay": recipe.weight_decay},
        {"params": flat, "weight_decay": 0.0},
    ]
    average = copy.deepcopy(model).eval()
    return Run(model, average, torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98)))


def critical_epoch(
    run: Run[MICap], recipe: CaptionRecipe, data: CaptionData, reward: CiderD
) -> float:
    """One pass of self-critical tuning; the model starts from its average. The mean reward."""
    rng = np.random.default_rng((recipe.seed, run.epoch))
    torch.manual_seed(recipe.seed * 10_007 + run.epoch)
    if run.epoch == recipe.epochs:
        run.model.load_state_dict(run.average.state_dict())
        run.optimiser.state.clear()
    for group in run.optimiser.param_groups:
        group["lr"] = recipe.critical_rate
    count = len(data.seen) // recipe.batch
    paid: list[float] = []
    run.model.eval()  # without dropout the samples are paid for what they are
    for rows in rng.permutation(len(data.seen))[: count * recipe.batch].reshape(count, -1):
        names = [data.seen[i] for i in rows]
        batch, seed = data.sampler.draw(names, rng), int(rng.integers(2**31))
        run.optimiser.zero_grad()
        loss, gain = critical_loss(run.model, batch, names, reward, recipe, seed)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        run.optimiser.step()
        follow(run.average, run.model, recipe.average)
        paid.append(gain)
    return float(np.mean(paid))


def train_epoch(run: Run[MICap], recipe: CaptionRecipe, data: CaptionData) -> tuple[float, float]:
    """One pass over the videos with a picture; all chance comes from (seed, epoch).

    Returns the mean caption loss and the mean contrastive loss.
    """
    rng = np.random.default_rng((recipe.seed, run.epoch))
    torch.manual_seed(recipe.seed * 10_007 + run.epoch)
    count = len(data.seen) // recipe.batch
    order = rng.permutation(len(data.seen))[: count * recipe.batch].reshape(count, -1)
    rest = np.resize(rng.permutation(len(data.unseen)), (count, data.sampler.mix.unseen))
    logged: list[tuple[float, float]] = []
    run.model.train()
    for i in range(count):
        step = run.epoch * count + i
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step, count * recipe.epochs)
        run.optimiser.zero_grad()
        loss = losses(
            run.model, data.sampler.draw([data.seen[j] for j in order[i]], rng), recipe.smoothing
        )
        (loss.caption + recipe.contrast * loss.contrast).backward()
        if rest.shape[1]:
            blind = data.sampler.draw([data.unseen[j] for j in rest[i]], rng)
            told = losses(run.model, blind, recipe.smoothing).caption
            (told * (rest.shape[1] / recipe.batch)).backward()
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        run.optimiser.step()
        follow(run.average, run.model, min(recipe.average, (1 + step) / (10 + step)))
        logged.append((loss.caption.item(), loss.contrast.item()))
    caption, contrast = np.mean(logged, axis=0).tolist()
    return caption, contrast


@torch.no_grad()
def follow(average: MICap, model: MICap, pace: float) -> None:
    """Move the average a little towards the model."""
    for mean, now in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(now, 1 - pace)


def fit(
    run: Run[MICap],
    recipe: CaptionRecipe,
    data: CaptionData,
    check: Callable[[MICap], float],
    out: Path,
    report: Report = print,
) -> Run[MICap]:
    """Train to the end or until `patience` epochs bring nothing; the best average is kept.

    check: CIDEr of the averaged model on held-out videos, which decides.
    """
    out.mkdir(parents=True, exist_ok=True)
    state, best = out / "run.safetensors", out / "best.safetensors"
    if state.exists():
        run = resume(run, state)
        report(f"going on after epoch {run.epoch}")
    reward, last = CiderD(data.sampler.pieces), recipe.epochs + recipe.critical
    while run.epoch < last and run.epoch - run.best_epoch < recipe.patience:
        began, caption, contrast, gain = time.monotonic(), math.nan, math.nan, math.nan
        if run.epoch < recipe.epochs:
            caption, contrast = train_epoch(run, recipe, data)
        else:
            gain = critical_epoch(run, recipe, data, reward)
        cider = check(run.average)
        run.epoch += 1
        if cider > run.best:
            run.best, run.best_epoch = cider, run.epoch
            save_file(run.average.state_dict(), best)
        heat = 1 / run.average.scale.item()
        log_row(out / "training_log.csv", (run.epoch, caption, contrast, heat, gain, cider))
        save_run(run, state)
        report(
            f"epoch {run.epoch:2d}  caption {caption:.3f}  contrast {contrast:.3f}  "
            f"reward {gain:.3f}  CIDEr {cider:.1f}  ({time.monotonic() - began:.0f} s)"
        )
    run.average.load_state_dict(load_file(best))
    save_model(run.average, out)
    draw_curves(out / "training_log.csv", out / "curves.png")
    return run


def log_row(path: Path, values: Sequence[float]) -> None:
    """Add an epoch to the log; rows of later epochs, from before an interruption, are dropped."""
    rows = list(csv.reader(path.read_text().splitlines())) if path.exists() else []
    kept = [row for row in rows[1:] if int(row[0]) < values[0]]
    row = [str(values[0]), *(f"{x:.4f}" for x in values[1:])]
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *kept, row])


def draw_curves(log: Path, image: Path) -> None:
    """Both losses, and CIDEr, over the epochs."""
    with log.open() as file:
        rows = list(csv.DictReader(file))
    epochs = [int(row["epoch"]) for row in rows]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    for axis, names in zip(figure.subplots(1, 2), (COLUMNS[1:3], COLUMNS[5:]), strict=True):
        for name in names:
            axis.plot(epochs, [float(row[name]) for row in rows], label=name)
        axis.set(xlabel="epoch")
        axis.legend(frameon=False)
    figure.savefig(image, dpi=110)


def train(path: Path, data: Path | None, cache: Path | None, out: Path | None) -> None:
    """Train the MICap of a recipe on MSR-VTT and matched audio captions."""
    recipe = read_caption_recipe(path)
    ready = prepare_captions(recipe, data, cache)
    names = [v.name for v in ready.held_out]
    known = {v.name: v.captions for v in ready.held_out}
    fit(
        start(recipe, ready.config, ready.reader),
        recipe,
        ready,
        lambda model: quick_cider(describe(model, ready.frames, names, Decoding(beams=1)), known),
        out or Path("runs") / recipe.name,
    )
