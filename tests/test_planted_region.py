"""Every method finds what a model is known to read, and nothing where it reads nothing."""

import dataclasses

import numpy as np
import pytest
import torch

from core_models.clip import MODALITIES, Clip, Modality
from core_models.layout import BandGrid, FrameGrid
from explain.analysis import Analysis, analyse
from explain.attribute import attributed
from explain.attribution import Attribution
from explain.methods.method import Method
from explain.methods.registry import METHODS, find
from explain.question import Question
from explain.targets import target
from tests import planted_model
from tests.planted_model import PlantedModel

NO_WORDS = ("token-grad-cam",)  # it weighs maps of channels, which words do not have
FOR_ALL = ("attention",)  # families whose scores are not about the answer
FITTED = ("token-kernel-shap",)  # what a fit to random combinations leaves over falls on all


@pytest.fixture(scope="module")
def found(clip: Clip) -> Analysis:
    return analyse(PlantedModel(), clip)


def places(x: Attribution, m: Modality) -> np.ndarray:
    """Which cells lie in what the model reads: bool (N,)."""
    grid, size = x.grids[m], x.grids[m].size
    if x.level == "token" or m == "text":
        return np.arange(size) == planted_model.PLANTED[m]
    if isinstance(grid, FrameGrid):
        part = np.arange(grid.rows) * planted_model.CELLS // grid.rows
        inside = (part == planted_model.ROW)[:, None] & (part == planted_model.COLUMN)
        return ((np.arange(len(grid.times)) == planted_model.FRAME)[:, None, None] & inside).ravel()
    assert isinstance(grid, BandGrid) and grid.hertz is not None
    low, high = planted_model.HERTZ[planted_model.BAND :][:2]
    length = (grid.edges[-1] - grid.edges[0]) / planted_model.SPANS
    start = grid.edges[0] + planted_model.SPAN * length
    span = (grid.edges[1:] > start) & (grid.edges[:-1] < start + length)
    band = (grid.hertz[1:] > low) & (grid.hertz[:-1] < high)
    return (span[:, None] & band).ravel()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_the_planted_region_scores_most(method: Method, found: Analysis) -> None:
    asked = attributed(method, Question(found, target("found", found)))
    for m in MODALITIES:
        if m == "text" and method.name in NO_WORDS:
            continue
        size, inside = np.abs(asked.scores[m]), places(asked, m)
        tied = size >= size.max() * 0.999  # all of a group, or of a window
        assert tied[inside].any() and size.max() > 0, m
        assert tied.mean() < 0.5, m


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_what_is_not_read_gets_nothing(method: Method, clip: Clip) -> None:
    if method.family in FOR_ALL:
        pytest.skip("it tells what is attended to, not what it is for")
    run = analyse(PlantedModel(unread=("text", "audio")), clip)
    asked = attributed(method, Question(run, target("found", run)))
    most = np.abs(asked.scores["video"]).max()
    assert most > 0
    for m in ("audio", "text"):
        rounding = 0.2 if method.name in FITTED else 1e-5
        assert np.abs(asked.scores.get(m, np.zeros(1))).max() <= rounding * most, m


def test_the_planted_model_reads_what_it_says(found: Analysis) -> None:
    question = Question(found, target("found", found))
    here = question.here
    starts = np.cumsum([0, *found.tokens.sizes.values()])
    for m, start in zip(MODALITIES, starts, strict=False):
        without = here.clone()
        without[0, start + planted_model.PLANTED[m]] = False
        other = here.clone()
        other[0, start] = False
        whole, least, nearly = question.of_rows(torch.cat([here, without, other])).tolist()
        assert abs(whole - least) > 5 * abs(whole - nearly) > 0


def test_what_speaks_against_the_target_is_negative(clip: Clip, found: Analysis) -> None:
    against = Question(found, target("other rather than found", found))
    for name in ("token-integrated-gradients", "token-shapley", "token-ablation", "occlusion"):
        asked = attributed(find(name), against)
        assert asked.scores["video"].min() < 0 <= asked.scores["video"].max() + 1e-3
        assert np.argmin(asked.scores["text"]) == planted_model.WORD


def test_scores_move_with_the_clip(clip: Clip) -> None:
    quiet = dataclasses.replace(clip, waveform=clip.waveform * np.float32(0.25))
    for name in ("integrated-gradients", "occlusion", "token-shapley"):
        sums = []
        for some in (clip, quiet):
            run = analyse(PlantedModel(), some)
            asked = attributed(find(name), Question(run, target("found", run)))
            sums.append(float(asked.scores["audio"].sum()))
        assert 0 < sums[1] < 0.5 * sums[0], name
