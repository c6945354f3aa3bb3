"""Planted clips are what they say, and a small MBT can be trained on them without any data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from core_models import planted
from core_models.checkpoint import load_model
from core_models.mbt import MBT
from core_models.planted import CELL, COLOURS, CROSS, FRAMES, LABELS, RATE, SECONDS, Planted
from core_models.registry import WEIGHTS
from core_models.spectrogram import log_mel
from core_models.training import train_planted
from core_models.training.train_planted import scores, train

BANDS, HOP = 64, 0.01
FOLDERS = tuple(WEIGHTS / "planted" / name for name in ("bottleneck", "latent", "late"))
MADE = [planted.planted(seed) for seed in range(12)]


def crosses(made: Planted, colour: str) -> list[tuple[int, int, int]]:
    """Frame, row and column of the cells that hold a cross of a colour."""
    cells = made.clip.frames.reshape(FRAMES, 6, CELL, 6, CELL, 3).swapaxes(2, 3).astype(float)
    near = np.abs(cells - COLOURS[colour]).mean(axis=-1)  # (T, rows, cols, CELL, CELL)
    on, off = near[..., CROSS].mean(axis=-1), near[..., ~CROSS].mean(axis=-1)
    found = np.argwhere((on < 20) & (off > 35))
    return [(int(t), int(row), int(column)) for t, row, column in found]


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.clip.name)
def test_there_is_one_cross_and_it_is_where_and_when_it_should_be(made: Planted) -> None:
    mine = LABELS[made.label].split()[0]
    start, end = (round(t / SECONDS * FRAMES) for t in made.event.shown)
    assert crosses(made, mine) == [(t, *made.event.cell) for t in range(start, end)]
    for other in COLOURS:
        assert other == mine or not crosses(made, other)


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.clip.name)
def test_the_tone_moves_between_its_pitches_and_no_other_does(made: Planted) -> None:
    wave = torch.from_numpy(made.clip.waveform)[None]
    mel = log_mel(wave, RATE, BANDS, HOP)[0].numpy()
    bounds = np.linspace(0, 2595 * np.log10(1 + 8000 / 700), BANDS + 2)
    hertz = 700 * (10 ** (bounds[1:-1] / 2595) - 1)
    begin, end = made.event.heard
    early, late = (hertz[mel[:, round(t / HOP)].argmax()] for t in (begin + 0.05, end - 0.05))
    assert (late > early) == LABELS[made.label].endswith("rising")
    low, high = made.event.hertz
    assert low * 0.9 < min(early, late) < max(early, late) < high * 1.1
    for slot in np.arange(0, SECONDS, end - begin):
        if slot == begin:
            continue
        first, last = (mel[:, round((slot + t) / HOP)] for t in (0.08, 0.17))
        tone = first.max() - np.quantile(first, 0.85) > 3
        assert not tone or abs(int(first.argmax()) - int(last.argmax())) <= 1


def test_a_seed_says_all_and_labels_are_even() -> None:
    again = planted.planted(0)
    assert again.event == MADE[0].event and again.clip.key == MADE[0].clip.key
    np.testing.assert_array_equal(again.clip.frames, MADE[0].clip.frames)
    np.testing.assert_array_equal(again.clip.waveform, MADE[0].clip.waveform)
    assert len({made.clip.key for made in MADE}) == len(MADE)
    counts = np.bincount([planted.planted(s).label for s in range(400)], minlength=len(LABELS))
    assert counts.min() > 25


def test_training_is_the_same_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_planted, "CLIPS", 4)
    recipe = Path("core_models/training/recipes/planted-late.json")
    values = json.loads((WEIGHTS.parents[1] / recipe).read_text())
    (tmp_path / "tiny.json").write_text(json.dumps({**values, "steps": 2, "batch": 2}))
    one, two = (
        train(tmp_path / "tiny.json", None, None, tmp_path / name, lambda line: None)
        for name in ("one", "two")
    )
    pairs = zip(one.parameters(), two.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert load_model(tmp_path / "one").labels == LABELS


def test_the_shipped_ones_are_small_and_equally_right() -> None:
    assert sum(f.stat().st_size for x in FOLDERS for f in x.glob("*.safetensors")) <= 600_000
    found = []
    for folder in FOLDERS:
        model = load_model(folder)
        assert isinstance(model, MBT) and model.config.fusion == folder.name
        found.append(scores(model, first=300_000, count=40)["V+A"].top1)
    assert min(found) >= 0.9 and max(found) - min(found) <= 0.1
