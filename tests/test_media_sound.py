"""The sound of a file as one mono waveform on the clip's clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core_models.media import load_clip, probe
from tests.media_files import RATE, clicks, even, make_clip, tone


@pytest.mark.parametrize(
    ("name", "codec", "layout", "rate"),
    [
        ("a.mp4", "aac", "stereo", 44100),
        ("a.mkv", "pcm_s16le", "7.1", 48000),
        ("b.mkv", "flac", "5.1", 96000),
        ("c.mkv", "pcm_f32le", "mono", 8000),
        ("a.avi", "mp3", "mono", 44100),
        ("a.webm", "libopus", "7.1", 48000),
    ],
)
def test_sound_is_the_mean_of_its_channels(
    name: str, codec: str, layout: str, rate: int, tmp_path: Path
) -> None:
    video = {"a.webm": "libvpx", "a.avi": "mpeg4"}.get(name, "libx264")
    path = make_clip(
        tmp_path / name, even(2, 10), codec=video, wave=tone(2, rate), rate=rate, layout=layout,
        sound_codec=codec,
    )  # fmt: skip
    wave = load_clip(path, frames=1).waveform
    assert wave.dtype == np.float32 and len(wave) == pytest.approx(2 * RATE, abs=0.06 * RATE)
    spectrum = np.abs(np.fft.rfft(wave[: 2 * RATE]))
    assert spectrum.argmax() * RATE / len(wave[: 2 * RATE]) == pytest.approx(440, abs=1)
    # codecs that know of a bass channel leave the tone out of it: 7 of 8 channels
    assert np.abs(wave[4000:-4000]).max() == pytest.approx(0.5, abs=0.08)


def test_eight_planes_of_sound_are_read(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10), wave=tone(1, 48000), rate=48000, layout="7.1")
    assert probe(path).audio_channels == 8
    assert np.abs(load_clip(path, frames=1).waveform).max() > 0.4


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
@pytest.mark.parametrize("start", [0.0, 0.5])
def test_sound_and_picture_share_one_time(name: str, start: float, tmp_path: Path) -> None:
    path = make_clip(tmp_path / name, even(3, 25), wave=clicks(3, 44100, [1.0, 2.5]))
    clip = load_clip(path, frames=4, start=start, length=2.4)
    loud = start + np.flatnonzero(np.abs(clip.waveform) > 0.2) / RATE
    assert loud[0] == pytest.approx(1.0, abs=0.03)
    assert loud[-1] == pytest.approx(2.52 if start else 1.02, abs=0.03)


def test_sound_that_starts_late_is_led_by_silence(tmp_path: Path) -> None:
    wave = tone(1, 44100)
    path = make_clip(
        tmp_path / "a.mkv", even(2, 10), wave=wave, sound_start=1.0, sound_codec="pcm_s16le"
    )
    clip = load_clip(path)
    loud = np.flatnonzero(np.abs(clip.waveform) > 0.01)
    assert loud[0] / RATE == pytest.approx(1, abs=0.002) and len(clip.waveform) == 2 * RATE
    assert "The sound covers 1.0 s to 2.0 s of 2.0 s." in clip.notices


def test_sound_that_is_no_number_is_silence(tmp_path: Path) -> None:
    wave = tone(1, 8000)
    wave[100:110], wave[200], wave[300] = np.nan, np.inf, 1e30
    path = make_clip(
        tmp_path / "a.mkv", even(1, 10), wave=wave, rate=8000, layout="mono",
        sound_codec="pcm_f32le",
    )  # fmt: skip
    clip = load_clip(path)
    assert np.abs(clip.waveform).max() < 0.6
    assert "12 sound samples were not valid numbers and were set to 0." in clip.notices


@pytest.mark.parametrize(
    ("wave", "notice"),
    [
        (None, "This clip has no sound track."),
        (np.zeros(44100, np.float32), "The sound is silent."),
        (tone(0.28, 44100), "The sound covers 0.0 s to 0.3 s of 1.0 s."),
        (tone(3, 44100), "The picture covers 0.0 s to 1.0 s of 3.0 s; all frames are from there."),
    ],
    ids=["none", "silent", "short", "long"],
)
def test_sound_that_is_missing_is_said(wave: Any, notice: str, tmp_path: Path) -> None:
    clip = load_clip(make_clip(tmp_path / "a.mp4", even(1, 10), wave=wave))
    assert clip.notices == (notice,) and len(clip.times) == 8
