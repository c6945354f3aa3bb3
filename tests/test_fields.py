"""The inputs as methods see them: nothing is lost on the way there and back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core_models.clip import Clip
from core_models.interface import Model
from core_models.layout import BandGrid
from explain.analysis import Analysis, analyse, toggle
from explain.fields import BANDS, fields, spectrum, waveform
from explain.methods import call
from explain.question import ROWS, VARIABLE, Question, Stopped, budget
from explain.targets import target


@pytest.fixture(scope="module")
def run(model: Model, clip: Clip) -> Analysis:
    return analyse(model, clip)


@pytest.mark.parametrize("samples", [100, 511, 512, 22050, 30001])
def test_a_waveform_comes_back_from_its_spectrum(samples: int) -> None:
    wave = torch.randn(2, samples, generator=torch.Generator().manual_seed(samples))
    back = waveform(spectrum(wave), samples)
    assert torch.allclose(back, wave, atol=1e-5)


def test_the_score_is_the_same_from_inputs_tokens_and_rows(run: Analysis) -> None:
    question = Question(run, target("auto", run))
    whole = question.here
    with torch.no_grad():
        inputs = float(question.of_inputs(question.fields.values))
    assert inputs == pytest.approx(question.value, abs=1e-4)
    assert float(question.of_rows(whole)) == pytest.approx(question.value, abs=1e-5)
    blank = torch.zeros_like(whole)
    both = question.of_rows(torch.cat([whole, blank]))
    assert both[0] != both[1]


def test_a_budget_of_memory_makes_passes_smaller_and_changes_no_score(run: Analysis) -> None:
    ample = Question(run, target("auto", run))
    tight, generator = replace(ample, room=1), torch.Generator().manual_seed(0)
    assert ample.at_once > 1 and tight.at_once == 1
    assert call.of_tokens(ample).batch > 1 and call.of_tokens(tight).batch == 1
    rows = torch.rand(5, ample.here.shape[1], generator=generator) < 0.5
    torch.testing.assert_close(tight.of_rows(rows), ample.of_rows(rows), atol=1e-5, rtol=1e-5)
    assert budget({}) > budget({VARIABLE: "64"}) == 64 * 2**20
    for wrong in ("0", "-1", "1.5", "much"):
        with pytest.raises(ValueError, match=VARIABLE):
            budget({VARIABLE: wrong})


def test_rows_of_about_one_size_pass_together(run: Analysis) -> None:
    question = Question(run, target("auto", run))
    assert question._passes([0, 0, 10, 11, 12, 13, ROWS - 1, ROWS]) == [2, 2, 2, 1, 1]
    half = ROWS // 2
    assert question._passes([half] * 5) == [2, 2, 1] and question._passes([]) == []


def test_batches_are_scored_row_by_row(run: Analysis) -> None:
    question = Question(run, target("auto", run))
    found = question.fields
    both = {s: torch.cat([found.nothing[s], x]) for s, x in found.values.items()}
    with torch.no_grad():
        full, empty = question.of_inputs(found.values), question.of_inputs(found.nothing)
        assert torch.allclose(question.of_inputs(both), torch.cat([empty, full]), atol=1e-4)
        rows = {s: torch.cat([question.empty[s], x]) for s, x in question.tokens.items()}
        assert torch.allclose(question.of_tokens(rows), torch.cat([empty, full]), atol=1e-4)


def test_sums_over_cells_keep_the_sum(run: Analysis) -> None:
    found = fields(run)
    for m, x in found.values.items():
        noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(1))
        cells = found.cells(m, noise)
        assert cells.shape == (1, found.grids[m].size)
        assert float(cells.double().sum()) == pytest.approx(float(noise.double().sum()), rel=1e-5)


def test_a_tone_lies_in_its_band_and_second(analysis: Analysis) -> None:
    found = fields(analysis)
    samples = analysis.inputs.values["audio"].shape[1]
    time = torch.arange(samples) / analysis.clip.rate
    beep = torch.sin(2 * torch.pi * 3000 * time) * ((time > 1.0) & (time < 1.3))
    grid = found.grids["audio"]
    assert isinstance(grid, BandGrid) and grid.hertz is not None
    cells = found.cells("audio", spectrum(beep[None]).square())[0].unflatten(0, (-1, BANDS))
    span, band = divmod(int(cells.argmax()), BANDS)
    assert grid.hertz[band] <= 3000 <= grid.hertz[band + 1]
    assert 0.95 <= grid.edges[span] <= 1.3
    inside = (grid.edges[:-1] > 0.9) & (grid.edges[1:] < 1.4)
    assert float(cells[torch.from_numpy(inside)].sum() / cells.sum()) > 0.99


def test_a_pixel_lies_in_its_frame_and_cell(analysis: Analysis) -> None:
    found = fields(analysis)
    dot = torch.zeros_like(found.values["video"])
    dot[0, 1, :, 50, 21] = 1
    cells = found.cells("video", dot)[0].numpy()
    placed = found.grids["video"].spread(cells)
    assert np.argwhere(placed).tolist() == [[1, 12, 5]] and placed.max() == 3


def test_what_is_off_is_not_asked_about(analysis: Analysis) -> None:
    off = toggle(analysis, ("video", "text"))
    question = Question(off, target("auto", off))
    assert set(question.fields.values) == set(question.tokens) == {"video", "text"}
    with torch.no_grad():
        alone = float(question.of_inputs(question.fields.values))
    assert alone == pytest.approx(question.value, abs=1e-4)


def test_a_tick_stops_the_work(analysis: Analysis) -> None:
    def stop() -> None:
        raise Stopped

    question = Question(analysis, target("auto", analysis), stop)
    with pytest.raises(Stopped):
        question.of_rows(question.here)


def test_rows_are_scored_as_the_model_scores_them(run: Analysis) -> None:
    question = Question(run, target("auto", run))
    chance = torch.Generator().manual_seed(3)
    some = (
        torch.rand(7, question.here.shape[1], generator=chance) < torch.linspace(0, 1, 7)[:, None]
    )
    with torch.no_grad():
        slow = question.target.score(run.model.fuse(run.tokens, some))
    assert torch.allclose(question.of_rows(some), slow, atol=1e-4)
