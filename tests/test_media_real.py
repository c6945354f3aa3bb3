"""Real clips and hostile files that lie beside the project."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core_models.media import MediaError, load_clip
from tests.media_files import RATE

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def some(folder: str, table: str, every: int) -> list[Any]:
    """Every nth file of a table, or a skip that says why."""
    try:
        with (SHARED / folder / table).open(newline="") as file:
            names = [row["file"] for row in csv.DictReader(file, delimiter=_comma(table))]
    except OSError:
        return [pytest.param("", marks=pytest.mark.skip(reason=f"no {folder} beside the project"))]
    return names[::every]


def _comma(table: str) -> str:
    return "\t" if table.endswith(".tsv") else ","


@pytest.mark.parametrize("name", some("clips", "labels.csv", 5))
def test_real_clips(name: str) -> None:
    clip = load_clip(SHARED / "clips" / name)
    assert clip.frames.shape[0] == 8 and max(clip.frames.shape[1:3]) <= 448
    assert len(clip.waveform) / RATE == pytest.approx(clip.duration, abs=0.25)
    assert clip.frames.std() > 10 and np.abs(clip.waveform).max() > 0.01


@pytest.mark.parametrize("name", some("bad_media", "EXPECTED.tsv", 12))
def test_hostile_files_are_read_or_refused_in_one_sentence(name: str) -> None:
    try:
        clip = load_clip(SHARED / "bad_media" / name)
    except MediaError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
    else:
        assert len(clip.times) and np.isfinite(clip.waveform).all()
        assert (np.diff(clip.times) > 0).all()
