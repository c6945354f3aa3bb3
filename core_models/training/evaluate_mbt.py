"""Measure MBTs on GRID's test clips: ``python -m core_models.training.evaluate_mbt MODEL ...``.

Every clip is read from its file as the dashboard reads it. Prints, for picture (V), sound (A) and
both, the share of clips whose colour and digit are named right, with Wilson 95 % intervals, clean
and with white noise added to the sound; how many clips both have right that sound alone has wrong,
and the reverse; and what each model costs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from core_models.checkpoint import load_model
from core_models.clip import Clip, Modality
from core_models.interface import Tokens, presence
from core_models.mbt import MBT
from core_models.media import load_clip
from core_models.registry import find
from core_models.trace import Trace
from core_models.training.grid import DIGITS, LABELS, Utterance, read, split, with_noise
from core_models.training.measure import wilson

NOISES: Mapping[str, float | None] = {"clean": None, "10 dB": 10.0, "0 dB": 0.0, "-10 dB": -10.0}
Guesses = dict[tuple[str, str], list[int]]  # (noise, subset) -> the label of each clip


def merged(seen: Tokens, heard: Tokens) -> Tokens:
    """The picture of one and the sound of the other."""
    parts: tuple[tuple[Modality, Tokens], ...] = (("video", seen), ("audio", heard))
    values = {m: t.values[m] for m, t in parts}
    return Tokens(values, {m: t.keep[m] for m, t in parts}, {**seen.extra, **heard.extra})


@torch.no_grad()
def guess(model: MBT, clip: Clip, seed: int) -> dict[tuple[str, str], int]:
    """What the model says of a clip: of the picture, and for every noise of sound and of both."""
    seen = model.encode(model.prepare(replace(clip, waveform=clip.waveform[:0])))
    given = {("clean", "V"): seen}
    for j, (noise, snr) in enumerate(NOISES.items()):
        wave = clip.waveform
        if snr is not None:
            wave = with_noise(wave, snr, np.random.default_rng((seed, j)))
        blind = replace(clip, frames=clip.frames[:0], times=clip.times[:0], waveform=wave)
        heard = model.encode(model.prepare(blind))
        given |= {(noise, "A"): heard, (noise, "A+V"): merged(seen, heard)}
    return {key: int(model.fuse(tokens).logits.argmax()) for key, tokens in given.items()}


def guesses(models: Sequence[MBT], root: Path, clips: Sequence[Utterance]) -> list[Guesses]:
    """What each model says of all clips; a clip is read once, for models of one frame count."""
    out: list[Guesses] = [{} for _ in models]
    for seed, utterance in enumerate(clips):
        clip = load_clip(root / "clips" / utterance.file, frames=models[0].frames)
        for model, said in zip(models, out, strict=True):
            for key, best in guess(model, clip, seed).items():
                said.setdefault(key, []).append(best)
    return out


def share(right: Collection[bool]) -> str:
    """``81.11% [74.8%, 86.2%]``"""
    part = sum(right) / len(right)
    low, high = wilson(part, len(right))
    return f"{part:6.2%} [{low:.1%}, {high:.1%}]"


def table(name: str, said: Guesses, truth: Sequence[int]) -> None:
    """Rows of noise and subset: both words, colour alone, digit alone."""
    digits = len(DIGITS)
    right = {k: [g == t for g, t in zip(v, truth, strict=True)] for k, v in said.items()}
    for (noise, subset), labels in said.items():
        pairs = list(zip(labels, truth, strict=True))
        colour = [g // digits == t // digits for g, t in pairs]
        digit = [g % digits == t % digits for g, t in pairs]
        row = f"{name:18s} {noise:6s} {subset:3s} {share(right[noise, subset])}"
        row += f"  colour {share(colour)}  digit {share(digit)}"
        if subset == "A+V":
            both = list(zip(right[noise, subset], right[noise, "A"], strict=True))
            row += f"  against A: +{both.count((True, False))} -{both.count((False, True))}"
        print(row, flush=True)


def costs(models: Sequence[MBT], clip: Clip, repeats: int = 15) -> None:
    """Parameters, multiply-adds, and the time of a fusion against the first model's."""
    first = 0.0
    for model in models:
        inputs = model.prepare(clip)
        with torch.no_grad():
            began = time.perf_counter()
            tokens = model.encode(inputs)
            encoding = time.perf_counter() - began
            coalitions: list[tuple[Modality, ...]] = [("video",), ("audio",), ("video", "audio")]
            rows = presence(tokens, coalitions)
            times = []
            for _ in range(repeats):
                began = time.perf_counter()
                model.fuse(tokens, rows)
                times.append(time.perf_counter() - began)
            with FlopCounterMode(display=False) as towers:
                model.encode(inputs, record=Trace())
            with FlopCounterMode(display=False) as fusion:
                model.fuse(tokens, record=Trace())
        fusing = float(np.median(times)) / len(rows)
        first = first or fusing
        count = sum(p.numel() for p in model.parameters()) / 1e6
        macs = [counter.get_total_flops() / 2e9 for counter in (towers, fusion)]
        print(
            f"{model.name:18s} {count:.3f} M parameters, towers {macs[0]:.3f} G and fusion "
            f"{macs[1]:.3f} G multiply-adds, a fusion takes {fusing / first:.2f} of "
            f"{models[0].name}'s and {fusing / encoding:.2f} of its towers' time",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure MBTs on GRID.")
    parser.add_argument("models", nargs="+", help="checkpoint folders or shipped names")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--split", choices=("validate", "test"), default="test")
    args = parser.parse_args()
    root = args.data / "grid"
    clips: tuple[Utterance, ...] = getattr(split(read(root)), args.split)
    models: list[MBT] = []
    for name in args.models:
        model = load_model(find(name))
        if not isinstance(model, MBT) or model.labels != LABELS:
            parser.error(f"{name} is no MBT with GRID's labels")
        models.append(model)
    truth = [u.label for u in clips]
    for model, said in zip(models, guesses(models, root, clips), strict=True):
        table(model.name, said, truth)
    costs(models, load_clip(root / "clips" / clips[0].file, frames=models[0].frames))


if __name__ == "__main__":
    main()
