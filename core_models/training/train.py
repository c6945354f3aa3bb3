"""Train a CAAM from cached tower features: ``python -m core_models.training.train RECIPE.json``.

The run is deterministic by seed, stops early, and goes on where it was interrupted with the same
result as without the interruption. It leaves config.json, model.safetensors, training_log.csv
and curves.png in the output folder.
"""

from __future__ import annotations

import argparse
import copy
import csv
import importlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from matplotlib.figure import Figure
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.caam import CAAM, CAAMConfig
from core_models.checkpoint import save_model
from core_models.interface import Output
from core_models.trace import Trace
from core_models.training.batches import Batch, Sample, Sampler, collate
from core_models.training.data import Video
from core_models.training.features import Report
from core_models.training.measure import SUBSETS, Scores, score
from core_models.training.prepare import Recipe, config_of, prepare, read_recipe

Trained = TypeVar("Trained", bound=nn.Module)
CAPTIONS = (0, 7, 13)  # of the held-out videos, read one at a time after every epoch


def loss_of(output: Output, targets: Tensor) -> Tensor:
    """Cross-entropies of the live pair votes and of their mean, summed; targets (B, C)."""
    total = F.cross_entropy(output.logits, targets)
    for vote in output.votes.values():
        live = ~vote[:, 0].isnan()  # (B,)
        if live.any():
            total = total + F.cross_entropy(vote[live], targets[live]) * live.float().mean()
    return total


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to zero."""
    start = max(1, int(recipe.warmup * steps))
    if step < start:
        return recipe.rate * (step + 1) / start
    return recipe.rate * 0.5 * (1 + math.cos(math.pi * (step - start) / max(1, steps - start)))


@dataclass(eq=False)
class Run(Generic[Trained]):
    """A training run at the end of some epoch."""

    model: Trained
    average: Trained
    optimiser: torch.optim.AdamW
    epoch: int = 0
    best: float = -math.inf
    best_epoch: int = 0


def start(recipe: Recipe, config: CAAMConfig) -> Run[CAAM]:
    """A fresh run: weights by the seed."""
    torch.manual_seed(recipe.seed)
    model = CAAM(config, towers=False, name=recipe.name)
    flat = [p for p in model.parameters() if p.ndim < 2]
    full = [p for p in model.parameters() if p.ndim >= 2]
    groups = [
        {"params": full, "weight_decay": recipe.weight_decay},
        {"params": flat, "weight_decay": 0.0},
    ]
    return Run(model, copy.deepcopy(model).eval(), torch.optim.AdamW(groups, lr=recipe.rate))


def train_epoch(run: Run[CAAM], recipe: Recipe, sampler: Sampler, videos: Sequence[Video]) -> float:
    """One pass over the videos; all chance comes from (seed, epoch). Returns the mean loss."""
    rng = np.random.default_rng((recipe.seed, run.epoch))
    torch.manual_seed(recipe.seed * 10_007 + run.epoch)
    per_epoch = len(videos) // recipe.batch
    steps, losses = per_epoch * recipe.epochs, []
    order = rng.permutation(len(videos))[: per_epoch * recipe.batch]
    run.model.train()
    for i, rows in enumerate(order.reshape(per_epoch, recipe.batch)):
        step = run.epoch * per_epoch + i
        for group in run.optimiser.param_groups:
            group["lr"] = learning_rate(recipe, step, steps)
        samples = [sampler.draw(videos[row], rng) for row in rows]
        run.optimiser.zero_grad()
        loss = sum(backward(run.model, part, len(samples)) for part in by_picture(samples))
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        run.optimiser.step()
        pace = min(recipe.average, (1 + step) / (10 + step))
        with torch.no_grad():
            pairs = zip(run.average.parameters(), run.model.parameters(), strict=True)
            for mean, now in pairs:
                mean.lerp_(now, 1 - pace)
        losses.append(loss)
    return float(np.mean(losses))


def by_picture(samples: Sequence[Sample]) -> list[Batch]:
    """A batch in two: rows with a picture, and rows without, which cost far less."""
    groups = [[s for s in samples if bool(len(s.times)) is seen] for seen in (True, False)]
    return [collate(group) for group in groups if group]


def backward(model: CAAM, batch: Batch, total: int) -> float:
    """Add the gradient of a batch's share in the mean loss over total rows; returns the share."""
    loss = loss_of(forward(model, batch), batch.targets) * (len(batch.labels) / total)
    loss.backward()
    return loss.item()


def forward(model: CAAM, batch: Batch) -> Output:
    """A batch through joint space and fusion; recorded, as that is faster to differentiate."""
    with torch.autocast("cpu", torch.bfloat16):
        out = model.fuse(model.embed(batch.values, batch.times, batch.keep), record=Trace())
    return Output(out.logits.float(), {k: v.float() for k, v in out.votes.items()})


def save_run(run: Run[Trained], path: Path) -> None:
    """Everything that the next epoch depends on, in one safetensors file."""
    tensors: dict[str, Tensor] = {}
    for name, model in (("model", run.model), ("average", run.average)):
        tensors |= {f"{name}.{k}": v for k, v in model.state_dict().items()}
    for i, state in run.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
    facts = {"epoch": run.epoch, "best": run.best, "best_epoch": run.best_epoch}
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata={k: repr(v) for k, v in facts.items()})
    partial.replace(path)


def resume(run: Run[Trained], path: Path) -> Run[Trained]:
    """The run as it was saved."""
    tensors = load_file(path)
    for name, model in (("model", run.model), ("average", run.average)):
        own = {k.removeprefix(f"{name}."): v for k, v in tensors.items() if k.startswith(name)}
        model.load_state_dict(own)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, i, what = key.split(".")
            state.setdefault(int(i), {})[what] = value
    run.optimiser.load_state_dict({**run.optimiser.state_dict(), "state": state})
    with safe_open(str(path), "pt") as file:
        facts = file.metadata()
    epoch, best = int(facts["epoch"]), float(facts["best"])
    return replace(run, epoch=epoch, best=best, best_epoch=int(facts["best_epoch"]))


def fit(
    run: Run[CAAM],
    recipe: Recipe,
    sampler: Sampler,
    videos: Sequence[Video],
    check: Callable[[CAAM], Mapping[str, Scores]],
    out: Path,
    report: Report = print,
) -> Run[CAAM]:
    """Train to the end or until `patience` epochs bring nothing; the best average is kept.

    check: scores of the averaged model on held-out videos; "V+T" decides.
    """
    out.mkdir(parents=True, exist_ok=True)
    state, best = out / "run.safetensors", out / "best.safetensors"
    if state.exists():
        run = resume(run, state)
        report(f"going on after epoch {run.epoch}")
    while run.epoch < recipe.epochs and run.epoch - run.best_epoch < recipe.patience:
        began = time.monotonic()
        loss = train_epoch(run, recipe, sampler, videos)
        scores = check(run.average)
        run.epoch += 1
        if scores["V+T"].top1 > run.best:
            run.best, run.best_epoch = scores["V+T"].top1, run.epoch
            save_file(run.average.state_dict(), best)
        log_row(out / "training_log.csv", run.epoch, loss, scores)
        save_run(run, state)
        said = "  ".join(f"{k} {v.top1:.2%}" for k, v in scores.items())
        seconds = time.monotonic() - began
        report(f"epoch {run.epoch:2d}  loss {loss:.3f}  {said}  ({seconds:.0f} s)")
    run.average.load_state_dict(load_file(best))
    save_model(run.average, out)
    draw_curves(out / "training_log.csv", out / "curves.png")
    return run


def log_row(path: Path, epoch: int, loss: float, scores: Mapping[str, Scores]) -> None:
    """Add an epoch to the log; rows of later epochs, from before an interruption, are dropped."""
    names = [f"{k} {what}" for k in scores for what in ("top1", "top5", "nll")]
    values = [x for s in scores.values() for x in (s.top1, s.top5, s.nll)]
    rows = list(csv.reader(path.read_text().splitlines())) if path.exists() else []
    kept = [row for row in rows[1:] if int(row[0]) < epoch]
    row = [str(epoch), f"{loss:.4f}", *(f"{x:.4f}" for x in values)]
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["epoch", "loss", *names], *kept, row])


def draw_curves(log: Path, image: Path) -> None:
    """Loss, and top-1 by modalities, over the epochs."""
    with log.open() as file:
        rows = list(csv.DictReader(file))
    epochs = [int(row["epoch"]) for row in rows]
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(epochs, [float(row["loss"]) for row in rows])
    left.set(xlabel="epoch", ylabel="training loss")
    for name in (k for k in rows[0] if k.endswith("top1")):
        right.plot(epochs, [float(row[name]) for row in rows], label=name.removesuffix(" top1"))
    right.set(xlabel="epoch", ylabel="held-out top-1")
    right.legend(frameon=False)
    figure.savefig(image, dpi=110)


def train(path: Path, data: Path | None, cache: Path | None, out: Path | None) -> None:
    """Train the CAAM of a recipe on MSR-VTT."""
    recipe = read_recipe(path)
    prepared = prepare(recipe, data, cache)
    fit(
        start(recipe, config_of(recipe, prepared.data.labels)),
        recipe,
        prepared.sampler,
        prepared.train,
        lambda model: {
            name: score(model, prepared.features, prepared.held_out, subset, CAPTIONS)
            for name, subset in SUBSETS.items()
        },
        out or Path("runs") / recipe.name,
    )


# Which module trains what a recipe names as its "trainer".
TRAINERS = {
    "caam": "train",
    "caam-grid": "grid_caam",
    "mbt": "train_mbt",
    "micap": "train_micap",
    "planted": "train_planted",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a model from a recipe.")
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=Path, help="folder with the data sets; default data")
    parser.add_argument("--cache", type=Path, help="folder for tower features; default cache")
    parser.add_argument("--out", type=Path, help="folder for the model; default runs/<name>")
    args = parser.parse_args()
    trainer = json.loads(args.recipe.read_text()).get("trainer", "caam")
    module = importlib.import_module(f"core_models.training.{TRAINERS[trainer]}")
    module.train(args.recipe, args.data, args.cache, args.out)


if __name__ == "__main__":
    main()
