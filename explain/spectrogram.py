"""A log-mel spectrogram, for the eye: no model reads it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray


def mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2595 * np.log10(1 + hz / 700)


def mel_matrix(bands: int, bins: int, rate: int) -> NDArray[np.float32]:
    """Triangles, equally spaced in mel: (bands, bins)."""
    points = np.linspace(0, float(mel(np.array(rate / 2))), bands + 2)
    at = mel(np.linspace(0, rate / 2, bins))  # (bins,)
    left, centre, right = points[:-2, None], points[1:-1, None], points[2:, None]
    up, down = (at - left) / (centre - left), (right - at) / (right - centre)
    return np.clip(np.minimum(up, down), 0, None).astype(np.float32)


BANDS = 80


def heights(hertz: NDArray[np.float64], rate: int, bands: int = BANDS) -> NDArray[np.float64]:
    """Where frequencies lie on the picture that `log_mel` makes: 0 is its lower edge, 1 its upper.

    A band is centred on the top of its triangle, so the picture ends half a band from 0 Hz.
    """
    step = float(mel(np.array(rate / 2))) / (bands + 1)
    return np.clip((mel(hertz) / step - 0.5) / bands, 0, 1)


def log_mel(
    waveform: NDArray[np.float32], rate: int, width: int = 960, bands: int = BANDS
) -> NDArray[np.float32]:
    """Mono waveform -> (bands, columns) in [0, 1], low bands first; 80 dB below the peak is 0."""
    window = 1024
    hop = max(256, len(waveform) // width)
    spectrum = torch.stft(
        torch.from_numpy(waveform),
        window,
        hop,
        window=torch.hann_window(window),
        return_complex=True,
        pad_mode="constant",
    ).abs()  # (bins, columns)
    power = torch.from_numpy(mel_matrix(bands, len(spectrum), rate)) @ spectrum.square()
    decibels = 10 * torch.log10(power.clamp(min=1e-10)).numpy()
    return np.clip((decibels - max(decibels.max(), -20.0) + 80) / 80, 0, 1).astype(np.float32)
