"""Words of a clip: typed, from a subtitle file, or its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from core_models.clip import Word
from core_models.media import load_clip, probe
from core_models.subtitles import cue_words, plain
from tests.media_files import even, make_clip, refusal

SRT = """1
00:00:00,000 --> 00:00:01,000
<i>hello</i> you

2
00:00:01,000 --> 00:00:02,000
bye
"""

VTT = """WEBVTT

00:00.000 --> 00:01.000
<v Ann>hello</v> you

00:01.000 --> 00:02.000
bye
"""


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "a.mp4", even(2, 10), cues=[(0.5, 1.5, "ab cdef")])


def texts(words: tuple[Word, ...]) -> list[str]:
    return [w.text for w in words]


def test_a_cue_is_shared_out_by_word_length() -> None:
    assert cue_words([(1, 4, "ab cdef")], 0, 9) == (Word("ab", 1, 2), Word("cdef", 2, 4))
    assert texts(cue_words([(1, 4, "ab cdef")], 2, 9)) == ["cdef"]
    assert cue_words([], 0, 9) == cue_words([(1, 2, " ")], 0, 9) == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"{\an8}up\Nhere", "up here"),
        ("<c.red>a</c> &amp; <00:01.000>b", "a & b"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("a\x00\x1b[31mb\u202e", "a [31mb"),
    ],
)
def test_markup_is_stripped(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_the_clips_own_words(spoken: Path) -> None:
    clip = load_clip(spoken)
    assert clip.text_source == "embedded" and texts(clip.words) == ["ab", "cdef"]
    assert [w.start for w in clip.words] == pytest.approx([0.5, 0.5 + 1 / 3], abs=0.01)
    assert probe(spoken).subtitles == ("mov_text",)
    assert texts(load_clip(spoken, start=1, length=1).words) == ["cdef"]


@pytest.mark.parametrize(("name", "content"), [("a.srt", SRT), ("a.vtt", VTT)])
def test_a_subtitle_file_comes_before_the_clips_own_words(
    name: str, content: str, spoken: Path, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content)
    clip = load_clip(spoken, subtitles=path)
    assert clip.text_source == "subtitles" and texts(clip.words) == ["hello", "you", "bye"]
    assert clip.words[2] == Word("bye", 1, 2)
    late = load_clip(spoken, subtitles=path, start=1.6)
    assert late.text_source == "none" and "No subtitle falls into this window." in late.notices


def test_typed_words_come_first_and_have_no_time(spoken: Path, tmp_path: Path) -> None:
    clip = load_clip(spoken, text=" a  red\ncar ", subtitles=tmp_path / "unused.srt")
    assert clip.text_source == "typed"
    assert clip.words == (Word("a"), Word("red"), Word("car"))


def test_words_are_bounded(spoken: Path) -> None:
    clip = load_clip(spoken, text="word " * 2500)
    assert len(clip.words) == 2000
    assert "Only the first 2,000 of 2,500 words are read." in clip.notices


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_subtitles_in_other_encodings(encoding: str, spoken: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(SRT.replace("hello", "déjà").encode(encoding))
    clip = load_clip(spoken, subtitles=path)
    assert texts(clip.words) == ["déjà", "you", "bye"]
    assert any("not UTF-8" in n for n in clip.notices) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.ass", b"x", ".srt and .vtt files only"),
        ("a.srt", b"nothing timed", "No subtitle could be read"),
        ("a.vtt", b"\xff\xfe\x00", "No subtitle could be read"),
        ("a.srt", b"x" * 1_000_001, "larger than 1 MB"),
        ("a.srt", None, "cannot be opened"),
    ],
)
def test_a_bad_subtitle_file_is_refused(
    name: str, content: bytes | None, sentence: str, spoken: Path, tmp_path: Path
) -> None:  # fmt: skip
    path = tmp_path / "text" / name
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    assert sentence in refusal(spoken, subtitles=path)
