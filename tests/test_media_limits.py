"""Each limit on what a file may cost: where it is set, and the sentence that names it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from core_models import conversation
from core_models.limits import Limits, configured
from core_models.media import LIMITS, load_clip, probe
from tests.media_files import RATE, even, make_clip, refusal, tone


def make_tracks(path: Path, count: int) -> Path:
    """A file with many tracks of picture, one frame each."""
    with av.open(str(path), "w") as sink:
        streams = [sink.add_stream("ffv1", rate=10) for _ in range(count)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for stream in streams:
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
            frame.pts = 0
            sink.mux(stream.encode(frame))
            sink.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ({"max_bytes": 1000}, "limit is 0 MB"),
        ({"max_pixels": 3071}, "64×48 are 3,072 pixels and the limit is 3,071"),
        ({"max_frames": 19}, "20 frames and the limit is 19"),
        ({"max_streams": 1}, "2 tracks and the limit is 1"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_file_over_a_limit_is_refused_with_its_number(
    limit: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = make_clip(tmp_path / "a.mp4", even(2, 10), wave=tone(2, 44100))
    above = {name: value + 10**6 for name, value in limit.items()}
    assert load_clip(path, limits=replace(LIMITS, **above)).size == (64, 48)
    assert sentence in refusal(path, limits=replace(LIMITS, **limit))


def test_frames_are_counted_where_the_file_does_not_list_them(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mkv", even(2, 10))
    assert load_clip(path, limits=Limits(max_frames=20)).duration == pytest.approx(2)
    assert "more frames and the limit is 19" in refusal(path, limits=Limits(max_frames=19))


def test_as_many_tracks_as_are_allowed_are_read_and_named(tmp_path: Path) -> None:
    path = make_tracks(tmp_path / "a.mkv", 6)
    clip = load_clip(path, limits=Limits(max_streams=6))
    said = "The file has 6 picture and 0 sound tracks; of all its tracks, number 1 was read."
    assert said in clip.notices
    assert "6 tracks and the limit is 5" in refusal(path, limits=Limits(max_streams=5))


@pytest.mark.parametrize("most", [8000, 7999])
def test_sound_over_the_rate_limit_is_left_out_and_said(most: int, tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "a.mkv", even(1, 10), wave=tone(1, 8000), rate=8000, sound_codec="pcm_s16le"
    )
    clip = load_clip(path, limits=Limits(max_rate=most))
    line = "The sound has 8,000 samples a second and the limit is 7,999; it was left out."
    assert (line in clip.notices) is (most < 8000)
    assert len(clip.waveform) == (0 if most < 8000 else RATE)


def test_sound_of_another_coding_is_left_out_and_said(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "a.mkv", even(1, 10), wave=tone(1, 8000), rate=8000, sound_codec="tta"
    )
    assert "The sound is coded as tta, which is not read here." in load_clip(path).notices


def test_time_over_the_limit_is_named(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10))
    assert "longer than 0.001 s" in refusal(path, limits=Limits(wall_seconds=0.001))


def test_memory_over_the_limit_is_named(tmp_path: Path) -> None:
    """The tables of a file may claim more entries than there is memory for."""
    path = make_clip(tmp_path / "a.mp4", even(1, 10))
    data = bytearray(path.read_bytes())
    at = data.index(b"stts") + 8
    data[at : at + 4] = (2**28).to_bytes(4, "big")
    path.write_bytes(data)
    assert "more than the 1 GB of memory" in refusal(path, limits=Limits(memory=2**30))


def test_the_environment_sets_every_limit() -> None:
    usual = {name: value for name, value in vars(Limits()).items() if name != "tick"}
    chosen = {name: type(value)(value + 7) for name, value in usual.items()}
    names = {f"FUSIONSCOPE_{name.upper()}": f" {value:g} " for name, value in chosen.items()}
    given = {**names, "FUSIONSCOPE_MAX_BYTES": str(chosen["max_bytes"])}
    set_here = vars(configured(given))
    assert set_here["max_seconds"] == 607 and isinstance(set_here["max_streams"], int)
    assert set_here["max_bytes"] == chosen["max_bytes"]
    assert all(set_here[n] != usual[n] for n in usual) and len(usual) == 10
    assert configured({"FUSIONSCOPE_MAX_SECONDS": "", "HOME": "/"}).max_seconds == 600


@pytest.mark.parametrize("text", ["many", "0", "-1", "nan", "inf", "0.5"])
def test_a_limit_that_is_no_number_is_named(text: str) -> None:
    with pytest.raises(ValueError, match=f"FUSIONSCOPE_MAX_FRAMES .* not “{text}”"):
        configured({"FUSIONSCOPE_MAX_FRAMES": text})


def test_a_bad_limit_is_one_line_for_whoever_starts_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import core_models.limits"],
        capture_output=True, text=True, check=False,
        env=conversation.environment() | {"FUSIONSCOPE_MEMORY": "much"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "FUSIONSCOPE_MEMORY must be a number above 0, not “much”.\n"


def test_the_facts_of_a_file_count_its_frames(tmp_path: Path) -> None:
    assert probe(make_clip(tmp_path / "a.mp4", even(2, 10))).frames == (20, 20)
    assert probe(make_clip(tmp_path / "a.mkv", even(2, 10))).frames == (20, 0)
