"""SoundNet: 1-d convolutions over the raw waveform."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

PIECE = 2**15  # samples that a layer hears at a time


class SoundTower(nn.Module):
    """SoundNet (Aytar et al. 2016, arXiv:1610.09001): 1-d convolutions over the raw waveform."""

    # out channels, kernel, stride, padding, pooling behind it
    LAYERS = (
        (16, 64, 2, 32, 8),
        (32, 32, 2, 16, 8),
        (64, 16, 2, 8, 1),
        (128, 8, 2, 4, 1),
        (256, 4, 2, 2, 4),
        (512, 4, 2, 2, 1),
        (1024, 4, 2, 2, 1),
    )

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.rate = int(config["rate"])
        self.convs = nn.ModuleList()
        self.stride, width = 1, 1
        for channels, kernel, stride, padding, pool in self.LAYERS[: config["depth"]]:
            self.convs.append(
                nn.Sequential(
                    nn.Conv1d(width, channels, kernel, stride, padding),
                    nn.BatchNorm1d(channels, eps=1e-5),
                    nn.ReLU(),
                    nn.MaxPool1d(pool) if pool > 1 else nn.Identity(),
                )
            )
            self.stride, width = self.stride * stride * pool, channels
        self.width = width

    def tokens(self, samples: int) -> int:
        """How many tokens a waveform of so many samples gives: every started stride is one."""
        return -(-samples // self.stride)

    def edges(self, samples: int) -> NDArray[np.float64]:
        """The borders of the tokens in seconds: (N + 1,)."""
        at = np.arange(self.tokens(samples) + 1) * self.stride
        return np.minimum(at, samples) / self.rate

    def forward(self, x: Tensor) -> Tensor:
        """Mono waveform (B, S) in [-1, 1] -> (B, N, d)."""
        count, size = self.tokens(x.shape[1]), PIECE
        x = F.pad(x, (0, (count + 1) * self.stride - x.shape[1]))[:, None] * 256  # (B, 1, S')
        for layer, (_, _, stride, _, pool) in zip(self.convs, self.LAYERS, strict=False):
            x = in_pieces(layer, x, size)
            size //= stride * pool
        return x[..., :count].transpose(1, 2)


def in_pieces(layer: Any, x: Tensor, size: int) -> Tensor:
    """A convolution over (B, C, S) and what follows it, over so many samples at a time.

    The same numbers as layer(x). Every piece has the same shape: for each new one oneDNN makes
    tables that it keeps, of ten minutes of sound 100 MB, so that a server would grow with every
    clip of another length. Less is held at once, too.
    """
    conv, norm, relu, pool = layer.children()
    (kernel,), (stride,), (pad,) = conv.kernel_size, conv.stride, conv.padding
    every = getattr(pool, "kernel_size", 1)
    count = ((x.shape[-1] + 2 * pad - kernel) // stride + 1) // every
    pieces = -(-count * every * stride // size)
    span = size + kernel - stride  # of a piece, with what its last step reads
    x = F.pad(x, (pad, (pieces - 1) * size + span - pad - x.shape[-1]))
    convolve = by_phase if x.shape[1] == 1 else F.conv1d
    made = (
        pool(relu(norm(convolve(piece, conv.weight, conv.bias, conv.stride))))
        for piece in x.unfold(-1, span, size).unbind(-2)
    )
    if x.requires_grad:
        return torch.cat(list(made), -1)[..., :count]  # (B, C', count)
    # Small results between large ones that are freed would keep the heap from shrinking.
    out = x.new_empty(len(x), conv.out_channels, pieces, size // stride // every)
    for i, part in enumerate(made):
        out[:, :, i] = part
    return out.flatten(2)[..., :count]


def by_phase(x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int]) -> Tensor:
    """A convolution of one channel (B, 1, S) in steps of 2, over its even and its odd samples.

    The same numbers as `F.conv1d`, in a fifth of the time. Kernel and S are even.
    """
    assert stride == (2,)
    pairs = x[:, 0].unflatten(1, (-1, 2)).mT  # (B, 2, S / 2)
    return F.conv1d(pairs.contiguous(), weight[:, 0].unflatten(1, (-1, 2)).mT, bias)
