"""A model that reads one patch of one frame, one span and band of the sound, and one word."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.clip import MODALITIES, Clip, Modality
from core_models.interface import Inputs, Output, Tokens
from core_models.layout import BandGrid, FrameGrid, Layout, WordGrid
from core_models.trace import Trace, attend

SIDE, CELLS = 32, 4  # pixels along a frame, and cells
SPANS, HERTZ = 8, (0.0, 500.0, 1100.0, 3000.0, 11025.0)  # spans of the sound; borders of bands
FRAME, ROW, COLUMN, SPAN, BAND, WORD = 1, 1, 1, 4, 1, 4  # what is read
PLANTED: Mapping[Modality, int] = {
    "video": (FRAME * CELLS + ROW) * CELLS + COLUMN,
    "audio": SPAN * (len(HERTZ) - 1) + BAND,
    "text": WORD,
}  # the token that holds it


class PlantedModel:
    """Tokens (B, N, 2) are a key and a value. The tokens of a modality read each other: all read
    the planted one, whose key is large. unread: modalities that do not count for the answer.
    """

    name = "planted"
    labels: tuple[str, ...] = ("found", "other")
    modalities: tuple[Modality, ...] = MODALITIES
    needs: tuple[Modality, ...] = ()
    frames = 3

    def __init__(self, unread: tuple[Modality, ...] = ()) -> None:
        self.unread = unread

    def prepare(self, clip: Clip) -> Inputs:
        """Frames as (1, T, 3, S, S) with grey at 0, the waveform, and every word as ones."""
        x = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float() / 255 - 0.5
        video = F.interpolate(x, size=(SIDE, SIDE), mode="area")[None]
        audio, text = torch.from_numpy(clip.waveform)[None], torch.ones(1, len(clip.words), 4)
        values: dict[Modality, Tensor] = {"video": video, "audio": audio, "text": text}
        return Inputs(values, clip, tuple(range(len(clip.words))))

    def encode(self, inputs: Inputs, record: Trace | None = None) -> Tokens:
        """A value is the mean of a patch, the loudness of a band or the mean of a word."""
        found: dict[Modality, Tensor] = {}
        for m in self.modalities:
            x = inputs.values.get(m)
            read = torch.zeros(1, 0) if x is None else self._read(m, x, inputs.clip.rate)  # (B, N)
            planted = torch.arange(read.shape[1]) == PLANTED[m]
            key, value = planted * 6.0 * torch.ones_like(read), read * (0.1 + 0.9 * planted)
            found[m] = torch.stack([key, value], dim=-1)
        keep = {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in found.items()}
        return Tokens(found, keep)

    def _read(self, m: Modality, x: Tensor, rate: int) -> Tensor:
        if m == "video":
            means = F.avg_pool2d(x.flatten(0, 1), SIDE // CELLS).mean(dim=1)  # (B * T, 4, 4)
            return means.unflatten(0, x.shape[:2]).flatten(1)
        if m == "text":
            return x.mean(dim=-1)
        spans = F.pad(x, (0, -x.shape[1] % SPANS)).unflatten(1, (SPANS, -1))  # (B, spans, samples)
        power = torch.fft.rfft(spans, norm="forward").abs().square()  # (B, spans, lines)
        band = torch.bucketize(
            torch.linspace(0, rate / 2, power.shape[-1]), torch.tensor(HERTZ[1:-1])
        )
        bands = power.new_zeros(*power.shape[:2], len(HERTZ) - 1).index_add_(2, band, power)
        return (bands + 1e-6).sqrt().flatten(1) - 1e-3

    def fuse(
        self,
        tokens: Tokens,
        present: Tensor | None = None,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Output:
        tokens = tokens.only(present)
        rows = len(next(iter(tokens.keep.values())))
        total = torch.zeros(rows)
        for m in (m for m, n in tokens.sizes.items() if n):
            key, value = tokens.values[m].split(1, dim=-1)  # (B, N, 1) each
            name, keep = f"fusion.0.{m}<-{m}", tokens.keep[m]
            out = attend(
                torch.ones_like(key)[:, None], key[:, None], value[:, None],
                keep=keep, record=record, name=name,
            )[:, 0, :, 0]  # fmt: skip
            mean = (out * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1)  # (B,)
            total = total + (m not in self.unread) * mean
        return Output(torch.stack([total + 0.2 * total.square(), torch.zeros(rows)], dim=1))

    def layout(self, inputs: Inputs) -> Layout:
        clip = inputs.clip
        edges = np.linspace(clip.start, clip.start + clip.duration, SPANS + 1)
        return {
            "video": FrameGrid(clip.times, CELLS, CELLS),
            "audio": BandGrid(edges, len(HERTZ) - 1, np.array(HERTZ)),
            "text": WordGrid(clip.words, np.arange(len(clip.words))),
        }

    def baseline(self, inputs: Inputs) -> Inputs:
        return replace(inputs, values={m: torch.zeros_like(x) for m, x in inputs.values.items()})
