"""What is heard: both halves together are the sound, and each holds what it should."""

import io
import wave

import numpy as np
import pytest

from core_models.layout import BandGrid, TimeGrid
from explain.analysis import Analysis
from explain.attribution import Array, Attribution
from explain.question import Question
from explain.sonify import NothingToHearError, heard, strength, wav
from explain.targets import target


def marked(run: Analysis, level: str, scores: Array) -> Attribution:
    question = Question(run, target("auto", run))
    if level == "input":
        grid = question.fields.grids["audio"]
        return Attribution(
            "made", question.target, "input", True, {"audio": scores}, {"audio": grid}
        )
    grid = run.layout["audio"]
    return Attribution("made", question.target, "token", True, {"audio": scores}, {"audio": grid})


def size(run: Analysis, level: str) -> int:
    grids = Question(run, target("auto", run)).fields.grids if level == "input" else run.layout
    return grids["audio"].size


@pytest.mark.parametrize("level", ["input", "token"])
def test_both_together_are_the_sound(analysis: Analysis, level: str) -> None:
    scores = np.random.default_rng(0).normal(size=size(analysis, level)).astype(np.float32)
    found = heard(marked(analysis, level, scores), analysis)
    sound = analysis.clip.waveform
    assert found.marked.shape == found.rest.shape == sound.shape
    assert np.abs(found.marked + found.rest - sound).max() < 1e-5
    assert 0 < np.square(found.marked).sum() < np.square(sound).sum()


@pytest.mark.parametrize("level", ["input", "token"])
@pytest.mark.parametrize("score", [0.0, -1.0, 1.0])
def test_nothing_for_the_target_is_silence_and_all_is_the_sound(
    analysis: Analysis, level: str, score: float
) -> None:
    scores = np.full(size(analysis, level), score, np.float32)
    found = heard(marked(analysis, level, scores), analysis)
    wanted = analysis.clip.waveform if score > 0 else 0.0
    assert np.abs(found.marked - wanted).max() < 1e-5


def test_one_span_is_heard_at_its_time(analysis: Analysis) -> None:
    grid = analysis.layout["audio"]
    assert isinstance(grid, TimeGrid)
    scores = np.zeros(grid.size, np.float32)
    scores[2] = 1
    found = heard(marked(analysis, "token", scores), analysis)
    at = np.arange(len(found.marked)) / found.rate
    inside = (at > grid.edges[2] + 0.02) & (at < grid.edges[3] - 0.02)
    outside = (at < grid.edges[2] - 0.02) | (at > grid.edges[3] + 0.02)
    assert np.abs(found.rest[inside]).max() < 1e-6 and np.abs(found.marked[outside]).max() < 1e-6
    assert np.abs(found.marked[inside]).max() > 0.1


def test_one_band_is_heard_at_its_pitch(analysis: Analysis) -> None:
    grid = Question(analysis, target("auto", analysis)).fields.grids["audio"]
    assert isinstance(grid, BandGrid) and grid.hertz is not None
    scores = np.zeros((len(grid.edges) - 1, grid.bands), np.float32)
    scores[:, grid.hertz[:-1] > 900] = 1
    found = heard(marked(analysis, "input", scores.ravel()), analysis)
    hertz = np.fft.rfftfreq(len(found.marked), 1 / found.rate)
    power = np.abs(np.fft.rfft(found.marked)) ** 2
    assert power[hertz > 850].sum() > 0.95 * power.sum() > 100


def test_weights_lie_between_0_and_1() -> None:
    found = strength(np.array([-3.0, 0.0, 1.0, 2.0, 400.0], np.float32))
    assert found.min() == 0 and found.max() == 1 and (np.diff(found) >= 0).all()


def test_a_wav_file_holds_the_samples() -> None:
    samples = np.array([0.0, 0.5, -1.0, 1.5], np.float32)
    with wave.open(io.BytesIO(wav(samples, 22050))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getnframes()) == (1, 22050, 4)
        read = np.frombuffer(file.readframes(4), "<i2")
    assert read / 32767 == pytest.approx([0, 0.5, -1, 1], abs=1e-4)


def test_without_sound_there_is_a_sentence(analysis: Analysis) -> None:
    found = Attribution("made", target("auto", analysis), "token", True, {}, {})
    with pytest.raises(NothingToHearError, match="no scores on sound"):
        heard(found, analysis)
