"""Files that are refused in one sentence, or read only as far as they go."""

from __future__ import annotations

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
    assert refusal(path) == UNREADABLE


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
