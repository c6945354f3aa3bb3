"""Real sounds with real labels, and the MSR-VTT categories that each class of sound may go with.

MSR-VTT's frames come without sound. In training a video is paired with a sound of its category,
as AV-MNIST pairs digits. Every category gets sound equally often; speech goes with all of them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

ANY: tuple[str, ...] = ()  # goes with every category

# ESC-10 folder -> categories in which such a sound is plausible.
ESC10: Mapping[str, tuple[str, ...]] = {
    "001_Dog_bark": ("animals/pets",),
    "002_Rain": ("travel", "documentary"),
    "003_Sea_waves": ("travel", "documentary"),
    "004_Baby_cry": ("kids/family", "people"),
    "005_Clock_tick": ("howto", "science/technology"),
    "006_Person_sneeze": ("people", "movie/comedy"),
    "007_Helicopter": ("vehicles/autos", "news/events/politics"),
    "008_Chainsaw": ("howto", "vehicles/autos"),
    "009_Rooster": ("animals/pets", "documentary"),
    "010_Fire_crackling": ("cooking", "food/drink", "documentary"),
}

# Sounds that Gradio bundles.
GRADIO: Mapping[str, tuple[str, ...]] = {
    "cantina.wav": ("music", "movie/comedy"),
    "sax.wav": ("music",),
    "audio_sample.wav": ANY,
    "recording1.wav": ANY,
    "cate_blanch.mp3": ANY,
    "cate_blanch_2.mp3": ANY,
    "heath_ledger.mp3": ANY,
}


@dataclass(frozen=True)
class Sound:
    """A sound file; group: sounds that must be held out together, "" where nothing is held out."""

    key: str
    path: Path
    categories: tuple[str, ...]
    group: str = ""


def esc10(root: Path) -> Iterator[Sound]:
    for folder, categories in ESC10.items():
        for path in sorted((root / folder).glob("*.*")):
            yield Sound(f"esc10/{folder}/{path.stem}", path, categories)


def grid(root: Path, count: int = 300) -> Iterator[Sound]:
    """Every n-th of the speech clips, so that about count of them are used."""
    paths = sorted((root / "clips").glob("*.mp4"))
    for path in paths[:: max(1, len(paths) // count)]:
        yield Sound(f"grid/{path.stem}", path, ANY)


def gradio(root: Path) -> Iterator[Sound]:
    for name, categories in GRADIO.items():
        if (root / name).exists():
            yield Sound(f"gradio/{name}", root / name, categories)


def clips(root: Path) -> Iterator[Sound]:
    """The hand-labelled clips whose rights are known; each is its own group."""
    with open(root / "labels.csv", newline="") as file:
        for row in csv.DictReader(file):
            if row["rights"] != "U":
                fair = tuple(row["categories"].split("|"))
                yield Sound(f"clips/{row['file']}", root / row["file"], fair, row["file"])


SOURCES = {"esc10": esc10, "grid": grid, "gradio": gradio, "clips": clips}


def collect(folders: Mapping[str, Path]) -> tuple[Sound, ...]:
    """The sounds of all sources whose folder is named and there."""
    return tuple(
        sound for name, root in folders.items() if root.is_dir() for sound in SOURCES[name](root)
    )


def waveform(path: Path, rate: int, seconds: float = 20.0) -> NDArray[np.float32]:
    """The beginning of a file's sound, mono in [-1, 1]; empty when there is none."""
    parts: list[NDArray[np.float32]] = []
    with av.open(str(path.resolve())) as file:
        if not file.streams.audio:
            return np.zeros(0, np.float32)
        resampler = av.AudioResampler("flt", "mono", rate)
        count = 0
        for frame in file.decode(file.streams.audio[0]):
            parts += [out.to_ndarray()[0] for out in resampler.resample(frame)]
            count = sum(map(len, parts))
            if count >= seconds * rate:
                break
        parts += [out.to_ndarray()[0] for out in resampler.resample(None)]
    wave = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.nan_to_num(wave)[: int(seconds * rate)].astype(np.float32)


def waveforms(sounds: Sequence[Sound], rate: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Every sound that is at least a quarter of a second long."""
    for sound in sounds:
        wave = waveform(sound.path, rate)
        if len(wave) >= rate // 4:
            yield sound.key, wave


@dataclass(frozen=True, eq=False)
class Pairing:
    """For each category, classes of its own sounds, and the sounds that go with anything."""

    own: Mapping[int, Sequence[Sequence[str]]]
    anything: Sequence[str]

    def draw(self, category: int, rng: np.random.Generator) -> str:
        """A sound for a video: one of its category's own half of the time, if it has any."""
        classes = self.own.get(category, ())
        if classes and rng.random() < 0.5:
            members = classes[int(rng.integers(len(classes)))]
            return members[int(rng.integers(len(members)))]
        return self.anything[int(rng.integers(len(self.anything)))]


def pairing(
    sounds: Sequence[Sound], labels: Sequence[str], without: frozenset[str] = frozenset()
) -> Pairing:
    """The sounds by category; those of the groups in without are left out."""
    own: dict[int, dict[str, list[str]]] = {}
    anything: list[str] = []
    for sound in sounds:
        if sound.group in without and sound.group:
            continue
        if sound.categories == ANY:
            anything.append(sound.key)
        for category in sound.categories:
            kind = sound.key.rsplit("/", 1)[0]
            own.setdefault(labels.index(category), {}).setdefault(kind, []).append(sound.key)
    return Pairing({c: tuple(kinds.values()) for c, kinds in own.items()}, tuple(anything))
