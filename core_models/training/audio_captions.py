"""Audio captions for videos without sound: real ones of other clips, matched by their words.

MSR-VTT has no sound here. Each training video gets the captions of AudioCaps and Clotho that lie
nearest to its own captions in MiniLM's sentence space. They tell of a sound that would be
plausible, not of one that was heard, and they carry a part of what the captions say: so they are
shown seldom, one of many at random, with words left out, and never for validation or test videos.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.encoders import TextTower
from core_models.training.data import Video
from core_models.training.features import Ragged, Report, cached, named, read_texts, weights_key
from core_models.training.teacher import digest, kept, sentence_means

LEARNT = ("audiocaps_train", "clotho_train")
UNSEEN = ("audiocaps_val", "audiocaps_test", "clotho_val", "clotho_test")


def sentences(folder: Path, files: Sequence[str]) -> list[str]:
    """All captions of the csv files, each once, in order."""
    found: dict[str, None] = {}
    for stem in files:
        with (folder / f"{stem}.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                found |= {text: None for key, text in row.items() if key.startswith("caption")}
    return list(found)


def nearest(videos: Tensor, texts: Tensor, count: int) -> Tensor:
    """Sentences of videos (N, C, d) and texts (M, d) -> indices (N, count), nearest first."""
    told = videos.norm(dim=-1, keepdim=True) > 0  # a video may have fewer captions
    centre = F.normalize((F.normalize(videos, dim=-1) * told).sum(dim=1), dim=-1)  # (N, d)
    unit = F.normalize(texts, dim=-1)
    rows = [(part @ unit.T).topk(count, dim=1).indices for part in centre.split(512)]
    return torch.cat(rows)


@dataclass(frozen=True, eq=False)
class Matched:
    """Audio captions: their texts, their rows by index, and which may go with which video."""

    texts: Mapping[str, str]
    rows: Ragged
    choices: Mapping[str, Sequence[str]]


def match(
    matcher: TextTower,
    reader: TextTower,
    reader_name: str,
    videos: Sequence[Video],
    texts: Sequence[str],
    count: int,
    cache: Path,
    report: Report,
) -> Matched:
    """The nearest audio captions of each video, as the reader's features.

    matcher: the untuned MiniLM, whose sentence space compares them.
    """
    keyed = {str(i): text for i, text in enumerate(texts)}
    label = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:10]

    def means() -> Tensor:
        found = {k: x.mean(axis=0) for k, x in read_texts(matcher, keyed, report)}
        empty = np.zeros(matcher.width, np.float16)
        return torch.from_numpy(np.stack([found.get(k, empty) for k in keyed]))

    table = kept(cache / f"audio-captions-{label}.safetensors", means)
    chosen = nearest(sentence_means(matcher, videos, cache, report), table, count)
    names = {str(i): keyed[str(i)] for i in chosen.unique().tolist()}
    rows = cached(
        named(cache / weights_key(reader_name), f"heard-{digest(videos)}-{label}-{count}"),
        lambda: read_texts(reader, names, report),
        report,
    )
    pairs = zip(videos, chosen.tolist(), strict=True)
    choices = {v.name: [str(i) for i in row if str(i) in rows] for v, row in pairs}
    return Matched(names, rows, choices)
