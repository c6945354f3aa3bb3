"""The pictures of a report on many clips: each is the map of its row, or says why there is none."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
import torch

from core_models.media import load_clip
from core_models.registry import WEIGHTS, load
from explain.analysis import Analysis, analyse
from explain.cli.asking import attributions
from explain.dataset import __main__ as command
from explain.dataset import cases
from explain.dataset.columns import Explanation, Row
from explain.dataset.job import Job, threads
from explain.dataset.listing import DatasetError, listing
from explain.dataset.quick import quick
from explain.dataset.rows import explanation
from explain.dataset.summary import summary
from explain.question import Question
from explain.render.attribution_figures import CARD, attribution_figure
from explain.render.draw import drawn
from explain.targets import target
from tests.media_files import even, make_clip, tone

store = pytest.importorskip(
    "explain.dataset.store",
    reason="pyarrow is not installed; see explain/dataset/requirements.txt",
    exc_type=ModuleNotFoundError,
)

MODEL = str(WEIGHTS / "planted" / "bottleneck")
METHODS = ("token-input-x-gradient", "relevance")
PICTURE = re.compile(r'<img class="fd-map" alt="([^"]*)" src="data:image/jpeg;base64,([^"]*)">')
MOST = 150_000  # bytes of a picture inside a report


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list of four clips, of which every one is a case, and a run over it in ``out``."""
    root = tmp_path_factory.mktemp("cases") / "all"
    root.mkdir()
    for i in range(4):
        wave = tone(1, 44100, 200.0 + 150 * i)
        make_clip(root / f"{i}.mp4", even(1, 4 + i), size=(96, 96), wave=wave)
    (root / "list.txt").write_text("".join(f"{i}.mp4\n" for i in range(4)))
    assert explain(root) == 0
    return root


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """The same to be changed, with nothing drawn."""
    shutil.copytree(whole, tmp_path / "all")
    shutil.rmtree(tmp_path / "all" / "out" / "cases")
    return tmp_path / "all"


@pytest.fixture(autouse=True)
def no_other_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("explain.dataset.report.dataset_figures", lambda found: ())


def given(root: Path, out: str = "out") -> list[str]:
    every = [str(root / "list.txt"), "--model", MODEL, "--device", "cpu"]
    return [*every, "--method", ",".join(METHODS), "--out", str(root / out)]


def explain(root: Path, *more: str, out: str = "out") -> int:
    return command.main([*given(root, out), *more])


def rows_of(out: Path) -> list[Row]:
    rows: list[Row] = store.read(out / "rows.parquet")
    return rows


def pictures(out: Path) -> list[tuple[str, str]]:
    """Words and content of each."""
    return PICTURE.findall((out / "report.html").read_text(encoding="utf-8"))


def of_rows(out: Path) -> list[tuple[Row, Explanation]]:
    return cases.cases(summary(rows_of(out)))


def test_each_picture_is_the_map_that_the_row_tells_of(whole: Path) -> None:
    found, model = of_rows(whole / "out"), load(MODEL, torch.device("cpu"))
    assert len(found) == 8
    with threads(1):
        for row, why in found:
            analysis = analyse(model, load_clip(whole / row.file, frames=model.frames))
            (one,) = attributions(analysis, [(why.method, "auto", {})])
            (tested,) = quick(Question(analysis, target("auto", analysis)), [one])
            assert explanation(one, tested) == why and why.effect is not None
            content = drawn(attribution_figure(analysis, one, CARD), ("jpg",), cases.DPI)["jpg"]
            assert cases.place(whole / "out", row, why).read_bytes() == content
            assert len(content) < MOST
    shown = pictures(whole / "out")
    assert len(shown) == len({content for _, content in shown}) == 8
    for row, _ in found:
        assert sum(f" on {row.file}, target " in unescape(alt) for alt, _ in shown) == 2
    assert all(re.search(r"of all scores: video \d+%, sound \d+%", alt) for alt, _ in shown)


def test_what_was_drawn_is_not_drawn_again(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = whole / "out"
    before = (out / "report.html").read_bytes()
    (out / "cases" / "of.another.case.jpg").touch()
    monkeypatch.setattr(cases, "load", None)
    assert explain(whole) == 0
    assert (out / "report.html").read_bytes() == before
    assert len(list((out / "cases").iterdir())) == 8


def test_a_clip_that_is_gone_or_another_keeps_its_command(whole: Path, copy: Path) -> None:
    (copy / "0.mp4").rename(copy / "kept")
    shutil.copy(copy / "2.mp4", copy / "1.mp4")
    (copy / "3.mp4").write_bytes(b"no clip any more")
    assert explain(copy) == 0
    text = (copy / "out" / "report.html").read_text(encoding="utf-8")
    assert len(pictures(copy / "out")) == 2 and text.count("There is no picture.") == 6
    assert text.count("The clip is no longer there.") == 2
    assert text.count("The clip has changed since it was explained.") == 2
    assert text.count("python -m explain ") == 8
    (copy / "kept").rename(copy / "0.mp4")
    assert explain(copy) == 0
    assert len(pictures(copy / "out")) == 4
    assert set(pictures(copy / "out")) < set(pictures(whole / "out"))


def test_a_map_that_is_not_the_rows_is_not_shown(whole: Path) -> None:
    row, why = of_rows(whole / "out")[0]
    job, clips = command.job(command.parser().parse_args(given(whole))), whole / "list.txt"
    with threads(1):
        analysis = cases.looked(job, load(MODEL, torch.device("cpu")), listing(clips), row)
    assert cases.pictured(job, analysis, row, why)
    other = [
        (replace(row, answer="another"), why),
        (replace(row, probability=(row.probability or 0) + 0.01), why),
        (row, replace(why, video=(why.video or 0) + 0.01)),
        (row, replace(why, target="another")),
    ]
    for case in other:
        with pytest.raises(DatasetError, match="another map than in its row"):
            cases.pictured(job, analysis, *case)


def test_an_interruption_leaves_rows_and_a_report_and_the_rest_is_drawn_later(
    whole: Path, copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, pictured, asked = copy / "out", cases.pictured, list[str]()

    def tired(job: Job, analysis: Analysis, row: Row, why: Explanation) -> bytes:
        asked.append(row.file)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return pictured(job, analysis, row, why)

    monkeypatch.setattr("explain.dataset.progress.PAUSE", 0.0)
    monkeypatch.setattr(cases, "pictured", tired)
    (out / "report.html").unlink()
    assert explain(copy) == command.STOPPED
    said = capsys.readouterr().err
    assert "Drawing case 4 of 8\n" in said and "Drawing case 5 of 8" not in said
    assert "report.html" in said and "the same command draws the pictures" in said
    assert not pictures(out) and "</html>" in (out / "report.html").read_text(encoding="utf-8")
    assert rows_of(out) == rows_of(whole / "out")
    assert len(list((out / "cases").iterdir())) == 3
    assert explain(copy) == 0
    assert asked == [f"{i // 2}.mp4" for i in (0, 1, 2, 3, 3, 4, 5, 6, 7)]
    assert "Drawing case 3 of 8" not in capsys.readouterr().err
    assert pictures(out) == pictures(whole / "out")


def test_without_tests_there_are_no_cases_to_draw(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(whole, "--trust", "none", out="untested") == 0
    assert "Drawing" not in capsys.readouterr().err
    assert not (whole / "untested" / "cases").exists()
