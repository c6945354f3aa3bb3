"""Sound in words: a small tagger over SoundNet's tokens, and the phrase that its classes make.

The tagger reads windows of a few tokens; a clip's probability of a class is calibrated (Platt
1999). The phrase names the two classes that are heard longest, in the style of audio captions.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.clip import Clip, Word
from core_models.encoders import SoundTower, load_encoder
from core_models.prepare import silent
from core_models.tensors import fill

DESCRIBER = Path(__file__).parent / "weights" / "describer"
TOWER = "soundnet"
PHRASES: Mapping[str, str] = {
    "dog": "a dog is barking",
    "rain": "rain is falling",
    "sea": "waves are breaking",
    "baby": "a baby is crying",
    "clock": "a clock is ticking",
    "sneeze": "a person is sneezing",
    "helicopter": "a helicopter is flying",
    "chainsaw": "a chainsaw is running",
    "rooster": "a rooster is crowing",
    "fire": "a fire is crackling",
    "speech": "a person is speaking",
    "music": "music is playing",
}
UNCLEAR = "an unclear sound"
LEVEL = 0.1  # RMS that the loudest window of a clip is brought to
GATE = 0.1  # of the loudest window's RMS: what is softer is not listened to
TOGETHER = 0.5  # of the shorter sound's windows are shared: the two are heard at once


@dataclass(frozen=True)
class Description:
    """What is heard, in words; confidence: the probability of the least sure class it names.

    tags: every class with its probability, surest first.
    """

    text: str
    confidence: float
    tags: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class TaggerConfig:
    """scale, offset: from a clip's logits to calibrated ones. threshold: of what is named."""

    labels: tuple[str, ...] = tuple(PHRASES)
    feature_width: int = 256
    width: int = 48
    window: int = 5
    scale: float = 1.0
    offset: float = 0.0
    threshold: float = 0.65


def slide(x: Tensor, window: int) -> Tensor:
    """Every window of so many rows, or the whole where there are fewer: (N, d) -> (M, d, W)."""
    return x.unfold(0, min(window, len(x)), 1)


class Tagger(nn.Module):
    """Mean and maximum over a window of tokens -> a logit for each class, by a small MLP."""

    def __init__(self, config: TaggerConfig) -> None:
        super().__init__()
        self.config = config
        self.hidden = nn.Linear(2 * config.feature_width, config.width)
        self.out = nn.Linear(config.width, len(config.labels))

    def pool(self, tokens: Tensor) -> Tensor:
        """(N, d) -> the root of the mean and the maximum of each window: (M, 2 d)."""
        windows = slide(tokens, self.config.window)  # (M, d, W)
        return torch.cat([windows.mean(dim=-1), windows.amax(dim=-1)], dim=-1).sqrt()

    def forward(self, pooled: Tensor) -> Tensor:
        """(M, 2 d) -> (M, classes)."""
        return self.out(F.relu(self.hidden(pooled)))

    def calibrated(self, logits: Tensor) -> Tensor:
        return torch.sigmoid(self.config.scale * logits + self.config.offset)


def over_time(logits: Tensor) -> Tensor:
    """A clip's logits: the mean of each class's surest quarter of the windows. (M, C) -> (C,)."""
    return logits.topk(-(-len(logits) // 4), dim=0).values.mean(dim=0)


def loudness(wave: Tensor, stride: int, window: int) -> Tensor:
    """RMS of each window of tokens: (S,) -> (M,)."""
    count = -(-len(wave) // stride)
    squares = F.pad(wave, (0, count * stride - len(wave))).square().view(count, stride)
    return slide(squares.mean(dim=1, keepdim=True), window).mean(dim=(1, 2)).sqrt()


@torch.no_grad()
def listen(wave: NDArray[np.float32], tower: SoundTower, tagger: Tagger) -> Tensor:
    """The pooled features of the windows that are loud enough: (M, 2 d)."""
    x = torch.from_numpy(wave)
    loud = loudness(x, tower.stride, tagger.config.window)  # (M,)
    device = next(tower.parameters()).device
    tokens = tower((x * (LEVEL / loud.max())).to(device)[None])[0].cpu()  # (N, d)
    return tagger.pool(tokens)[loud >= GATE * loud.max()]


def describe(clip: Clip, tower: SoundTower | None = None) -> Description | None:
    """What is heard in a clip; None when it has no sound, or silent sound.

    tower: SoundNet, where it is loaded already.
    """
    if silent(clip):
        return None
    own, tagger = _parts()
    tower = tower or own
    return interpret(tagger, listen(resample(clip, tower.rate), tower, tagger))


def described(
    clip: Clip,
    hear: Callable[[Clip], Description | None] | None = None,
    by: str = "a small tagger",
) -> tuple[Clip, list[str]]:
    """The clip with its sound in words, if it has no words but sound; and what is to be said.

    hear: who describes it, by default `describe`; by: what that one is called.
    """
    if clip.words or (found := (hear or describe)(clip)) is None:
        return clip, []
    if found.text == UNCLEAR:
        return clip, [f"The sound could not be put into words by {by}: nothing in it is clear."]
    words = tuple(Word(word) for word in found.text.split())
    said = f"The sound was put into words by {by}, {found.confidence:.0%} sure."
    return replace(clip, words=words, text_source="generated"), [said]


@torch.no_grad()
def interpret(tagger: Tagger, pooled: Tensor) -> Description:
    """From the windows' features (M, 2 d) to words."""
    config, logits = tagger.config, tagger(pooled)  # (M, C)
    chances = dict(zip(config.labels, tagger.calibrated(over_time(logits)).tolist(), strict=True))
    tags = tuple(sorted(chances.items(), key=lambda tag: -tag[1]))
    now = tagger.calibrated(logits) >= config.threshold  # (M, C)
    now |= logits == logits.amax(dim=0)  # a class is heard at least where it is surest
    named = [label for label, chance in tags if chance >= config.threshold]
    heard = {label: now[:, config.labels.index(label)].numpy() for label in named}
    text, told = phrase(heard)
    return Description(text, min((chances[label] for label in told), default=tags[0][1]), tags)


def phrase(heard: Mapping[str, NDArray[np.bool_]]) -> tuple[str, tuple[str, ...]]:
    """The words for what is heard in which windows (M,), surest first, and the classes named.

    Two classes at most: those with the largest shares of time, the larger first; or in the order
    in which they are heard, where they follow each other.
    """
    longest = sorted(heard, key=lambda label: -int(heard[label].sum()))[:2]
    if len(longest) < 2:
        return "".join(PHRASES[label] for label in longest) or UNCLEAR, tuple(longest)
    x, y = (heard[label] for label in longest)
    if (x & y).sum() >= TOGETHER * min(x.sum(), y.sum()):
        return " while ".join(PHRASES[label] for label in longest), tuple(longest)
    longest.sort(key=lambda label: float(np.flatnonzero(heard[label]).mean()))
    return ", then ".join(PHRASES[label] for label in longest), tuple(longest)


def resample(clip: Clip, rate: int) -> NDArray[np.float32]:
    """The clip's sound at another rate: (S,)."""
    if clip.rate == rate:
        return clip.waveform
    frame = av.AudioFrame.from_ndarray(clip.waveform[None], format="flt", layout="mono")
    frame.sample_rate = clip.rate
    resampler = av.AudioResampler("flt", "mono", rate)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


def load_tagger(folder: Path) -> Tagger:
    """The trained tagger of a folder; CheckpointError where its weights do not fit."""
    values = json.loads((folder / "config.json").read_text())
    tagger = Tagger(TaggerConfig(**{**values, "labels": tuple(values["labels"])}))
    fill(tagger, folder / "model.safetensors", folder.name)
    return tagger.eval()


def _parts() -> tuple[SoundTower, Tagger]:
    """Tower and tagger; loaded once, also when two ask at once."""
    with _LOADING:
        return _load()


_LOADING = threading.Lock()


@cache
def _load() -> tuple[SoundTower, Tagger]:
    tower = load_encoder(TOWER)
    assert isinstance(tower, SoundTower)
    return tower, load_tagger(DESCRIBER)
