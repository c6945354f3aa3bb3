"""Hostile clips, and hostile answers of their decoder: a clip or one sentence, in time."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core_models.clip import Clip
from core_models.conversation import distrust, parse
from core_models.limits import Limits, MediaError
from core_models.media import load_clip
from core_models.reading import read_info, read_window
from tests.fuzz.mutate import damaged
from tests.fuzz.profile import few
from tests.fuzz.seeds import clips

LIMITS = Limits(wall_seconds=20.0, max_seconds=5.0)
NAMES = ("a.mp4", "b.mp4", "c.mkv", "d.avi", "e.ts", "f.webm", "g.gif")
NUMBERS = st.floats() | st.integers() | st.sampled_from([10**400, 2**63, -1, 0])
ANY = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip
FACTS: dict[str, Any] = {
    "format": "mov", "duration": 1.0, "declared": 1.0, "size": [4, 2], "fps": 8.0,
    "picture": [0.0, 1.0], "sound": None, "video_codec": "h264", "pixels": "yuv420p",
    "audio_codec": None, "audio_rate": 0, "audio_channels": 0, "subtitles": [], "tracks": [1, 0],
    "start": 0.0, "end": 1.0, "cues": [[0.0, 1.0, "a"]], "faults": 0, "broken": 0, "lost": 0,
    "readable": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return clips(tmp_path_factory.mktemp("clips"))


def seen(path: Path, **asked: Any) -> Clip | None:
    """A whole clip, or nothing where one sentence says why; both in time."""
    begun = time.monotonic()
    try:
        clip = load_clip(path, limits=LIMITS, **asked)
    except MediaError as error:
        said = str(error)
        assert said.isprintable() and said[-1] in ".!" and len(said) <= 300
        clip = None
    assert time.monotonic() - begun < LIMITS.wall_seconds + 10
    if clip is not None:
        assert len(clip.frames) == len(clip.times) > 0
        assert np.isfinite(clip.waveform).all() and np.isfinite(clip.times).all()
    return clip


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(0, 2**32))
@few(25)
def test_damaged_clips(
    good: dict[str, bytes], tmp_path: Path, name: str, other: str, seed: int
) -> None:
    path = tmp_path / name
    path.write_bytes(damaged(good[name], good[other], seed))
    seen(path)


def test_after_damage_a_good_clip_is_read(good: dict[str, bytes], tmp_path: Path) -> None:
    for name, content in good.items():
        (tmp_path / name).write_bytes(content)
        assert seen(tmp_path / name) is not None


@given(NUMBERS, st.none() | NUMBERS, st.integers(-1, 300))
@few(15)
def test_any_window(
    good: dict[str, bytes], tmp_path: Path, start: float, length: float | None, frames: int
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(good["a.mp4"])
    seen(path, start=start, length=length, frames=frames)


SHAPES = st.lists(st.sampled_from([0, 1, 2, 3, 4, -1, 2**63, 10**30]) | ANY, max_size=4)
ARRAYS = st.lists(
    st.tuples(
        st.sampled_from(["frames", "times", "waveform"]) | ANY,
        st.sampled_from(["uint8", "float32", "float64", "object"]) | ANY,
        SHAPES | ANY,
    )
    | ANY,
    max_size=4,
)


def reply(facts: Any, arrays: Any, body: bytes) -> bytearray:
    head = json.dumps({"facts": facts, "arrays": arrays}).encode()
    return bytearray(struct.pack(">I", len(head)) + head + body)


@given(st.dictionaries(st.sampled_from(sorted(FACTS)), ANY, max_size=2) | ANY, ARRAYS | ANY,
       st.binary(max_size=40))  # fmt: skip
@few(300)
def test_answers_of_any_form(facts: Any, arrays: Any, body: bytes) -> None:
    told = {**FACTS, **facts} if isinstance(facts, dict) else facts
    try:
        with distrust():
            found, parts = parse(reply(told, arrays, body))
            read_info(found)
            read_window(found, parts)
    except MediaError:
        return


@given(st.dictionaries(st.sampled_from(sorted(FACTS)), ANY, max_size=3),
       st.lists(st.floats(width=32) | st.just(float("nan")), min_size=2, max_size=2))  # fmt: skip
@few(200)
def test_facts_of_any_form(facts: dict[str, Any], wave: list[float]) -> None:
    """Where the arrays are right, what is read is right or refused."""
    body = bytes(24) + np.array([0.5], "f8").tobytes() + np.array(wave, "f4").tobytes()
    arrays = [
        ["frames", "uint8", [1, 2, 4, 3]],
        ["times", "float64", [1]],
        ["waveform", "float32", [2]],
    ]
    try:
        with distrust():
            read = read_window(*parse(reply({**FACTS, **facts}, arrays, body)))
    except MediaError:
        return
    numbers = [read.start, read.end, *read.info.picture, read.info.duration, *read.waveform]
    assert np.isfinite(numbers).all() and all(isinstance(side, int) for side in read.info.size)


@given(st.binary(max_size=64) | st.sampled_from([b"[" * 10**5, b'{"a":' * 10**5]))
@few(100)
def test_an_answer_of_any_bytes(content: bytes) -> None:
    for answer in (content, struct.pack(">I", len(content)) + content):
        with pytest.raises(MediaError), distrust():
            read_window(*parse(bytearray(answer)))
