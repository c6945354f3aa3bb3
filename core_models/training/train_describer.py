"""Train and judge the sound describer: ``python -m core_models.training.train_describer``.

Five taggers, each without one fold, say what they hear in it: that calibrates the tagger that is
kept, which hears all folds, and gives the figures of its card. Deterministic by seed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from core_models.describer import TOWER, Tagger, TaggerConfig, listen, over_time
from core_models.encoders import SoundTower, load_encoder
from core_models.training.evaluate_describer import (
    Example,
    Judges,
    of_clips,
    say,
    sweep,
    tables,
)
from core_models.training.heard import (
    FOLDS,
    LABELS,
    Excerpts,
    Recording,
    excerpts,
    mixture,
    recordings,
)
from core_models.training.sounds import ESC10

EXCERPTS, MIXTURES = 4000, 60  # per fold: to learn from, and whole ones to judge by
BATCH, EPOCHS, RATE, WEIGHT_DECAY, DROPOUT = 256, 60, 2e-3, 0.1, 0.3


def fit(x: Tensor, truth: Tensor, seed: int) -> Tagger:
    """A tagger from features (N, 2 d) and truths (N, classes), of which nan is not learnt."""
    torch.manual_seed(seed)
    tagger = Tagger(TaggerConfig())
    mean, std = x.mean(dim=0), x.std(dim=0) + 1e-2
    x, known, truth = (x - mean) / std, ~truth.isnan(), truth.nan_to_num()
    batches = len(x) // BATCH
    optimiser = torch.optim.AdamW(tagger.parameters(), RATE, weight_decay=WEIGHT_DECAY)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=EPOCHS * batches)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x))[: batches * BATCH].view(batches, BATCH):
            hidden = F.relu(tagger.hidden(F.dropout(x[rows], DROPOUT)))
            logits = tagger.out(F.dropout(hidden, DROPOUT))  # (B, classes)
            loss = F.binary_cross_entropy_with_logits(logits, truth[rows], reduction="none")
            optimiser.zero_grad()
            (loss * known[rows]).sum(dim=1).mean().backward()
            optimiser.step()
            pace.step()
    with torch.no_grad():  # the features come as they are, so the first layer normalises them
        tagger.hidden.bias.sub_(tagger.hidden.weight @ (mean / std))
        tagger.hidden.weight.div_(std)
    return tagger.eval()


def calibrate(logits: Tensor, truth: Tensor) -> tuple[float, float]:
    """Scale and offset, shared by the classes (Platt 1999): (N, classes) each."""
    known = ~truth.isnan()
    values = torch.tensor([1.0, 0.0], requires_grad=True)
    optimiser = torch.optim.LBFGS([values], max_iter=100)

    def loss() -> Tensor:
        optimiser.zero_grad()
        fitted = values[0] * logits[known] + values[1]
        wrong = F.binary_cross_entropy_with_logits(fitted, truth[known])
        wrong.backward()
        return wrong

    optimiser.step(loss)
    scale, offset = values.tolist()
    return round(scale, 4), round(offset, 4)


def with_calibration(tagger: Tagger, scale: float, offset: float) -> Tagger:
    tagger.config = replace(tagger.config, scale=scale, offset=offset)
    return tagger


def gather(
    sounds: Sequence[Recording], tower: SoundTower, seed: int
) -> tuple[list[Example], Mapping[int, tuple[Tensor, Tensor]]]:
    """Whole sounds and mixtures to judge by, and the excerpts of each fold to learn from."""
    blank = Tagger(TaggerConfig())
    whole = [
        Example(r.key, r.kind, r.fold, listen(r.waveform, tower, blank), r.truth) for r in sounds
    ]
    parts = {}
    for fold in range(1, FOLDS + 1):
        rng = np.random.default_rng((seed, fold))
        own = [r for r in sounds if r.fold == fold]
        source = Excerpts(own, tower, blank.config.window)
        parts[fold] = excerpts(source, blank, EXCERPTS, rng)
        for i in range(MIXTURES):
            wave, truth = mixture(source, rng)
            pooled = listen(wave, tower, blank)
            whole.append(Example(f"mixture/{fold}-{i}", "two at once", fold, pooled, truth))
        print(f"fold {fold} heard", flush=True)
    return whole, parts


def strangers(
    parts: Sequence[tuple[Tensor, Tensor]], whole: Sequence[Example], last: Tagger, seed: int
) -> Judges:
    """For each class of ESC-10 a tagger that never heard it, and its sounds."""
    x, truth = (torch.cat(part) for part in zip(*parts, strict=True))
    out: list[tuple[Example, Tagger]] = []
    for label in LABELS[: len(ESC10)]:
        rows = truth[:, LABELS.index(label)] != 1
        tagger = fit(x[rows], truth[rows], seed)
        with_calibration(tagger, last.config.scale, last.config.offset)
        out += [(e, tagger) for e in whole if e.kind == label]
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description="Train and judge the sound describer.")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/describer"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    tower = load_encoder(TOWER)
    assert isinstance(tower, SoundTower)
    whole, parts = gather(recordings(args.data, tower.rate), tower, args.seed)

    def learn(*without: int) -> Tagger:
        rest = [parts[fold] for fold in parts if fold not in without]
        x, truth = (torch.cat(part) for part in zip(*rest, strict=True))
        return fit(x, truth, args.seed)

    taggers = {fold: learn(fold) for fold in parts}
    examples = [e for fold in parts for e in whole if e.fold == fold]
    with torch.no_grad():
        logits = torch.stack([over_time(taggers[e.fold](e.pooled)) for e in examples])
    truth = torch.stack([e.truth for e in examples])
    folds = torch.tensor([e.fold for e in examples])
    for fold, tagger in taggers.items():  # a fold's own answers do not calibrate it
        with_calibration(tagger, *calibrate(logits[folds != fold], truth[folds != fold]))
    last = with_calibration(learn(), *calibrate(logits, truth))
    args.out.mkdir(parents=True, exist_ok=True)
    state = {k: v.detach().half().contiguous() for k, v in last.state_dict().items()}
    save_file(state, args.out / "model.safetensors")
    (args.out / "config.json").write_text(json.dumps(asdict(last.config), indent=1) + "\n")
    judges = [(e, taggers[e.fold]) for e in examples]
    said = say(judges)
    print(tables(said), flush=True)
    print(of_clips(args.data / "clips", tower, last, said), flush=True)
    print(sweep(judges, strangers(list(parts.values()), whole, last, args.seed)))


if __name__ == "__main__":
    main()
