"""What held-out clips look like to a model: ``python -m core_models.training.reference MODEL``.

Writes reference.safetensors into the model's folder, from clips that it was trained on and clips
that it was not, and prints how many clips of each data set it then calls outside.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from core_models.clip import MODALITIES, Clip, Modality, Word
from core_models.interface import Model
from core_models.media import load_clip
from core_models.micap import MICap
from core_models.reference import (
    OUTSIDE,
    Reference,
    familiarity,
    fit,
    joint,
    load_reference,
    save_reference,
)
from core_models.registry import find, load
from core_models.training import grid
from core_models.training.audio_captions import LEARNT, UNSEEN
from core_models.training.data import Msrvtt, Video, each_picture, read
from core_models.training.grid import Utterance
from core_models.training.prepare import held_out, sound_folders
from core_models.training.prepare_micap import hear_in_words
from core_models.training.sounds import collect, waveforms

MOST = 400  # clips of a set
RATE = 22050
NO_FRAMES = np.zeros((0, 1, 1, 3), np.uint8)
Pooled = dict[Modality, Tensor]


def made(
    frames: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = NO_FRAMES,
    said: str = "",
    wave: np.ndarray[tuple[int], np.dtype[np.float32]] | None = None,
) -> Clip:
    """A clip of ten seconds, or as long as its sound, from its parts."""
    wave = np.zeros(0, np.float32) if wave is None else wave
    seconds = len(wave) / RATE or 10.0
    times = (np.arange(len(frames)) + 0.5) * seconds / max(1, len(frames))
    words = tuple(Word(w) for w in said.split())
    size = (frames.shape[2], frames.shape[1])
    return Clip("made", "", frames, times, wave, RATE, words, 0.0, seconds, seconds, size)


def caption(video: Video) -> str:
    """The first caption of a video."""
    return video.captions[0]


def pictures(
    data: Msrvtt, videos: Sequence[Video], said: Callable[[Video], str] = caption
) -> Iterator[Clip]:
    """MSR-VTT's frames, each video with a text."""
    for video, frames in each_picture(data, spread([v for v in videos if v.frames])):
        yield made(np.stack(frames), said(video))


def heard(folder: Path, fold: Callable[[int], bool]) -> Iterator[Clip]:
    """Real sounds without pictures; the labelled clips are never among them."""
    sounds = [s for s in collect(sound_folders(folder)) if not s.group]
    for i, (_, wave) in enumerate(waveforms(sounds, RATE)):
        if fold(i):
            yield made(wave=wave)


def commands(folder: Path, utterances: Sequence[Utterance], frames: int) -> Iterator[Clip]:
    """GRID's clips with their six words."""
    for said in utterances:
        yield load_clip(folder / "clips" / said.file, text=" ".join(said.words), frames=frames)


def spread(items: Sequence[Video]) -> Sequence[Video]:
    """At most MOST of some videos, evenly."""
    step = max(1, len(items) // MOST)
    return items[::step][:MOST]


@torch.no_grad()
def vectors(model: Model, clips: Iterable[Clip]) -> Pooled:
    """The pooled tokens of many clips, by modality: (N, d)."""
    rows: dict[Modality, list[Tensor]] = {}
    for clip in clips:
        for m, x in joint(model, model.encode(model.prepare(clip))).items():
            rows.setdefault(m, []).append(x[0].cpu())
    return {m: torch.stack(x) for m, x in rows.items()}


def on_msrvtt(model: Model, root: Path, cache: Path) -> tuple[Pooled, Pooled, Pooled]:
    """Vectors of training clips, held-out clips and validation pairs of picture and words."""
    data = read(root / "msrvtt")
    train, tenth = held_out(data.split("train"))
    if isinstance(model, MICap):
        known, apart = (
            vectors(model, pictures(data, part, _audio_captions(model, part, texts, root, cache)))
            for part, texts in ((train, LEARNT), (tenth, UNSEEN))
        )
        return known, apart, apart
    known = vectors(model, pictures(data, train))
    apart = vectors(model, pictures(data, data.split("validate")))
    pairs = dict(apart)
    if "audio" in model.modalities:
        known |= vectors(model, heard(root, lambda i: i % 5 > 0))
        apart |= vectors(model, heard(root, lambda i: i % 5 == 0))
    return known, apart, pairs


def on_grid(model: Model, root: Path, cache: Path) -> tuple[Pooled, Pooled, Pooled]:
    """The same of GRID, where all modalities of a clip belong together."""
    folder = root / "grid"
    parts = grid.split(grid.read(folder))
    known = vectors(model, commands(folder, parts.train[:MOST], model.frames))
    apart = vectors(model, commands(folder, parts.test, model.frames))
    return known, apart, apart


def outside(reference: Reference, model: Model, clips: Iterable[Clip]) -> str:
    """How many clips of a set lie outside, by modality and in all."""
    flags: list[dict[Modality, bool]] = []
    for clip in clips:
        with torch.no_grad():
            here = joint(model, model.encode(model.prepare(clip)))
        places = familiarity(reference, here)
        flags.append({m: place.rank >= OUTSIDE for m, place in places.items()})
    said = [
        f"{m} {np.mean([f[m] for f in flags if m in f]):.1%}"
        for m in MODALITIES
        if any(m in f for f in flags)
    ]
    return f"{np.mean([any(f.values()) for f in flags]):.1%} of {len(flags)} ({', '.join(said)})"


def others(model: Model, root: Path) -> Iterator[tuple[str, Iterable[Clip]]]:
    """Sets of clips that a model may or may not know."""
    data = read(root / "msrvtt")
    yield "MSR-VTT test", pictures(data, data.split("test")[::10], lambda _: "")
    held = grid.split(grid.read(root / "grid")).test
    yield "GRID test", commands(root / "grid", held[:100], model.frames)
    files = sorted((root / "clips").glob("*.*"))
    real = (load_clip(f, frames=model.frames) for f in files if f.suffix != ".csv")
    yield "labelled clips", real
    rng = np.random.default_rng(0)
    noise = (
        made(
            rng.integers(0, 256, (model.frames, 120, 160, 3), dtype=np.uint8),
            wave=rng.normal(0, 0.2, 3 * RATE).astype(np.float32),
        )
        for _ in range(50)
    )
    yield "noise", noise


def _audio_captions(
    model: MICap, videos: Sequence[Video], parts: Sequence[str], root: Path, cache: Path
) -> Callable[[Video], str]:
    """The audio caption that goes best with each video, as in training."""
    found = hear_in_words(model.config, videos, parts, 1, root, cache, print)
    return lambda video: found.texts[found.choices[video.name][0]]


SETS = {"msrvtt": on_msrvtt, "grid": on_grid}


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what held-out clips look like.")
    parser.add_argument("model", help="a checkpoint folder or a shipped name")
    parser.add_argument("--on", choices=list(SETS), required=True, help="what it was trained on")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    args = parser.parse_args()
    model, folder = load(args.model, torch.device("cpu")), find(args.model)
    known, apart, pairs = SETS[args.on](model, args.data, args.cache)
    joined = {
        f"{a}-{b}": (pairs[a], pairs[b])
        for a, b in itertools.combinations(MODALITIES, 2)
        if a in pairs and b in pairs
    }
    made_of = fit(known, apart, joined)
    if isinstance(model, MICap):  # the describer's short phrases are unlike AudioCaps' sentences
        made_of = replace(made_of, far={"video": made_of.far["video"]})
    save_reference(made_of, folder)
    reference = load_reference(folder)
    assert reference is not None
    for pair in joined:
        table = reference.matched[pair][:, None] > reference.other[pair][None]
        print(f"{pair}: pairs told apart {table.float().mean():.1%} of the time", flush=True)
    for name, clips in others(model, args.data):
        print(f"outside, {name}: {outside(reference, model, clips)}", flush=True)


if __name__ == "__main__":
    main()
