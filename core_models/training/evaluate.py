"""Measure a trained CAAM: ``python -m core_models.training.evaluate MODEL_FOLDER_OR_RECIPE``.

Prints top-1 and top-5 with Wilson 95 % intervals on the official validation and test videos whose
picture is there, for V, T and V+T, and with sound where a video has it; with --clips, on a folder
of labelled clips read from file.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.caam import CAAM
from core_models.checkpoint import load_model
from core_models.clip import Clip, Modality
from core_models.encoders import TextTower, load_encoder
from core_models.interface import presence
from core_models.media import load_clip
from core_models.registry import find
from core_models.training.data import SPLITS, Msrvtt, Video, each_sound, read
from core_models.training.features import Features, Ragged, Report, features, read_texts
from core_models.training.measure import HEARD, SUBSETS, Scores, score
from core_models.training.prepare import read_recipe, towers_of

TEXTS = Path(__file__).parent / "clip_texts.csv"


def joined(tower: TextTower, features: Features, videos: Sequence[Video], count: int) -> Features:
    """The same features with the first captions of each video read as one text."""
    texts = {f"{v.name}#0": " ".join(v.captions[:count]) for v in videos}
    rows = dict(read_texts(tower, texts, lambda line: None, batch=32))
    lengths = np.cumsum([0, *(len(row) for row in rows.values())]).tolist()
    where = dict(zip(rows, itertools.pairwise(lengths), strict=True))
    return replace(features, text=Ragged(np.concatenate(list(rows.values())), where))


def tables(
    model: CAAM, data: Msrvtt, table: Features, captions: Sequence[int], report: Report
) -> None:
    """The figures on the official splits; each of the captions is read alone."""
    for split in SPLITS[1:]:
        videos = data.split(split, seen=True)
        heard = HEARD if any(v.name in table.sound for v in videos) else {}
        for name, subset in {**SUBSETS, **heard}.items():
            report(f"{split:9s} {name:5s} {score(model, table, videos, subset, captions)}")


def joined_tables(model: CAAM, data: Msrvtt, table: Features, report: Report) -> None:
    """The same with the first 3, and all 20, captions of a video read as one text."""
    tower = load_encoder(model.config.text)
    assert isinstance(tower, TextTower)
    for split, count in itertools.product(SPLITS[1:], (3, 20)):
        videos = data.split(split, seen=True)
        longer = joined(tower, table, videos, count)
        for name in ("T", "V+T"):
            scores = score(model, longer, videos, SUBSETS[name], (0,))
            report(f"{split:9s} {name:5s} {scores}  {count} captions joined")


def labelled(folder: Path) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """File, fair categories and our description of every labelled clip."""
    with TEXTS.open(newline="") as file:
        texts = {row["file"]: row["text"] for row in csv.DictReader(file)}
    with (folder / "labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield row["file"], tuple(row["categories"].split("|")), texts[row["file"]]


CLIP_SUBSETS: Mapping[str, tuple[Modality, ...]] = {**SUBSETS, **HEARD}


def shrunk(clip: Clip, width: int = 160, height: int = 120) -> Clip:
    """The clip with its frames at the size of the training frames."""
    x = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float()  # (T, 3, H, W)
    x = F.interpolate(x, size=(height, width), mode="bilinear", antialias=True)
    return replace(clip, frames=x.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy())


@torch.no_grad()
def clip_logits(model: CAAM, clip: Clip, rows: Collection[Collection[Modality]]) -> Tensor:
    """Logits (rows, C) of one clip for several subsets of its modalities."""
    tokens = model.encode(model.prepare(clip))
    return model.fuse(tokens, presence(tokens, rows)).logits


def clip_scores(
    model: CAAM, folder: Path, small: bool = False, only: Collection[str] | None = None
) -> dict[str, list[tuple[bool, bool]]]:
    """For each subset, whether each clip is right at once and within five; any fair label is."""
    out: dict[str, list[tuple[bool, bool]]] = {name: [] for name in CLIP_SUBSETS}
    for file, fair, text in labelled(folder):
        if only is not None and file not in only:
            continue
        clip = load_clip(folder / file, text=text)
        logits = clip_logits(model, shrunk(clip) if small else clip, CLIP_SUBSETS.values())
        best = logits.topk(5, dim=1).indices.tolist()
        for name, ranked in zip(CLIP_SUBSETS, best, strict=True):
            right = [model.labels[k] in fair for k in ranked]
            out[name].append((right[0], any(right)))
    return out


def summary(right: Sequence[tuple[bool, bool]]) -> Scores:
    top1, top5 = np.mean(right, axis=0)
    return Scores(float(top1), float(top5), float("nan"), len(right))


def model_folder(argument: str) -> Path:
    """The model that a folder, a shipped name or a recipe names."""
    path = Path(argument)
    if path.suffix == ".json":
        return Path("runs") / read_recipe(path).name
    return find(argument)


def caam(folder: Path, towers: bool = True) -> CAAM:
    """The trained CAAM of a folder."""
    model = load_model(folder, towers=towers)
    assert isinstance(model, CAAM), f"{folder.name} is no CAAM"
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a trained CAAM.")
    parser.add_argument("model", help="a checkpoint folder, a shipped name, or a recipe")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--clips", type=Path, help="a folder with labels.csv: measure these alone")
    parser.add_argument("--small", action="store_true", help="shrink the clips' frames first")
    parser.add_argument("--captions", type=int, nargs="+", default=list(range(20)))
    parser.add_argument("--joined", action="store_true", help="captions read as one text, too")
    args = parser.parse_args()
    folder = model_folder(args.model)
    if args.clips:
        for name, right in clip_scores(caam(folder), args.clips, args.small).items():
            print(f"clips {name:6s} {summary(right)}", flush=True)
        return
    model = caam(folder, towers=False)
    data = read(args.data / "msrvtt")
    towers = towers_of(model.config)
    table = features(
        data, lambda rate: each_sound(data, rate), "own", args.cache, towers, splits=SPLITS[1:]
    )
    tables(model, data, table, args.captions, partial(print, flush=True))
    if args.joined:
        joined_tables(model, data, table, partial(print, flush=True))


if __name__ == "__main__":
    main()
