"""Hostile text: subtitle files, typed words, targets and settings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from core_models.subtitles import MAX_LETTERS, choose_words, plain, read_cues
from explain.analysis import Analysis
from explain.attribute import checked
from explain.cli.command import asked
from explain.methods.registry import METHODS, MethodError, find
from explain.targets import TargetError, target
from tests.fuzz.profile import few

NUMBERS = st.one_of(
    st.sampled_from(["0", "00", "-1", "9" * 30, "9" * 5000, "1e9", "nan", "", "٣"]),
    st.integers(-5, 200).map(str),
)
TIMES = st.builds(lambda a, b, c, d: f"{a}:{b}:{c}{d}", NUMBERS, NUMBERS, NUMBERS,
                  st.sampled_from([",500", ".500", ",", ".", ""]))  # fmt: skip
SAID = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["<i>a", "{\\an8}b", "{\\" * 300, "<" * 300, "&#" + "9" * 5000 + ";", "&#xD800;", "\\N\\h",
         "<script>alert(1)</script>", "a\u202eb", "x" * 500, "WEBVTT", "-->", "NOTE"]
    ),
)  # fmt: skip
LINES = st.one_of(
    st.builds(
        lambda a, b, c: f"{a} --> {b} {c}", TIMES, TIMES, st.sampled_from(["", "line:0", "x"])
    ),
    SAID,
    NUMBERS,
    st.just(""),
)


@given(st.lists(LINES, max_size=12).map("\n".join), st.sampled_from([".srt", ".vtt"]),
       st.sampled_from(["utf-8", "utf-16", "cp1252"]), st.binary(max_size=8))  # fmt: skip
@few(150)
def test_a_subtitle_file_gives_words_or_one_sentence(
    tmp_path: Path, text: str, suffix: str, code: str, junk: bytes
) -> None:
    path = tmp_path / f"words{suffix}"
    path.write_bytes(text.encode(code, "replace") + junk)
    try:
        cues = read_cues(path)
    except ValueError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return
    words, _, _ = choose_words("", cues, (), 0.0, math.inf)
    assert all(w.text.isprintable() and 0 < len(w.text) <= MAX_LETTERS for w in words)


@given(SAID | st.text(st.characters(), max_size=60))
@few(150)
def test_shown_text_is_one_printable_line(text: str) -> None:
    try:
        shown = plain(text)
    except ValueError:  # a character reference with thousands of digits
        assert "&#" in text
        return
    assert shown.isprintable() and shown == " ".join(shown.split())


PAIRS = st.builds("{} rather than {}".format, st.text(max_size=8), st.text(max_size=8))


@given(st.text(max_size=30) | st.sampled_from(["word:0-9", "word:٣", "word:" + "9" * 5000]) | PAIRS)
@example("music rather than music")
@example(" rather than ")
@few(100)
def test_a_target_is_of_this_model_or_one_sentence(analysis: Analysis, asked: str) -> None:
    try:
        found = target(asked, analysis)
    except TargetError as error:
        assert str(error)
        return
    assert {*found.plus, *found.minus} <= set(range(len(analysis.model.labels)))


NAMES = [method.name for method in METHODS]
VALUES = st.one_of(
    st.sampled_from(["nan", "inf", "-inf", "1e400", "9" * 5000, "-1", "true", "None", "0x10", "٣"]),
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=12),
)
SETTINGS = st.sampled_from(sorted({c.name for m in METHODS for c in m.controls}))


SET = st.builds("{}={}".format, SETTINGS | st.text(max_size=8), VALUES)
CHOSEN = st.lists(st.sampled_from(NAMES) | st.text(max_size=8), max_size=3).map(",".join)


@given(CHOSEN, st.lists(SET, max_size=3))
@few(150)
def test_settings_of_the_command_line_are_read_or_one_sentence(
    names: str, given: list[str]
) -> None:
    try:
        for name, _, settings in asked(names, "auto", given):
            within(name, settings)
    except MethodError as error:
        assert str(error)


ANY = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**400),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)  # fmt: skip


@given(st.sampled_from(NAMES), st.dictionaries(SETTINGS, ANY, max_size=2))
@example("token-kernel-shap", {"seed": -1})
@example("smoothgrad", {"samples": [1]})
@few(200)
def test_settings_of_other_programs_are_read_or_one_sentence(
    name: str, settings: dict[str, Any]
) -> None:
    try:
        within(name, settings)
    except MethodError as error:
        assert str(error)


def within(name: str, settings: dict[str, Any]) -> None:
    """Every setting lies where its method says."""
    method = find(name)
    used = checked(method, settings)
    for control in method.controls:
        value = used[control.name]
        assert type(value) is control.kind
        if control.limits and not isinstance(value, str):
            assert control.limits.least <= value <= control.limits.most
