"""Cached tower features: each tower runs once over the data, training reads the results.

A table lies in a folder named after the tower and its weights, so tuning a tower starts a new one.
Each data set needs a cache folder of its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_models.encoders import ENCODERS, SoundTower, TextTower, VisionTower, load_encoder
from core_models.training.data import SPLITS, Msrvtt, Video, each_picture

Report = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Ragged:
    """Sequences of rows by key: rows float16 (N, ...), and where each key's begin and end."""

    rows: NDArray[np.float16]
    where: Mapping[str, tuple[int, int]]

    def __getitem__(self, key: str) -> NDArray[np.float16]:
        start, end = self.where[key]
        return self.rows[start:end]

    def __contains__(self, key: object) -> bool:
        return key in self.where


def open_ragged(folder: Path) -> Ragged:
    """A stored table, mapped from disk."""
    where = json.loads((folder / "where.json").read_text())
    rows = np.load(folder / "rows.npy", mmap_mode="r")
    return Ragged(rows, {k: (a, b) for k, (a, b) in where.items()})


def write_ragged(folder: Path, items: Iterable[tuple[str, NDArray[np.float16]]]) -> Ragged:
    """Store sequences one after the other; where.json, written last, marks a whole table."""
    folder.mkdir(parents=True, exist_ok=True)
    where: dict[str, tuple[int, int]] = {}
    count, shape = 0, (1,)
    with open(folder / "rows.bin", "wb") as file:
        for key, rows in items:
            file.write(np.ascontiguousarray(rows, np.float16).tobytes())
            where[key] = (count, count + len(rows))
            count, shape = count + len(rows), rows.shape[1:]
    raw = np.zeros((0, *shape), np.float16)
    if count:
        raw = np.memmap(folder / "rows.bin", np.float16, "r", shape=(count, *shape))
    np.save(folder / "rows.npy", raw)
    (folder / "rows.bin").unlink()
    (folder / "where.json").write_text(json.dumps(where))
    return open_ragged(folder)


def weights_key(name: str) -> str:
    """A tower's name with the first digits of its weights' sha256."""
    digest = hashlib.sha256((ENCODERS / name / "model.safetensors").read_bytes()).hexdigest()
    return f"{Path(name).name}-{digest[:10]}"


def cached(
    folder: Path, make: Callable[[], Iterable[tuple[str, NDArray[np.float16]]]], report: Report
) -> Ragged:
    """The table at a folder, made first if it is not whole."""
    if (folder / "where.json").exists():
        return open_ragged(folder)
    report(f"caching {folder.name}")
    return write_ragged(folder, make())


def _half(x: Tensor) -> NDArray[np.float16]:
    out: NDArray[np.float16] = x.float().numpy().astype(np.float16)
    return out


@torch.no_grad()
def see(
    tower: VisionTower, data: Msrvtt, videos: Sequence[Video], flips: bool, report: Report
) -> Iterator[tuple[str, NDArray[np.float16]]]:
    """Frames through the vision tower: per video (T, cells, d); key "<name>~" is mirrored."""
    for i, (video, frames) in enumerate(each_picture(data, videos)):
        pixels = torch.cat([tower.pixels(frame[None]) for frame in frames])  # (T, 3, S, S)
        sides = [pixels, pixels.flip(-1)] if flips and video.split == "train" else [pixels]
        with torch.autocast("cpu", torch.bfloat16):
            cells = tower(torch.cat(sides)).float()  # (sides * T, cells, d)
        for mark, part in zip(("", "~"), cells.chunk(len(sides)), strict=False):
            yield video.name + mark, _half(part)
        if i % 200 == 199:
            report(f"  {i + 1} / {len(videos)} videos seen")


@torch.no_grad()
def read_texts(
    tower: TextTower, texts: Mapping[str, str], report: Report, batch: int = 256
) -> Iterator[tuple[str, NDArray[np.float16]]]:
    """Sentences through the text tower, sorted by length: per key (pieces, d)."""
    ids = {key: tower.pieces(text.split())[0] for key, text in texts.items()}
    order = sorted((key for key in ids if ids[key]), key=lambda key: len(ids[key]))
    for start in range(0, len(order), batch):
        keys = order[start : start + batch]
        lengths = torch.tensor([len(ids[key]) for key in keys])
        padded = torch.zeros(len(keys), int(lengths.max()), dtype=torch.long)
        for row, key in zip(padded, keys, strict=True):
            row[: len(ids[key])] = torch.tensor(ids[key])
        keep = torch.arange(padded.shape[1]) < lengths[:, None]  # (B, L)
        with torch.autocast("cpu", torch.bfloat16):
            out = tower(tower.embed(padded), keep).float()  # (B, L, d)
        for key, row, length in zip(keys, out, lengths.tolist(), strict=True):
            yield key, _half(row[:length])
        if start // batch % 50 == 49:
            report(f"  {start + batch} / {len(order)} sentences read")


@torch.no_grad()
def hear(
    tower: SoundTower, sounds: Iterable[tuple[str, NDArray[np.float32]]]
) -> Iterator[tuple[str, NDArray[np.float16]]]:
    """Waveforms at the tower's rate through it: per key (N, d)."""
    for key, wave in sounds:
        yield key, _half(tower(torch.from_numpy(wave)[None])[0].clamp(max=6e4))


def named(folder: Path, label: str) -> Path:
    return folder.with_name(f"{folder.name}-{label}")


@dataclass(frozen=True, eq=False)
class Features:
    """Everything that training reads: frames by video, captions by "<video>#<i>", sounds."""

    video: Ragged
    text: Ragged
    sound: Ragged


def features(
    data: Msrvtt,
    sounds: Callable[[int], Iterable[tuple[str, NDArray[np.float32]]]],
    label: str,
    cache: Path,
    towers: Mapping[str, str],
    flips: bool = False,
    splits: Collection[str] = SPLITS,
    report: Report = print,
) -> Features:
    """The features of a data set, from the cache or computed now.

    sounds: rate -> named waveforms; label tells one set of them from another.
    towers: modality -> encoder folder. splits: whose videos are read.
    """
    key = {m: cache / weights_key(name) for m, name in towers.items()}
    parts = "-".join(splits)
    told = [v for v in data.videos if v.split in splits and (v.split == "train" or v.frames)]
    seen = [v for v in told if v.frames]
    texts = {f"{v.name}#{i}": said for v in told for i, said in enumerate(v.captions)}
    vision, text, sound = (load_encoder(towers[m]) for m in ("video", "text", "audio"))
    assert isinstance(vision, VisionTower)
    assert isinstance(text, TextTower)
    assert isinstance(sound, SoundTower)
    return Features(
        cached(
            named(key["video"], f"{parts}-{'flips' if flips else 'plain'}"),
            lambda: see(vision, data, seen, flips, report),
            report,
        ),
        cached(named(key["text"], parts), lambda: read_texts(text, texts, report), report),
        cached(named(key["audio"], label), lambda: hear(sound, sounds(sound.rate)), report),
    )
