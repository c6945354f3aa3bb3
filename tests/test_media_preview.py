"""What a file holds, its thumbnails, and the copy that browsers play."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core_models import media
from core_models.clip import Clip
from core_models.media import (
    MediaError,
    file_key,
    glance,
    load_clip,
    playable,
    preview,
    probe,
    thumbnails,
)
from tests.media_files import RATE, clicks, even, make_clip, tone, turn_file


def test_probe_says_what_the_file_holds(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "a.mp4", even(2, 10), wave=tone(2, 44100)))
    assert (info.video_codec, info.audio_codec, info.audio_rate) == ("h264", "aac", 44100)
    assert info.has_audio and info.size == (64, 48) and info.tracks == (1, 1)
    assert info.duration == pytest.approx(2, abs=0.05) and info.fps == pytest.approx(10)


@pytest.mark.parametrize("group", ["250", "5"])
def test_thumbnails_lie_along_the_file(group: str, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(6, 10), options={"g": group}, size=(128, 96))
    times, pictures = thumbnails(path, count=6, height=48)
    assert pictures.shape == (6, 48, 64, 3)
    assert times == pytest.approx(np.arange(6) + 0.5)


@pytest.mark.parametrize(("seconds", "asked"), [(6, (1, 90)), (31, (5, 72))])
def test_a_glance_says_what_asking_twice_says(
    seconds: int, asked: tuple[int, int], tmp_path: Path
) -> None:
    path = make_clip(tmp_path / "a.mp4", even(seconds, 5), size=(256, 192), wave=tone(6, 44100))
    found = glance(path, short=(1, 90), long=(5, 72))
    assert found.info == probe(path) and found.read is None
    assert np.array_equal(found.pictures, thumbnails(path, *asked)[1])


@pytest.mark.parametrize("seconds", [6, 31])
def test_a_glance_reads_a_short_file_as_it_is_read_later(seconds: int, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(seconds, 5), size=(256, 192), wave=tone(6, 44100))
    found = glance(path, short=(1, 90), long=(5, 72), frames=3)
    assert found.info == probe(path)
    assert (found.read is not None) == (seconds == 6)
    if found.read is None:
        assert np.array_equal(found.pictures, thumbnails(path, 5, 72)[1])
        return
    assert np.array_equal(found.pictures, found.read.frames[1:2])
    clip, known = load_clip(path, frames=3), load_clip(path, frames=3, known=found.read)
    for field in fields(Clip):
        np.testing.assert_equal(getattr(known, field.name), getattr(clip, field.name))


def test_a_preview_plays_and_keeps_time(tmp_path: Path) -> None:
    wave = clicks(2, 44100, [1.0])
    path = make_clip(
        tmp_path / "a.avi", even(2, 25), size=(1280, 720), codec="mpeg4", wave=wave,
        sound_codec="mp3",
    )  # fmt: skip
    out = tmp_path / "out.mp4"
    preview(path, out)
    assert not playable(path) and playable(out)
    info, clip = probe(out), load_clip(out)
    assert (info.video_codec, info.audio_codec, info.size) == ("h264", "aac", (640, 360))
    assert info.duration == pytest.approx(2, abs=0.06)
    loud = np.flatnonzero(np.abs(clip.waveform) > 0.2) / RATE
    assert loud[0] == pytest.approx(1, abs=0.04)
    original = load_clip(path)
    assert clip.times == pytest.approx(original.times, abs=0.05)
    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.avi", "out.mp4"]


def test_a_preview_of_a_window(tmp_path: Path) -> None:
    path = turn_file(make_clip(tmp_path / "a.mp4", even(4, 10)), (0, 1, -1, 0))
    out = tmp_path / "out.mp4"
    preview(path, out, start=1, length=2)
    info = probe(out)
    assert info.duration == pytest.approx(2, abs=0.11) and info.size == (48, 64)


def test_a_preview_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nonsense" * 99)
    with pytest.raises(MediaError):
        preview(tmp_path / "a.mp4", tmp_path / "out.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_preview_into_no_folder_is_the_callers_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10))
    monkeypatch.setattr(media, "ask", lambda *_, **__: pytest.fail("the decoder was started"))
    with pytest.raises(FileNotFoundError):
        preview(path, tmp_path / "gone" / "out.mp4")


@pytest.mark.parametrize(
    ("name", "how", "plays"),
    [
        ("a.mp4", {}, True),
        ("a.mov", {}, True),
        ("a.mkv", {}, False),
        ("a.webm", {"codec": "libvpx"}, True),
        ("a.mp4", {"codec": "mpeg4"}, False),
        ("a.mp4", {"pixels": "yuv444p"}, False),
    ],
)
def test_playable(name: str, how: dict[str, Any], plays: bool, tmp_path: Path) -> None:
    assert playable(make_clip(tmp_path / name, even(1, 10), **how)) is plays


@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_a_file_with_a_damaged_piece_is_not_playable(name: str, tmp_path: Path) -> None:
    path = make_clip(tmp_path / name, even(4, 25), size=(320, 240), options={"g": "5"})
    assert playable(path)
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (data.rindex(b"moov") - data.index(b"mdat")) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    assert not playable(path)
    preview(path, tmp_path / "out.mp4")
    assert playable(tmp_path / "out.mp4")


def test_the_key_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"abc")
    assert file_key(path).startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")
