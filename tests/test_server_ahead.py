"""What is read ahead: given once, for the same file and frames, and not for long."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from app.ahead import KEPT, Ahead
from core_models.media import Reading


def reading(frames: int) -> Reading:
    return cast(Any, SimpleNamespace(frames=range(frames)))


def test_a_reading_is_given_once_to_who_asks_for_as_many_frames() -> None:
    ahead, read = Ahead(), reading(8)
    ahead.put("a/clip.mp4", read)
    assert ahead.take("a/clip.mp4", 5) is None and ahead.take("b/clip.mp4", 8) is None
    assert ahead.take("a/clip.mp4", 8) is read
    assert ahead.take("a/clip.mp4", 8) is None


def test_few_are_kept_and_none_of_a_file_that_is_gone() -> None:
    ahead = Ahead()
    for i in range(KEPT + 1):
        ahead.put(f"{i}.mp4", reading(8))
    assert ahead.take("0.mp4", 8) is None and ahead.take("1.mp4", 8) is not None
    ahead.keep({Path("2.mp4").resolve()})
    assert ahead.take("2.mp4", 8) is not None and ahead.take("3.mp4", 8) is None
