"""What a recipe needs: the data, its cached features, the soft labels and the paired sounds."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from core_models.caam import CAAMConfig
from core_models.encoders import TextTower, load_encoder
from core_models.training.batches import Mix, Sampler
from core_models.training.data import SPLITS, Msrvtt, Video, each_sound, read
from core_models.training.features import Features, Report, features
from core_models.training.sounds import Sound, collect, pairing, waveforms
from core_models.training.teacher import soft_labels, targets


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run; a JSON file holds the same fields.

    trainer: who reads it, see train.py. data, cache: folders, unless the command line names others.
    flips: mirrored frames as well.
    hold_out_clips: (k, n) leaves out the sounds of every n-th labelled clip from the k-th on.
    teacher: share of the soft labels in the targets. smoothing: of the official ones.
    rate: the highest learning rate; warmup: share of the steps until there; average: of weights.
    """

    name: str
    trainer: str = "caam"
    model: Mapping[str, Any] = field(default_factory=dict)
    mix: Mapping[str, Any] = field(default_factory=dict)
    data: str = "data"
    cache: str = "cache"
    flips: bool = True
    hold_out_clips: tuple[int, int] | None = None
    teacher: float = 0.5
    smoothing: float = 0.1
    epochs: int = 16
    patience: int = 5
    batch: int = 64
    rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.05
    average: float = 0.99
    seed: int = 0

    def mixing(self) -> Mix:
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in self.mix.items()
        }
        return Mix(**values)


def read_recipe(path: Path) -> Recipe:
    """The recipe of a JSON file."""
    values = json.loads(path.read_text())
    if values.get("hold_out_clips"):
        values["hold_out_clips"] = tuple(values["hold_out_clips"])
    return Recipe(**values)


def config_of(recipe: Recipe, labels: Sequence[str]) -> CAAMConfig:
    """The model that a recipe trains."""
    return CAAMConfig(tuple(labels), **recipe.model)


def towers_of(config: CAAMConfig) -> Mapping[str, str]:
    """The encoder folder of each modality."""
    return {"video": config.video, "audio": config.audio, "text": config.text}


def held_out(videos: Sequence[Video]) -> tuple[tuple[Video, ...], tuple[Video, ...]]:
    """The training split in two: nine tenths to learn from, a tenth to choose by."""
    kept = tuple(v for i, v in enumerate(videos) if i % 10 != 3)
    return kept, tuple(v for i, v in enumerate(videos) if i % 10 == 3)


@dataclass(frozen=True, eq=False)
class Prepared:
    """Everything at hand for training and evaluation.

    held_out: the validation videos and a tenth of the training videos, those with a picture.
    """

    data: Msrvtt
    sounds: tuple[Sound, ...]
    features: Features
    train: tuple[Video, ...]
    held_out: tuple[Video, ...]
    sampler: Sampler


def sound_folders(data: Path) -> Mapping[str, Path]:
    """Where the sounds are; Gradio's lie inside its installed package, which is not imported."""
    folders = {name: data / name for name in ("esc10", "grid", "clips")}
    gradio = importlib.util.find_spec("gradio")
    if gradio is not None and gradio.origin is not None:
        folders["gradio"] = Path(gradio.origin).parent / "media_assets" / "audio"
    return folders


def prepare(
    recipe: Recipe,
    data_folder: Path | None = None,
    cache: Path | None = None,
    report: Report = print,
) -> Prepared:
    """Read the data and compute what the cache does not hold yet."""
    root, cache = data_folder or Path(recipe.data), cache or Path(recipe.cache)
    data = read(root / "msrvtt")
    sounds = collect(sound_folders(root))
    config = config_of(recipe, data.labels)
    table = features(
        data,
        lambda rate: itertools.chain(waveforms(sounds, rate), each_sound(data, rate)),
        hashlib.sha256("".join(s.key for s in sounds).encode()).hexdigest()[:10],
        cache,
        towers_of(config),
        recipe.flips,
        SPLITS[:2],
        report,
    )
    train, tenth = held_out(data.split("train"))
    soft = _soft(recipe, train, len(data.labels), cache, report)
    aims = targets(train, len(data.labels), soft, recipe.teacher, recipe.smoothing)
    without = frozenset(_clip_fold(sounds, recipe.hold_out_clips))
    heard = tuple(sound for sound in sounds if sound.key in table.sound)
    sampler = Sampler(table, aims, pairing(heard, data.labels, without), recipe.mixing(), train)
    checked = (*data.split("validate", seen=True), *(v for v in tenth if v.frames))
    return Prepared(data, sounds, table, train, checked, sampler)


def _soft(
    recipe: Recipe, videos: Sequence[Video], classes: int, cache: Path, report: Report
) -> torch.Tensor | None:
    if not recipe.teacher:
        return None
    tower = load_encoder(str((cache / "untuned" / "minilm").resolve()))
    assert isinstance(tower, TextTower)
    return soft_labels(tower, videos, classes, cache, report)


def _clip_fold(sounds: Sequence[Sound], fold: tuple[int, int] | None) -> list[str]:
    """The groups of sounds in fold (k, of n); none for None."""
    groups = sorted({sound.group for sound in sounds if sound.group})
    return [] if fold is None else groups[fold[0] :: fold[1]]
