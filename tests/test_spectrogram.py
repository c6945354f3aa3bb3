"""Spectrograms: the same at every rate, differentiable, and their patches placed in time."""

from __future__ import annotations

import numpy as np
import torch

from core_models.layout import BandGrid
from core_models.spectrogram import band_borders, log_mel


def test_a_tone_is_in_its_band_at_any_rate_and_gradients_reach_the_waveform() -> None:
    peaks = []
    for rate in (16000, 22050, 44100):
        wave = torch.sin(2 * torch.pi * 1000 * torch.arange(rate) / rate)[None]
        mel = log_mel(wave, rate, 64, 0.01)[0, :, 50]
        peaks.append((int(mel.argmax()), round(float(mel.max()), 1)))
    assert len(set(peaks)) == 1
    wave = torch.randn(1, 4000).requires_grad_()
    (grad,) = torch.autograd.grad(log_mel(wave, 16000, 8, 0.01).sum(), wave)
    assert grad.isfinite().all() and grad.any()


def test_a_tone_between_two_borders_is_loudest_in_the_band_there() -> None:
    borders = band_borders(np.arange(33.0), 32)
    assert (np.diff(borders) > 0).all()
    for band in (8, 17, 29):
        hertz = float(borders[band] + borders[band + 1]) / 2
        wave = torch.sin(2 * torch.pi * hertz * torch.arange(16000) / 16000)[None]
        assert int(log_mel(wave, 16000, 32, 0.01)[0, :, 50].argmax()) == band


def test_spectrogram_bands_are_summed_on_their_span() -> None:
    grid = BandGrid(np.array([0.0, 1.0, 2.0]), bands=2)
    assert grid.size == 4
    np.testing.assert_array_equal(grid.spread(np.array([1.0, 2.0, 3.0, 4.0])), [3.0, 7.0])
