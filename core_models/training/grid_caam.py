"""A CAAM on GRID, with the six words as text; trained by `core_models.training.train`.

``python -m core_models.training.grid_caam MODEL`` prints what one scores on the test clips. GRID
knows when each word is spoken, so what the heatmaps of this model point at can be checked.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core_models.caam import CAAM, CAAMConfig
from core_models.checkpoint import load_model, save_model
from core_models.registry import find
from core_models.training import grid
from core_models.training.batches import Sampler
from core_models.training.data import SPLITS, Msrvtt, Video, each_sound
from core_models.training.features import Features, Ragged, Report, features
from core_models.training.measure import HEARD, SUBSETS, Scores, score
from core_models.training.prepare import config_of, read_recipe, towers_of
from core_models.training.sounds import Pairing
from core_models.training.teacher import targets
from core_models.training.train import draw_curves, log_row, start, train_epoch

SHIFTS = 8  # further views of a training sound, each at another moment and half of them in noise
STREAMS = {**SUBSETS, **HEARD}


def corpus(root: Path) -> Msrvtt:
    """GRID as a table of videos: a category is a label, the caption is what is said."""
    parts = grid.split(grid.read(root))
    videos = tuple(
        Video(u.file, u.label, name, (" ".join(u.words),), (f"clips/{u.file}",))
        for name, part in zip(SPLITS, (parts.train, parts.validate, parts.test), strict=True)
        for u in part
    )
    return Msrvtt(root, grid.LABELS, videos)


def sounds(data: Msrvtt, rate: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The sound of every clip, and shifted by up to 0.37 s as "<name>~<k>"."""
    rng = np.random.default_rng(0)
    for name, wave in each_sound(data, rate):
        yield name, wave
        for k in range(SHIFTS):
            moved = np.roll(wave, int(rng.uniform(-0.37, 0.37) * rate))
            snr = rng.uniform(0, 20)
            yield f"{name}~{k}", grid.with_noise(moved, snr, rng) if k % 2 else moved


class Whole(Sampler):
    """Draws the whole sound of the clip itself, in one of its views."""

    def _sound(self, video: Video, rng: np.random.Generator) -> NDArray[np.float16]:
        k = int(rng.integers(-1, SHIFTS))
        return self.features.sound[video.name if k < 0 else f"{video.name}~{k}"]


def features_of(data: Msrvtt, config: CAAMConfig, cache: Path, report: Report = print) -> Features:
    """The towers' features of all clips, from the cache or computed now."""
    hear = partial(sounds, data)
    return features(data, hear, "grid", cache / "grid-caam", towers_of(config), report=report)


def train(
    path: Path, data: Path | None, cache: Path | None, out: Path | None, report: Report = print
) -> CAAM:
    """Train to the end of the recipe; the average of the weights is kept."""
    recipe, table = read_recipe(path), corpus((data or Path("data")) / "grid")
    out = out or Path("runs") / recipe.name
    run = start(recipe, config_of(recipe, table.labels))
    rows = features_of(table, run.model.config, cache or Path("cache"), report)
    clips, held_out = table.split("train"), table.split("validate")
    aims = targets(clips, len(table.labels), None, 0.0, recipe.smoothing)
    sampler = Whole(rows, aims, Pairing({}, ()), recipe.mixing(), clips)
    out.mkdir(parents=True, exist_ok=True)
    while run.epoch < recipe.epochs:
        began = time.monotonic()
        loss = train_epoch(run, recipe, sampler, clips)
        run.epoch += 1
        if run.epoch % 5 and run.epoch < recipe.epochs:
            continue
        found = scores(run.average, rows, held_out)
        log_row(out / "training_log.csv", run.epoch, loss, found)
        said = "  ".join(f"{k} {v.top1:.2%}" for k, v in found.items())
        seconds = time.monotonic() - began
        report(f"epoch {run.epoch:2d}  loss {loss:.3f}  {said}  ({seconds:.0f} s)")
    save_model(run.average, out)
    draw_curves(out / "training_log.csv", out / "curves.png")
    return run.average


def scores(model: CAAM, rows: Features, clips: tuple[Video, ...]) -> dict[str, Scores]:
    return {name: score(model, rows, clips, subset, (0,)) for name, subset in STREAMS.items()}


def swapped(rows: Features, clips: Sequence[Video]) -> Features:
    """The features, each clip with the picture of another."""
    names, where = [clip.name for clip in clips], rows.video.where
    others = {name: where[names[i - 1]] for i, name in enumerate(names)}
    return replace(rows, video=Ragged(rows.video.rows, {**where, **others}))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a CAAM on GRID.")
    parser.add_argument("model", help="a checkpoint folder or a shipped name")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    args = parser.parse_args()
    model, data = load_model(find(args.model), towers=False), corpus(args.data / "grid")
    assert isinstance(model, CAAM)
    rows, clips = features_of(data, model.config, args.cache), data.split("test")
    for name, found in scores(model, rows, clips).items():
        print(f"test {name:6s} {found}", flush=True)
    strange = score(model, swapped(rows, clips), clips, STREAMS["V+A"])
    print(f"test V+A    {strange}  with the picture of another clip")


if __name__ == "__main__":
    main()
