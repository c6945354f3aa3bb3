"""What the towers read, as input-level methods see it: pixels, the spectrum of the sound, word
embeddings.

The sound stands as its short-time Fourier transform, from which the waveform comes back exactly;
so a method that works on samples also says at which pitch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.clip import Modality, Stream
from core_models.interface import Inputs
from core_models.layout import BandGrid, FrameGrid, Grid
from explain.analysis import Analysis

LINES, STEP = 512, 256  # samples of a spectrum, and from one to the next
COLUMNS, BANDS = 4, 32  # spectra in a cell; bands, equally wide in mel
PIXELS = 4  # along the side of a cell


@dataclass(frozen=True, eq=False)
class Fields:
    """Inputs of the modalities that are on, batch first, and what "nothing there" looks like.

    values, nothing: video (1, T, 3, S, S), audio (1, 2, lines, columns) as real and imaginary
    part, text (1, L, d). grids: the cells that scores are reported on.
    """

    inputs: Inputs
    values: Mapping[Stream, Tensor]
    nothing: Mapping[Stream, Tensor]
    grids: Mapping[Stream, Grid]

    def back(self, values: Mapping[Stream, Tensor]) -> Inputs:
        """As the towers read it; values may have any batch, the same for all."""
        read = cast(dict[Modality, Tensor], dict(values))
        if "audio" in read:
            read["audio"] = waveform(read["audio"], self.inputs.values["audio"].shape[1])
        return replace(self.inputs, values=read)

    def cells(self, modality: Stream, scores: Tensor) -> Tensor:
        """Scores of the shape of `values`, batch included, as sums per cell: (B, N)."""
        if modality == "video":
            return _pixels(scores)
        if modality == "audio":
            return _bands(scores, self.inputs.clip.rate)
        return scores.sum(dim=-1)

    def only(self, keep: Mapping[Stream, Tensor]) -> dict[Stream, Tensor]:
        """Values of the modalities given, with nothing where their cells (B, N) are 0, not 1."""
        out: dict[Stream, Tensor] = {}
        for m, cells in keep.items():
            values, nothing = self.values[m], self.nothing[m]
            if m == "video":
                shown = _of_pixels(cells, values)
            elif m == "audio":
                shown = _of_bands(cells, values, self.inputs.clip.rate)
            else:
                shown = cells[..., None]  # (B, L, 1)
            out[m] = nothing + shown * (values - nothing)
        return out


def fields(analysis: Analysis) -> Fields:
    """Those of the modalities that are on."""
    inputs, blank = analysis.inputs, analysis.model.baseline(analysis.inputs)
    values: dict[Stream, Tensor] = {}
    nothing: dict[Stream, Tensor] = {}
    grids: dict[Stream, Grid] = {}
    for m in analysis.present:
        values[m], nothing[m] = inputs.values[m], blank.values[m]
        if m == "audio":
            values[m], nothing[m] = spectrum(values[m]), spectrum(nothing[m])
        grids[m] = _grid(analysis, m, values[m])
    return Fields(inputs, values, nothing, grids)


def spectrum(wave: Tensor) -> Tensor:
    """Waveform (B, S) -> (B, 2, lines, columns)."""
    window = torch.hann_window(LINES, device=wave.device)
    wave = F.pad(wave, (0, -wave.shape[1] % STEP))  # else the last samples cannot come back
    found = torch.stft(
        wave, LINES, STEP, window=window, pad_mode="constant", return_complex=True
    )  # (B, lines, columns)
    return torch.stack([found.real, found.imag], dim=1)


def waveform(spectra: Tensor, samples: int) -> Tensor:
    """The inverse of `spectrum`: (B, 2, lines, columns) -> (B, S)."""
    window = torch.hann_window(LINES, device=spectra.device)
    found = torch.complex(spectra[:, 0], spectra[:, 1])
    return torch.istft(found, LINES, STEP, window=window, length=samples)


@cache
def corners(rate: int) -> tuple[float, ...]:
    """The borders of the bands in Hz, from 0 to half the rate; equally wide in mel."""
    top = np.log10(1 + rate / 2 / 700)
    return tuple(700 * (10 ** np.linspace(0, top, BANDS + 1) - 1))


def _grid(analysis: Analysis, m: Modality, values: Tensor) -> Grid:
    clip = analysis.clip
    if m == "video":
        side = -(-values.shape[-1] // PIXELS)
        return FrameGrid(clip.times, side, side)
    if m == "audio":
        samples, count = analysis.inputs.values["audio"].shape[1], -(-values.shape[-1] // COLUMNS)
        # A spectrum is centred on its place: the first cell begins half a step before the sound.
        at = (np.arange(count + 1) * COLUMNS - 0.5) * STEP
        edges = np.clip(at, 0, samples) / clip.rate + clip.start
        edges[-1] = samples / clip.rate + clip.start
        return BandGrid(edges, BANDS, np.asarray(corners(clip.rate)))
    return analysis.layout[m]


def _pixels(scores: Tensor) -> Tensor:
    """(B, T, 3, S, S) -> (B, T * rows * cols)"""
    x = scores.sum(dim=2)  # (B, T, S, S)
    short = -x.shape[-1] % PIXELS
    x = F.pad(x, (0, short, 0, short))
    return (F.avg_pool2d(x, PIXELS) * PIXELS**2).flatten(1)


def _bands(scores: Tensor, rate: int) -> Tensor:
    """(B, 2, lines, columns) -> (B, spans * bands), in each span the bands from low to high."""
    x = scores.sum(dim=1)  # (B, lines, columns)
    band = _band(x.shape[1], rate).to(x.device)
    bands = x.new_zeros(len(x), BANDS, x.shape[2]).index_add_(1, band, x)
    bands = F.pad(bands, (0, -bands.shape[2] % COLUMNS))
    spans = bands.unflatten(2, (-1, COLUMNS)).sum(dim=3)  # (B, bands, spans)
    return spans.transpose(1, 2).flatten(1)


def _band(lines: int, rate: int) -> Tensor:
    """The band that each line of a spectrum lies in: (lines,)."""
    hertz = torch.linspace(0, rate / 2, lines)
    return torch.bucketize(hertz, torch.tensor(corners(rate)[1:-1]), right=True)


def _of_pixels(cells: Tensor, values: Tensor) -> Tensor:
    """(B, T * rows * cols) -> (B, T, 1, S, S)"""
    side = values.shape[-1]
    rows = -(-side // PIXELS)
    x = cells.unflatten(1, (-1, 1, rows, rows))
    x = x.repeat_interleave(PIXELS, dim=3).repeat_interleave(PIXELS, dim=4)
    return x[..., :side, :side]


def _of_bands(cells: Tensor, values: Tensor, rate: int) -> Tensor:
    """(B, spans * bands) -> (B, 1, lines, columns)"""
    band = _band(values.shape[2], rate).to(cells.device)
    x = cells.unflatten(1, (1, -1, BANDS)).transpose(2, 3)[:, :, band]  # (B, 1, lines, spans)
    return x.repeat_interleave(COLUMNS, dim=3)[..., : values.shape[3]]
