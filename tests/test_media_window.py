"""Which part of a file is read, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core_models.media import Limits, load_clip
from tests.media_files import RATE, even, make_clip, refusal, tone

ONLY = "Only {} s of 4 s were read, which is the limit; choose a window to see another part."


def test_a_long_clip_is_read_whole_with_a_notice(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(95, 2))
    whole = load_clip(path)
    line = "8 frames over 95 s: one every 11.9 s; choose a window to look closer."
    assert line in whole.notices
    part = load_clip(path, start=40, length=4)
    assert line not in part.notices and (part.start, part.duration) == (40, 4)
    assert part.times == pytest.approx(np.arange(40, 44, 0.5))


def test_a_window_ends_where_the_clip_ends(tmp_path: Path) -> None:
    clip = load_clip(make_clip(tmp_path / "a.mp4", even(2, 10)), start=1, length=5)
    assert clip.duration == pytest.approx(1)
    assert "The window was shortened from 5.0 s to 1.0 s." in clip.notices


def test_no_more_is_read_than_the_limit(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(4, 10), wave=tone(4, 44100))
    clip = load_clip(path, limits=Limits(max_seconds=2))
    assert clip.duration == 2 and len(clip.waveform) == 2 * RATE and clip.times[-1] < 2
    assert ONLY.format("2") in clip.notices


@pytest.mark.parametrize(
    ("length", "notice"),
    [
        (None, ONLY.format("1.5")),
        (2.0, "The window was shortened from 2.0 s to 1.5 s, which is the limit."),
    ],
)
def test_max_seconds_bounds_the_window(length: float | None, notice: str, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(4, 10), wave=tone(4, 44100))
    clip = load_clip(path, start=1, length=length, max_seconds=1.5, limits=Limits(max_seconds=1))
    assert (clip.start, clip.duration, len(clip.waveform)) == (1, 1.5, 1.5 * RATE)
    assert 1 <= clip.times[0] and clip.times[-1] < 2.5 and notice in clip.notices


def test_max_seconds_above_the_length_changes_nothing(tmp_path: Path) -> None:
    clip = load_clip(make_clip(tmp_path / "a.mp4", even(2, 10)), max_seconds=9)
    assert clip.duration == 2 and clip.notices == ("This clip has no sound track.",)


def test_a_window_after_the_end_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(2, 10))
    assert "the clip ends at 2.0 s" in refusal(path, start=3)


@pytest.mark.parametrize(
    "bad",
    [
        {"start": -1},
        {"length": 0},
        {"start": np.nan},
        {"frames": 0},
        {"max_seconds": 0},
        {"max_seconds": np.inf},
    ],
)
def test_an_impossible_window_is_refused(bad: dict[str, Any]) -> None:
    assert refusal("any.mp4", **bad).startswith("Choose")
