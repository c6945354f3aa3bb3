"""Every shipped model on every kind of clip: it answers, or says in one sentence why not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core_models.checks.sample import only
from core_models.clip import MODALITIES, Modality
from core_models.interface import Captioner, Model
from core_models.trace import path
from explain.analysis import Analysis, NothingToReadError, analyse, captioned, reread, toggle
from explain.attention.blocks import parts
from explain.attention.maps import maps
from explain.export.bundle import Footage, files
from explain.viewer.payload import payload
from tests import media_files
from tests.conftest import make_clip

KINDS: list[tuple[Modality, ...]] = [
    kept for size in range(4) for kept in combinations(MODALITIES, size)
]


@pytest.fixture(scope="module")
def whole(model: Model) -> Analysis:
    return analyse(model, make_clip(frames=model.frames))


@pytest.mark.parametrize("kind", KINDS, ids="+".join)
def test_it_answers_or_says_what_is_missing(model: Model, kind: tuple[Modality, ...]) -> None:
    clip = only(make_clip(frames=model.frames), kind)
    readable = [m for m in model.modalities if m in kind]
    if not readable or any(m not in kind for m in model.needs):
        with pytest.raises(NothingToReadError) as caught:
            analyse(model, clip)
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
        return
    answer = analyse(model, clip)
    assert answer.answer and np.isfinite(answer.probabilities).all()
    assert (answer.probabilities >= 0).all() and (answer.probabilities <= 1 + 1e-5).all()
    assert payload(answer, "run").meta["maps"] is not None


def test_rows_sum_to_one_and_shown_maps_too(whole: Analysis) -> None:
    assert whole.attention
    for weights in whole.attention.values():
        sums = weights.sum(axis=-1)
        assert np.minimum(abs(sums - 1), abs(sums)).max() < 1e-4
    for m in maps(whole):
        sums = m.weights.sum(axis=-1)
        assert np.minimum(abs(sums - 1), abs(sums)).max() < 1e-4, m.name
        assert 0 <= m.unplaced.min() and m.unplaced.max() <= 1


def test_blocks_cover_a_map(whole: Analysis) -> None:
    for name, weights in whole.attention.items():
        covered = sum(block.size for _, block in parts(path(name), weights, whole.layout))
        assert covered == weights.size, name


def test_without_each_modality(whole: Analysis) -> None:
    for gone in whole.present:
        rest = [m for m in whole.present if m != gone]
        if not rest:
            continue
        now = toggle(whole, rest)
        assert now.present == tuple(rest)
        held = reread(whole, rest)
        assert held.shape == whole.probabilities.shape and np.isfinite(held).all()
        again = analyse(_source(whole), whole.clip, rest)
        assert again.answer == now.answer
        np.testing.assert_allclose(again.probabilities, now.probabilities, atol=1e-5)
        back = toggle(now, None)
        assert back.answer == whole.answer
        np.testing.assert_allclose(back.probabilities, whole.probabilities, atol=1e-5)


def test_cuts_of_a_path_are_changes_of_probability(whole: Analysis) -> None:
    assert whole.cuts and all(abs(change) <= 1 for change in whole.cuts.values())


@pytest.mark.usefixtures("sketched")
def test_the_export_is_whole_and_strict_json(whole: Analysis, tmp_path: Path) -> None:
    video = media_files.make_clip(tmp_path / "clip.mp4", media_files.even(1.0, 5))
    made: Mapping[str, Any] = files(whole, {"model": "x"}, {}, Footage(video))
    for name in ("prediction.json", "manifest.json", "axes.json"):
        json.loads(made[name].decode(), parse_constant=_refuse)
    prediction = json.loads(made["prediction.json"])
    assert ("caption" in prediction) == isinstance(_source(whole), Captioner)
    if "caption" in prediction:
        said = prediction["caption"]
        assert said["text"] == " ".join(word["word"] for word in said["words"])
        assert [b["score"] for b in said["beams"]] == sorted(
            (b["score"] for b in said["beams"]), reverse=True
        )
    assert any(name.startswith("figures/") and name.endswith(".svg") for name in made)


def test_a_caption_can_be_read_by_another_model(whole: Analysis) -> None:
    source = _source(whole)
    if not isinstance(source, Captioner):
        with pytest.raises(NothingToReadError, match="writes no captions"):
            captioned(source, whole.clip)
        return
    read = captioned(source, whole.clip)
    assert read.text_source == "generated"
    assert " ".join(w.text for w in read.words) == whole.answer
    assert read.notices[-1].startswith("The text is a caption that")


def _source(analysis: Analysis) -> Model:
    return analysis.captioner or analysis.model


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")
