"""Samples for a captioner: a video in some of its frames, some captions, perhaps an audio caption.

The captions of one video share its frames within a batch, so its tokens are made once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from core_models.caption_decoder import END, START
from core_models.clip import Modality
from core_models.micap_config import MARKS
from core_models.training.audio_captions import Matched
from core_models.training.batches import Array, pad, show
from core_models.training.data import Video
from core_models.training.features import Features, Ragged


def plain(caption: str) -> str:
    """In lower case, without punctuation."""
    return " ".join(re.findall(r"[a-z0-9]+", caption.lower()))


def spell(
    tokenizer: PreTrainedTokenizerFast, videos: Iterable[Video]
) -> dict[str, list[list[str]]]:
    """The word pieces of every caption, by video."""
    return {v.name: [tokenizer.tokenize(plain(said)) for said in v.captions] for v in videos}


def vocabulary(spelled: Mapping[str, Sequence[Sequence[str]]], least: int) -> tuple[str, ...]:
    """The marks, and the pieces that occur at least so often, the most frequent first."""
    counts = Counter(p for captions in spelled.values() for pieces in captions for p in pieces)
    return (*MARKS, *(piece for piece, count in counts.most_common() if count >= least))


def numbered(
    spelled: Mapping[str, Sequence[Sequence[str]]], words: Sequence[str], longest: int
) -> dict[str, list[list[int]]]:
    """Pieces as numbers with the end behind them; captions with rare pieces are out, as are those
    with so many pieces as longest."""
    index = {piece: i for i, piece in enumerate(words)}
    return {
        name: [
            [*(index[p] for p in pieces), END]
            for pieces in captions
            if 0 < len(pieces) < longest and all(p in index for p in pieces)
        ]
        for name, captions in spelled.items()
    }


@dataclass(frozen=True)
class CaptionMix:
    """How captions are drawn.

    unseen: how many videos without a picture join a batch; captions: of each video. frames: at
    most so many of a video; cells: share of each that is shown. video, text: chance that picture
    and audio caption are shown; alone: of the audio caption of a video without a picture. drop:
    share of words that are left out of what the decoder reads; of the audio caption twice as many.
    """

    unseen: int = 8
    captions: int = 4
    frames: int = 2
    cells: float = 0.5
    video: float = 0.9
    text: float = 0.25
    alone: float = 0.5
    drop: float = 0.1


@dataclass(frozen=True, eq=False)
class CaptionBatch:
    """Padded features (B, N, d), which of them exist, and which of them may be seen.

    begun, pieces: what the decoder reads and is to say, (B * captions, L); a piece that is -1 does
    not count.
    """

    values: Mapping[Modality, Tensor]
    keep: Mapping[Modality, Tensor]
    shown: Mapping[Modality, Tensor]
    times: Tensor
    begun: Tensor
    pieces: Tensor


class CaptionSampler:
    """Draws batches of training videos; every draw depends on the rng alone."""

    def __init__(
        self,
        frames: Ragged,
        heard: Matched,
        pieces: Mapping[str, Sequence[Sequence[int]]],
        mix: CaptionMix,
    ) -> None:
        self.features = Features(frames, heard.rows, heard.rows)
        self.heard, self.pieces, self.mix = heard, pieces, mix

    def draw(self, names: Sequence[str], rng: np.random.Generator) -> CaptionBatch:
        """Some captions of each video, all with a picture or all without."""
        mix, video = self.mix, self.features.video
        none = (video.rows[:0], np.zeros(0))
        seen = [self._seen(name, rng) if name in video else none for name in names]
        heard = [self._heard(name, rng) for name in names]
        said = [self._said(name, rng) for name in names]
        cells = [x.reshape(-1, x.shape[-1]) for x, _ in seen]
        values: dict[Modality, Tensor] = {}
        keep: dict[Modality, Tensor] = {}
        values["video"], keep["video"] = pad(cells, max(len(x) for x in cells))
        values["text"], keep["text"] = pad(heard)
        times = torch.zeros(len(names), max(len(at) for _, at in seen))
        for row, (_, at) in zip(times, seen, strict=True):
            row[: len(at)] = torch.from_numpy(at)
        begun, pieces = self._script([pieces for captions in said for pieces in captions], rng)
        chances: dict[Modality, float] = {
            "video": mix.video,
            "text": mix.text if names[0] in video else mix.alone,
        }
        shown = {
            m: keep[m] & torch.from_numpy(rng.random((len(names), 1)) < chances[m]) for m in keep
        }
        return CaptionBatch(values, keep, shown, times, begun, pieces)

    def _seen(self, name: str, rng: np.random.Generator) -> tuple[Array, NDArray[np.float64]]:
        """Some cells of some frames of a video: (T, cells, d), and the frames' times."""
        frames, times = show(self.features, name, self.mix.frames, rng)
        count = frames.shape[1]
        cells = np.sort(rng.permutation(count)[: max(1, round(self.mix.cells * count))])
        return frames[:, cells], times

    def _heard(self, name: str, rng: np.random.Generator) -> Array:
        """One of the audio captions that go with a video, without some of its pieces."""
        rows = self.heard.rows[str(rng.choice(self.heard.choices[name]))]
        there = rng.random(len(rows)) >= 2 * self.mix.drop
        return rows[there] if there.any() else rows

    def _said(self, name: str, rng: np.random.Generator) -> list[Sequence[int]]:
        """Some of a video's captions; one that has few says them again."""
        captions = self.pieces[name]
        picked = np.resize(rng.permutation(len(captions)), self.mix.captions)
        return [captions[i] for i in picked.tolist()]

    def _script(
        self, said: Sequence[Sequence[int]], rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """What is read, with some words blanked by the start mark, and what is to be said."""
        pieces = np.full((len(said), max(map(len, said))), -1)
        for row, one in zip(pieces, said, strict=True):
            row[: len(one)] = one
        blank = (rng.random(pieces.shape) < self.mix.drop) | (pieces < 0)
        begun = np.where(blank, START, pieces)[:, :-1]
        return torch.from_numpy(np.pad(begun, ((0, 0), (1, 0)))), torch.from_numpy(pieces)
