"""A waveform as a log-mel spectrogram, differentiable, and the borders of its bands."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WINDOW = 0.025  # seconds of a spectrum
RANGE = (20.0, 8000.0)  # Hz
PREEMPHASIS, FLOOR = 0.97, 1e-6  # FLOOR: of power, below which it is silence


def mel_matrix(rate: int, size: int, bands: int) -> Tensor:
    """Triangles, equally wide in mel (2595 log10(1 + Hz / 700)): (size // 2 + 1, bands).

    High tones weigh more, as behind Kaldi's pre-emphasis at 16 kHz.
    """
    low, high = (torch.log10(torch.tensor(1 + hz / 700)) for hz in RANGE)
    corners = 700 * (10 ** torch.linspace(float(low), float(high), bands + 2) - 1)  # Hz
    hertz = torch.linspace(0, rate / 2, size // 2 + 1)[:, None]
    rise = (hertz - corners[:-2]) / (corners[1:-1] - corners[:-2])
    fall = (corners[2:] - hertz) / (corners[2:] - corners[1:-1])
    turn = torch.cos(2 * torch.pi * hertz / 16000)
    gain = 1 + PREEMPHASIS**2 - 2 * PREEMPHASIS * turn  # |1 - a exp(-i turn)|^2
    return torch.minimum(rise, fall).clamp(min=0) * gain


def band_borders(at: NDArray[np.float64], bands: int) -> NDArray[np.float64]:
    """The pitch in Hz at which so many bands of `mel_matrix` end and the others begin."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in RANGE)
    mel = low + (at + 0.5) / (bands + 1) * (high - low)
    found: NDArray[np.float64] = 700 * (10 ** (mel / 2595) - 1)
    return found


def frame_step(rate: int, hop: float) -> int:
    """The samples from one frame to the next."""
    return max(1, round(hop * rate))


def log_mel(wave: Tensor, rate: int, bands: int, hop: float) -> Tensor:
    """Waveform (B, S) in [-1, 1] -> natural log of the power per band: (B, bands, frames).

    hop: seconds from one frame to the next; frame i is centred on i * hop. A tone has the same
    power at every rate, that of Kaldi's filter bank at 16 kHz.
    """
    length, step = round(WINDOW * rate), frame_step(rate, hop)
    size = 1 << (length - 1).bit_length()
    wave = wave - wave.mean(dim=1, keepdim=True)
    # Kaldi at 16 kHz has 400 samples in a window and 31.25 Hz from one line to the next.
    scale = 400 / length * (rate / size / 31.25) ** 0.5
    window = torch.hann_window(length, device=wave.device) * scale
    spectrum = torch.stft(
        wave, size, step, length, window, pad_mode="constant", return_complex=True
    )  # (B, size // 2 + 1, frames)
    power = spectrum.real.square() + spectrum.imag.square()
    mel = power.transpose(1, 2) @ mel_matrix(rate, size, bands).to(wave.device)
    return (mel + FLOOR).log().transpose(1, 2)
