"""Files that are refused in one sentence, or read only as far as they go."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from core_models.media import UNREADABLE, Limits, load_clip
from tests.media_files import even, make_clip, refusal, tone


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.mp4", b"", "This file is empty (0 bytes); choose another one."),
        ("text.mp4", b"no film, only words\n" * 99, UNREADABLE),
        ("noise.mp4", bytes(range(256)) * 40, UNREADABLE),
        ("page.html", b"<html>", "Files of type .html are not read"),
        ("none", b"abc", "Files of type (none) are not read"),
    ],
)
def test_what_is_no_video_is_refused(
    name: str, content: bytes, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(sentence)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "gone.mp4")


def test_a_file_without_picture_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", [], wave=tone(1, 44100))
    assert refusal(path) == "This file has no video track; choose a clip with a picture."


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10))
    path.write_bytes(path.read_bytes() + bytes(3_000_000))
    assert "3 MB and the limit is 2 MB" in refusal(path, limits=Limits(max_bytes=2_000_000))


def test_a_codec_that_is_not_on_the_list_is_refused(tmp_path: Path) -> None:
    assert "coded as magicyuv" in refusal(
        make_clip(tmp_path / "a.avi", even(1, 10), codec="magicyuv")
    )


def test_a_picture_over_the_limit_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10))
    assert load_clip(path, limits=Limits(max_pixels=64 * 64)).size == (64, 48)
    said = refusal(path, limits=Limits(max_pixels=1000))
    assert "64×48 are 3,072 pixels and the limit is 1,000" in said


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_read_as_far_as_it_goes(share: float, tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "a.mkv", even(4, 25), options={"g": "10"}, wave=tone(4, 44100))
    data = whole.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: int(share * len(data))])
    clip = load_clip(cut)
    assert clip.file_duration < 4 and len(clip.times)
    assert any(n.startswith("The file breaks off at") and "of 4.0 s" in n for n in clip.notices)


def test_a_file_cut_before_its_index_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(2, 10))
    path.write_bytes(path.read_bytes()[:500])
    assert refusal(path).startswith("The index of this file is missing or cut off")


@pytest.mark.parametrize("share", [0.2, 0.7, 0.99])
def test_a_file_cut_inside_its_index_is_refused(share: float, tmp_path: Path) -> None:
    """What is left of an index may open, and would hide a track."""
    path = make_clip(tmp_path / "a.mp4", even(2, 10), wave=tone(2, 44100))
    data = path.read_bytes()
    index = data.rindex(b"moov") - 4
    path.write_bytes(data[: index + int(share * (len(data) - index))])
    assert refusal(path).startswith("The index of this file is missing or cut off")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\x89PNG\r\n", "PNG"),
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
        (b"II*\0", "TIFF"),
    ],
)
def test_a_still_picture_is_named(head: bytes, kind: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(head + bytes(99))
    said = f"This is a still picture ({kind}), not a video; choose a clip."
    assert refusal(tmp_path / "a.mp4") == said


def test_a_file_of_which_next_to_nothing_is_left_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mkv", even(30, 10), options={"g": "1"}, size=(320, 240))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 15])
    assert "This file says that it lasts 30.0 s but holds only" in refusal(path)
    assert "which is over the limit of 9 s, but" in refusal(path, limits=Limits(max_seconds=9))


def test_a_length_that_is_not_true_is_not_believed(tmp_path: Path) -> None:
    """A whole file whose header claims a day is read by the times of its frames."""
    path = make_clip(tmp_path / "a.mkv", even(2, 10))
    data = path.read_bytes()
    at = data.index(b"\x44\x89\x88") + 3
    path.write_bytes(data[:at] + struct.pack(">d", 86_400_000.0) + data[at + 8 :])
    clip = load_clip(path)
    assert clip.duration == pytest.approx(2) and len(clip.times) == 8
    assert any("breaks off at 2.0 s of 86400.0 s" in notice for notice in clip.notices)


def test_frames_that_are_missing_in_the_middle_are_counted(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.avi", even(2, 10), codec="mjpeg", pixels="yuvj420p")
    assert not [n for n in load_clip(path).notices if "frames could be read" in n]
    data = bytearray(path.read_bytes())
    at = data.index(b"strh") + 28  # scale, rate, start and length of the picture
    assert struct.unpack("<4I", data[at : at + 16])[:2] == (1, 1000), "ticks, which are no frames"
    data[at : at + 16] = struct.pack("<4I", 1, 10, 0, 25)
    path.write_bytes(data)
    said = "Only 20 of 25 frames could be read; the others are damaged, empty or missing."
    assert said in load_clip(path).notices


def test_a_playlist_opens_no_other_file(tmp_path: Path) -> None:
    make_clip(tmp_path / "secret.ts", even(2, 10))
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n"
    for name, text in {
        "a.mp4": playlist,
        "b.ts": playlist,
        "c.mp4": "ffconcat version 1.0\nfile secret.ts\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert refusal(tmp_path / name) == UNREADABLE
    assert load_clip(tmp_path / "secret.ts").size == (64, 48)
