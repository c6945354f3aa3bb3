"""MSR-VTT as it lies on disk: the official json files, and frames or whole videos beside them.

A data folder holds ``category.txt``, ``train_val_videodatainfo.json[.gz]``,
``test_videodatainfo.json[.gz]`` and either ``frames_160x120.zip`` with ``frames_index.json``
(pictures alone) or the videos themselves as ``videoNNN.mp4`` (pictures and sound).
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core_models.media import load_clip

FRAMES = "frames_160x120"
SPLITS = ("train", "validate", "test")


@dataclass(frozen=True)
class Video:
    """One video: its category (0-19), official split, captions and stored frames, if any."""

    name: str
    category: int
    split: str
    captions: tuple[str, ...]
    frames: tuple[str, ...] = ()


@dataclass(frozen=True)
class Msrvtt:
    """The whole data set: 20 labels in their official order and 10,000 videos."""

    root: Path
    labels: tuple[str, ...]
    videos: tuple[Video, ...]

    def split(self, name: str, seen: bool = False) -> tuple[Video, ...]:
        """The videos of a split; with seen, those alone whose picture is there."""
        return tuple(v for v in self.videos if v.split == name and (v.frames or not seen))


def _json(root: Path, stem: str) -> Any:
    plain = root / f"{stem}.json"
    if plain.exists():
        return json.loads(plain.read_text())
    with gzip.open(root / f"{stem}.json.gz", "rt") as file:
        return json.load(file)


def _labels(root: Path) -> tuple[str, ...]:
    rows = [line.split("\t") for line in (root / "category.txt").read_text().splitlines() if line]
    return tuple(name for name, _ in sorted(rows, key=lambda row: int(row[1])))


def _frames(root: Path) -> Mapping[str, Sequence[str]]:
    """Where the picture of each video is: names in the zip, or the video file itself."""
    index = root / "frames_index.json"
    stored: Mapping[str, Sequence[str]] = json.loads(index.read_text()) if index.exists() else {}
    return {**stored, **{p.stem: (p.name,) for p in sorted(root.glob("video*.mp4"))}}


def read(root: Path) -> Msrvtt:
    """The data set at a folder, videos in the order of the official files."""
    frames, videos = _frames(root), []
    for stem in ("train_val_videodatainfo", "test_videodatainfo"):
        info = _json(root, stem)
        captions: dict[str, list[str]] = {}
        for sentence in info["sentences"]:
            captions.setdefault(sentence["video_id"], []).append(sentence["caption"])
        for row in info["videos"]:
            name = row["video_id"]
            said, shown = tuple(captions[name]), tuple(frames.get(name, ()))
            videos.append(Video(name, row["category"], row["split"], said, shown))
    return Msrvtt(root, _labels(root), tuple(videos))


def spread(count: int, limit: int) -> tuple[int, ...]:
    """At most limit of count indices, evenly spaced, in order."""
    if count <= limit:
        return tuple(range(count))
    return tuple(int((i + 0.5) * count / limit) for i in range(limit))


def each_picture(
    data: Msrvtt, videos: Sequence[Video], frames: int = 8
) -> Iterator[tuple[Video, list[NDArray[np.uint8]]]]:
    """The frames of many videos in time order, each (H, W, 3): stored ones, or from the file."""
    with contextlib.ExitStack() as stack:
        archive: zipfile.ZipFile | None = None
        for video in videos:
            if video.frames[0].endswith(".mp4"):
                clip = load_clip(data.root / video.frames[0], frames=frames)
                yield video, list(clip.frames)
                continue
            if archive is None:
                archive = stack.enter_context(zipfile.ZipFile(data.root / f"{FRAMES}.zip"))
            yield video, [_picture(archive.read(name)) for name in video.frames]


def each_sound(data: Msrvtt, rate: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """The sound of the videos that are there as files: name and mono waveform (S,)."""
    for video in data.videos:
        if video.frames and video.frames[0].endswith(".mp4"):
            clip = load_clip(data.root / video.frames[0], frames=1, rate=rate)
            if len(clip.waveform):
                yield video.name, clip.waveform


def _picture(data: bytes) -> NDArray[np.uint8]:
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))
