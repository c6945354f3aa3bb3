"""The benchmark: scores worked out by hand, who wins when the truth is known, interruptions."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core_models.checkpoint import load_model
from core_models.clip import Modality, Word
from core_models.interface import Model
from core_models.layout import BandGrid, FrameGrid, TimeGrid, WordGrid
from core_models.registry import WEIGHTS
from explain.benchmark.__main__ import main
from explain.benchmark.baselines import BASELINES
from explain.benchmark.cases import Aim, Case, grid_cases, planted_cases
from explain.benchmark.measures import MEASURES
from explain.benchmark.rows import Row, append, read
from explain.benchmark.run import Job, benchmark
from explain.benchmark.summary import Key, believe, summary
from explain.benchmark.tables import as_markdown
from explain.benchmark.truth import Region, hit, inside, joint, mass
from explain.methods.method import Method, Step
from explain.question import Question
from tests import media_files

TRUTH = tuple(m for m in MEASURES if m.name == "truth")
SPANS = TimeGrid(np.arange(5.0))  # four seconds, one each


def quiet(line: str) -> None:
    """Nobody listens."""


# ---- scores by hand ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scores", "share"),
    [
        ([0, 3, 0, 0], 1.0),
        ([1, 1, 1, 1], 0.25),
        ([2, 0, 1, 0], 0.0),
        ([1, 1, -5, -5], 0.5),  # what speaks against the target is no part of it
        ([0, 0, 0, 0], 0.25),  # nothing found is chance
        ([-1, -1, -1, -1], 0.25),
    ],
)
def test_the_share_inside_a_word(scores: list[float], share: float) -> None:
    part = joint(inside(Region(time=(1.0, 2.0)), SPANS))
    np.testing.assert_allclose(part, [0, 1, 0, 0])
    assert mass(np.array(scores), part) == pytest.approx((share, 0.25))


def test_a_cell_that_is_half_inside_counts_half() -> None:
    part = joint(inside(Region(time=(0.5, 1.5)), SPANS))
    np.testing.assert_allclose(part, [0.5, 0.5, 0, 0])
    assert mass(np.array([1, 0, 1, 0]), part) == pytest.approx((0.25, 0.25))
    assert hit(np.array([1, 0, 0, 0]), part) == (1.0, 0.5)
    assert hit(np.array([0, 0, 0, 2]), part) == (0.0, 0.5)
    assert hit(np.array([1, 0, 0, 1]), part) == (0.5, 0.5)  # of equals, the share
    assert hit(np.zeros(4), part) == (0.5, 0.5)


def test_a_place_in_some_frames() -> None:
    grid = FrameGrid(np.array([0.5, 1.5]), 2, 3)
    region = Region(time=(1.0, 2.0), rows=(0.5, 1.0), columns=(0.0, 1 / 3))
    parts = inside(region, grid)
    assert set(parts) == {"time", "place"}
    expected = np.zeros((2, 2, 3))
    expected[1, 1, 0] = 1
    np.testing.assert_allclose(joint(parts).reshape(2, 2, 3), expected)
    np.testing.assert_allclose(parts["time"].reshape(2, 6), [[0] * 6, [1] * 6])


def test_a_pitch_at_a_time_and_a_word() -> None:
    sound = BandGrid(np.array([0.0, 1.0, 2.0]), 2, np.array([0.0, 100.0, 300.0]))
    parts = inside(Region(time=(0.0, 1.0), pitch=(200.0, 300.0)), sound)
    np.testing.assert_allclose(joint(parts), [0, 0.5, 0, 0])  # low and high of each second
    mute = replace(sound, hertz=None)
    assert set(inside(Region(time=(0.0, 1.0), pitch=(200.0, 300.0)), mute)) == {"time"}
    text = WordGrid((Word("bin"), Word("blue")), np.array([0, 1, 1]))
    np.testing.assert_allclose(inside(Region(time=(0, 1), word=1), text)["word"], [0, 1, 1])


# ---- who wins when the answer is known -----------------------------------------------------------


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(WEIGHTS / "planted" / "bottleneck")


@pytest.fixture(scope="module")
def cases() -> tuple[Case, ...]:
    return planted_cases(16)


def knowing(cases: tuple[Case, ...], upside_down: bool = False) -> Method:
    """A method that knows the truth, or its opposite."""
    regions = {(c.name, a.asked): a.regions for c in cases for a in c.aims}

    def run(question: Question) -> Iterator[Step]:
        here = regions[question.analysis.clip.name, question.target.asked]
        parts = {m: joint(inside(r, question.analysis.layout[m])) for m, r in here.items()}
        full = {m: (part == part.max()) != upside_down for m, part in parts.items()}
        yield Step(1, {m: torch.from_numpy(x).float()[None] for m, x in full.items()})

    name = "liar" if upside_down else "oracle"
    return Method(name, name, "test", "token", run, "Knows.", "", signed=False)


def test_who_knows_wins_and_who_guesses_gets_chance(
    model: Model, cases: tuple[Case, ...], tmp_path: Path
) -> None:
    methods = (*BASELINES, knowing(cases), knowing(cases, upside_down=True))
    path = tmp_path / "results.csv"
    assert not benchmark([Job("m", model, cases)], methods, TRUTH, path, report=quiet)
    rows = read(path)
    cells = {(c.key.metric, c.key.modality, c.method): c for c in summary(rows)}
    for m in ("video", "audio"):
        know, guess, lie = (cells["inside", m, x] for x in ("oracle", "random", "liar"))
        assert know.beats and know.mean > 0.7 and not lie.beats and lie.mean < lie.chance
        assert guess.low <= guess.chance <= guess.high and not guess.beats
        assert cells["hit", m, "oracle"].mean == 1 and cells["hit", m, "liar"].mean < 0.2
        found = believe(list(summary(rows)), rows, know.key, ())
        assert found is not None and found.best.method == "oracle" and found.tied == ()
    assert cells["inside", "video", "oracle"].mean == pytest.approx(1)
    for axis, m in (("time", "video"), ("place", "video"), ("time", "audio"), ("pitch", "audio")):
        assert cells[f"hit {axis}", m, "oracle"].mean == 1
    # The evidence of other clips is elsewhere.
    other = cells["inside, other clips", "video", "oracle"]
    assert other.mean < 0.2


def test_a_model_that_is_wrong_is_not_asked(
    model: Model, cases: tuple[Case, ...], tmp_path: Path
) -> None:
    wrong = [replace(c, aims=tuple(replace(a, word="violet") for a in c.aims)) for c in cases[:2]]
    path = tmp_path / "results.csv"
    for _ in range(2):
        assert not benchmark([Job("m", model, wrong)], BASELINES, TRUTH, path, report=print)
        assert [(row.metric, row.value) for row in read(path)] == [("right", 0.0)] * 4


# ---- interruptions ------------------------------------------------------------------------------


class Calls:
    """A method that counts, and fails or stops when it is told to."""

    def __init__(self) -> None:
        self.count, self.at = 0, -1
        self.error: BaseException = RuntimeError("no luck")

    def run(self, question: Question) -> Iterator[Step]:
        self.count += 1
        if self.count == self.at:
            raise self.error
        yield Step(1, {s: x.norm(dim=-1) for s, x in question.tokens.items()})

    @property
    def method(self) -> Method:
        return Method("norm", "Norm", "test", "token", lambda q: self.run(q), "", "")


@pytest.fixture
def calls() -> Calls:
    return Calls()


def test_a_run_that_was_killed_goes_on(
    model: Model, cases: tuple[Case, ...], tmp_path: Path, calls: Calls
) -> None:
    whole, parts = tmp_path / "whole.csv", tmp_path / "parts.csv"
    job = [Job("m", model, cases[:3])]
    benchmark(job, [calls.method], TRUTH, whole, report=quiet)
    assert calls.count == 6
    calls.count, calls.at, calls.error = 0, 4, KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        benchmark(job, [calls.method], TRUTH, parts, report=quiet)
    with parts.open("a") as file:
        file.write("m,planted-1,tone,norm,tru")  # torn
    calls.count, calls.at = 0, -1
    benchmark(job, [calls.method], TRUTH, parts, report=quiet)
    assert calls.count == 3
    assert sorted(map(repr, read(parts))) == sorted(map(repr, read(whole)))
    benchmark(job, [calls.method], TRUTH, parts, report=quiet)
    assert calls.count == 3


def test_what_fails_is_told_and_tried_again(
    model: Model, cases: tuple[Case, ...], tmp_path: Path, calls: Calls
) -> None:
    path, said = tmp_path / "results.csv", list[str]()
    broken = replace(cases[1], open=lambda frames: (_ for _ in ()).throw(OSError("gone")))
    calls.at = 1
    job = Job("m", model, (cases[0], broken, cases[2]))
    found = benchmark([job], [calls.method], TRUTH, path, report=said.append)
    assert [(x.clip, x.method, x.why) for x in found] == [
        ("planted-0", "norm", "no luck"),
        ("planted-1", "", "gone"),
    ]
    assert any("clip 3 / 3" in line and "left" in line for line in said)
    assert calls.count == 4
    again = benchmark([replace(job, cases=cases[:3])], [calls.method], TRUTH, path, report=print)
    assert not again and calls.count == 4 + 3
    assert len({row.unit for row in read(path) if row.method}) == 6


def test_where_the_evidence_sits_is_between_nothing_and_all(
    model: Model, cases: tuple[Case, ...], tmp_path: Path
) -> None:
    """Where the evidence may lie anywhere, its tokens are all tokens."""
    always, never = Region(time=(0.0, 9.0)), Region(time=(-2.0, -1.0))
    regions: dict[Modality, Region] = {"video": always, "audio": never}
    aim = Aim(cases[0].aims[0].asked, "", regions)
    path = tmp_path / "results.csv"
    benchmark([Job("m", model, [replace(cases[0], aims=(aim,))])], (), (), path, report=quiet)
    found = {(x.metric, x.modality): x.value for x in read(path) if x.measure == "tokens"}
    nothing = found["none of it", "video"]
    assert nothing < 0.5 and found["without the evidence", "video"] == pytest.approx(nothing)
    assert found["the evidence alone", "video"] == pytest.approx(1, abs=1e-4)
    assert found["without the evidence", "audio"] == pytest.approx(1, abs=1e-4)


# ---- tables and the command line -----------------------------------------------------------------


def row(method: str, clip: int, value: float, chance: float = 0.1) -> Row:
    return Row("m", f"c{clip}", "colour", method, "truth", "inside", "audio", value, chance)


def test_means_ratios_and_intervals() -> None:
    rows = [row("sure", i, 0.4) for i in range(5)]
    rows += [row("even", i, x) for i, x in enumerate((0.0, 0.2, 0.0, 0.2, 0.1))]
    rows += [row("like", i, x) for i, x in enumerate((0.5, 0.2, 0.5, 0.3, 0.4))]
    sure, even, like = summary(rows)
    assert (sure.mean, sure.low, sure.high) == pytest.approx((0.4, 0.4, 0.4))
    assert (sure.ratio, sure.ratio_low) == pytest.approx((4, 4)) and sure.beats
    assert even.mean == pytest.approx(0.1) and even.low < 0.1 < even.high and not even.beats
    found = believe([sure, even, like], rows, sure.key, ())
    assert found is not None and found.best is sure and found.tied == ("like",)
    assert believe([sure], rows, sure.key, ("sure",)) is None
    said = as_markdown([sure, even, like], rows)
    assert "| m | sound, colour |" in said and "40.0% [40.0%, 40.0%] | 4 [4, 4] | – | yes" in said


def test_no_ratio_to_a_chance_of_nothing() -> None:
    (cell,) = summary([row("x", i, 0.5, 0.0) for i in range(3)])
    assert math.isnan(cell.ratio) and cell.beats
    (cell,) = summary([row("x", i, 0.5, math.nan) for i in range(3)])
    assert math.isnan(cell.ratio) and not cell.beats
    assert cell.key == Key("m", "colour", "truth", "inside", "audio")


def test_rows_come_back(tmp_path: Path) -> None:
    rows = [row("a, b", 1, 1 / 3), row("“c”", 2, math.pi, 0.0)]
    for one in rows:
        append(tmp_path / "rows.csv", [one])
    assert read(tmp_path / "rows.csv") == rows


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    given = ["--models", "planted/bottleneck", "--methods", "token-integrated-gradients"]
    given += ["--clips", "1", "--device", "cpu", "--out", str(out)]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "clip 1 / 1" in said and "0 s left" in said
    names = {"results.csv", "summary.csv", "summary.md", "plot.png"}
    assert {path.name for path in out.iterdir()} == names
    with (out / "summary.csv").open() as file:
        found = list(csv.DictReader(file))
    measured = {x["measure"] for x in found if x["method"] == "token-integrated-gradients"}
    assert measured == {m.name for m in MEASURES}
    methods = {"", "random", "signal", "token-integrated-gradients"}
    assert {x["method"] for x in found} == methods
    before = (out / "results.csv").read_bytes()
    assert main(given) == 0
    assert (out / "results.csv").read_bytes() == before
    assert "## Which method to believe" in (out / "summary.md").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--models", "mbt-grid"], "--data"),
        (["--methods", "tea-leaves"], "There is no method “tea-leaves”"),
        (["--metrics", "beauty"], "There is no metric “beauty”"),
        (["--models", "nothing"], "There is no model 'nothing'"),
    ],
)
def test_what_cannot_be_is_one_line(
    given: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*given, "--device", "cpu", "--out", str(tmp_path)]) == 2
    found = capsys.readouterr().err
    assert said in found and len(found.splitlines()) == 1


def test_a_folder_with_grid(tmp_path: Path) -> None:
    colours = ("blue", "green", "red", "white")
    with (tmp_path / "labels.csv").open("w") as file:
        file.write("file,command,color,prep,letter,digit,adverb\n")
        file.writelines(f"{i}.mp4,bin,{colours[i % 4]},at,f,{i % 10},now\n" for i in range(722))
    with (tmp_path / "words.csv").open("w") as file:
        file.write("file,position,word,start_s,end_s\n")
        for i in range(722):
            file.writelines(f"{i}.mp4,{k},w,{k * 0.3:.1f},{k * 0.3 + 0.2:.1f}\n" for k in range(6))
    found = grid_cases(tmp_path, ("colour", "digit"))
    assert len(found) == 2 and not {c.name for c in found} - {f"{i}.mp4" for i in range(722)}
    colour, digit = found[0].aims
    assert colour.word == colours[int(found[0].name[:-4]) % 4]
    assert colour.regions["text"] == Region(time=(0.3, 0.5), word=1)
    spoken = digit.regions["audio"]
    assert spoken.time == pytest.approx((1.2, 1.4)) and spoken.word == 4
    (tmp_path / "clips").mkdir()
    media_files.make_clip(tmp_path / "clips" / found[0].name, media_files.even(1.0, 5))
    assert [w.text for w in found[0].open(4).words][:3] == ["bin", colour.word, "at"]
