"""The two vision transformers of MBT, up to where they are fused: over frames and over sound."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.spectrogram import band_borders, frame_step, log_mel
from core_models.trace import Trace, in_parts
from core_models.vit import Tower

FUSIONS = ("bottleneck", "latent", "late")
MOST_CELLS = 2**26  # of the table of labels and their words


@dataclass(frozen=True)
class MBTConfig:
    """Sizes; the defaults are the shipped model.

    factorised: a label's logit is the sum of those of its words, each at its place in the label.
    motion: patches see grey and its change from the frame before and to the frame behind.
    frame_layers: so many first layers of the picture look at one frame at a time, which costs
    less; the paper has none. mel_frames: of a spectrogram; those of a longer sound lie further
    apart. hop: seconds. class_tokens: of picture and sound (AST has two).
    """

    labels: tuple[str, ...]
    fusion: str = "bottleneck"
    factorised: bool = True
    motion: bool = True
    frames: int = 25
    image_size: int = 120
    patch: int = 20
    pixel_mean: float = 0.5
    pixel_std: float = 0.5
    mel_bands: int = 64
    mel_frames: int = 300
    mel_mean: float = -4.0
    mel_std: float = 4.0
    hop: float = 0.01
    audio_patch: tuple[int, int] = (64, 8)  # bands, frames
    audio_stride: tuple[int, int] = (64, 4)
    class_tokens: tuple[int, int] = (1, 1)
    width: int = 96
    heads: int = 4
    depth: int = 5
    frame_layers: int = 1
    fusion_layer: int = 3
    bottlenecks: int = 4
    mlp_ratio: float = 2.0
    dropout: float = 0.1

    def fault(self) -> str:
        """What cannot be, naming the field; empty where nothing is wrong."""
        if self.fusion not in FUSIONS:
            return f"has an unknown fusion {self.fusion!r}; known: {', '.join(FUSIONS)}"
        if self.heads < 1 or self.width < 1 or self.width % self.heads:
            return f"has a width of {self.width}, which {self.heads} heads cannot share"
        if not 0 <= self.frame_layers <= self.fusion_layer < self.depth:
            return "needs frame_layers, fusion_layer and depth in rising order"
        if self.patch < 1 or self.image_size < 1 or self.image_size % self.patch:
            return f"has an image_size of {self.image_size}, which patch {self.patch} cannot share"
        for name in ("audio_patch", "audio_stride", "class_tokens"):
            pair = getattr(self, name)
            if len(pair) != 2 or not all(isinstance(n, int) and n > 0 for n in pair):
                return f"needs two numbers above 0 as {name}"
        if self.audio_patch[0] > self.mel_bands or self.audio_patch[1] > self.mel_frames:
            return "has an audio_patch larger than the spectrogram"
        if len(self.labels) * sum(len(x.split()) for x in self.labels) > MOST_CELLS:
            return "has more labels than can be told apart by their words"
        for name in ("frames", "bottlenecks"):
            if getattr(self, name) < 1:
                return f"needs {name} of 1 at least"
        return ""


class PictureTower(Tower):
    """The patches of all frames in a row; positions in the frame, and in time."""

    def __init__(self, config: MBTConfig, words: int) -> None:
        side, patch = config.image_size // config.patch, (config.patch, config.patch)
        grid = (side, side)
        super().__init__(3, patch, patch, grid, config.class_tokens[0], config, words, 1e-6)
        self.config = config
        self.times = nn.Parameter(torch.zeros(config.frames, config.width))

    def forward(
        self,
        frames: Tensor,
        at: Tensor,
        cells: Tensor | None = None,
        record: Trace | None = None,
        at_once: int | None = None,
    ) -> Tensor:
        """Frames (B, T, 3, S, S) at relative times (T,) in [0, 1] -> (B, classes + T * cells, d).

        cells (B, n): look at these alone, the same in every frame. at_once: frames in the layers
        that see one frame at a time; None: all.
        """
        batch, count = frames.shape[:2]
        if cells is None:
            cells = torch.arange(self.grid[0] * self.grid[1], device=at.device).expand(batch, -1)
        strips = cut_out(frames, cells, self.config.patch)  # (B, T, 3, p, n * p)
        if self.config.motion:
            strips = with_motion(strips)
        x = self.patch_embed(strips.flatten(0, 1))[:, :, 0].transpose(1, 2)  # (B * T, n, d)
        slots = (at * len(self.times)).long().clamp(0, len(self.times) - 1)
        place = self.pos_embed[0, self.classes :][cells][:, None] + self.times[slots][:, None]
        x = x.unflatten(0, (batch, count)) + place  # (B, T, n, d)
        x = self.lead(x.flatten(0, 1))
        split = self.config.frame_layers

        def alone(some: Tensor, kept: Trace | None) -> Tensor:
            return self.walk(some, 0, split, "video", kept)

        x = in_parts(alone, x, record, at_once).unflatten(0, (batch, count))
        front, x = x[:, :, : self.classes].mean(dim=1), x[:, :, self.classes :].flatten(1, 2)
        return self.walk(
            torch.cat([front, x], dim=1), split, self.config.fusion_layer, "video", record
        )


class SoundTower(Tower):
    """The patches of a log-mel spectrogram, by time and in each time from low to high."""

    def __init__(self, config: MBTConfig, words: int) -> None:
        sizes = (config.mel_bands, config.mel_frames)
        steps = zip(sizes, config.audio_patch, config.audio_stride, strict=True)
        rows, columns = ((size - patch) // stride + 1 for size, patch, stride in steps)
        grid, classes = (rows, columns), config.class_tokens[1]
        super().__init__(
            1, config.audio_patch, config.audio_stride, grid, classes, config, words, 1e-12
        )
        self.config = config

    def hop(self, samples: int, rate: int) -> float:
        """Seconds between the frames of a spectrogram."""
        return max(self.config.hop, samples / rate / self.config.mel_frames)

    def spectrogram(self, wave: Tensor, rate: int) -> Tensor:
        """Waveform (B, S) -> normalised log-mel (B, bands, at most mel_frames)."""
        c = self.config
        mel = log_mel(wave, rate, c.mel_bands, self.hop(wave.shape[1], rate))
        mel = (mel[..., : c.mel_frames] - c.mel_mean) / c.mel_std
        return F.pad(mel, (0, max(0, c.audio_patch[1] - mel.shape[-1])))

    def forward(self, mel: Tensor, record: Trace | None = None) -> Tensor:
        """Spectrogram (B, bands, frames) -> (B, classes + N, d)."""
        x = self.patch_embed(mel[:, None]).permute(0, 3, 2, 1)  # (B, columns, rows, d)
        place = self.pos_embed[0, self.classes :].unflatten(0, self.grid).transpose(0, 1)
        x = self.lead((x + place[: x.shape[1]]).flatten(1, 2))
        return self.walk(x, 0, self.config.fusion_layer, "audio", record)

    def edges(self, samples: int, rate: int) -> NDArray[np.float64]:
        """The borders of the columns of patches in seconds; where two overlap, in the middle."""
        c, end = self.config, samples / rate
        step = frame_step(rate, self.hop(samples, rate))
        frames = max(c.audio_patch[1], min(c.mel_frames, samples // step + 1))
        columns = (frames - c.audio_patch[1]) // c.audio_stride[1] + 1
        lap = (c.audio_patch[1] - c.audio_stride[1]) / 2
        inner = (np.arange(1, columns) * c.audio_stride[1] + lap) * step / rate
        return np.concatenate([[0.0], inner, [end]])

    def hertz(self) -> NDArray[np.float64]:
        """The borders of the rows of patches in Hz; where two overlap, in the middle."""
        c, rows = self.config, self.grid[0]
        lap = (c.audio_patch[0] - c.audio_stride[0]) / 2
        inner = np.arange(1, rows) * c.audio_stride[0] + lap
        return band_borders(np.concatenate([[0.0], inner, [c.mel_bands]]), c.mel_bands)


def cut_out(frames: Tensor, cells: Tensor, patch: int) -> Tensor:
    """Some cells (B, n) of frames (B, T, channels, S, S) in a row: (B, T, channels, p, n * p)."""
    columns = frames.shape[-1] // patch
    x = frames.unflatten(4, (columns, patch)).unflatten(3, (-1, patch))
    row = torch.arange(len(x), device=x.device)[:, None]
    x = x[row, :, :, cells // columns, :, cells % columns]  # (B, n, T, channels, p, p)
    return x.permute(0, 2, 3, 4, 1, 5).flatten(4)


def with_motion(frames: Tensor) -> Tensor:
    """(B, T, channels, H, W) -> (B, T, 3, H, W): grey, its change from the frame before, and its
    change to the frame behind; 0 where there is none.
    """
    grey = frames.mean(dim=2)  # (B, T, H, W)
    change = F.pad(grey[:, 1:] - grey[:, :-1], (0, 0, 0, 0, 1, 1))  # (B, T + 1, H, W)
    return torch.stack([grey, change[:, :-1], change[:, 1:]], dim=2)
