"""Which explanations of a run the page puts into its files, and which tests of them."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from app import session
from app.session import Run, exported, judged, reasoned, told
from core_models.media import LIMITS
from explain.analysis import Analysis, toggle
from explain.attribution import Attribution
from explain.cli.asking import attributions, trusts
from explain.export import bundle
from explain.export.bundle import Footage
from explain.modality.report import modalities
from explain.question import Question, Stopped
from explain.targets import target
from explain.trust import Trust

ASKED = "music rather than cooking"


@pytest.fixture(scope="module")
def found(analysis: Analysis) -> list[Attribution]:
    return attributions(analysis, [("relevance", ASKED, {}), ("attention", ASKED, {})])


@pytest.fixture(scope="module")
def thorough(analysis: Analysis, found: list[Attribution]) -> Trust:
    return trusts(analysis, found[:1], "all")[0]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the bundle is made of, in the place of making it."""
    seen: dict[str, Any] = {}

    def files(*of: object, **beside: object) -> dict[str, bytes]:
        names = ("analysis", "arguments", "hashes", "footage", "found", "trusts", "modalities")
        seen.update(zip(names, of, strict=True))
        return {}

    monkeypatch.setattr(session, "files", files)
    return seen


@pytest.fixture
def run(analysis: Analysis, tmp_path: Path) -> Run:
    return Run("r", analysis, analysis, Footage(tmp_path), tmp_path, {"model": "caam-msrvtt"})


def test_whole_explanations_of_what_is_on_go_with_their_tests(
    run: Run,
    found: list[Attribution],
    thorough: Trust,
    given: dict[str, Any],
) -> None:
    off = toggle(run.full, ["video", "text"])
    first, second = found
    run = judged(reasoned(run, run.now, first, "a"), "a", thorough)
    run = reasoned(run, run.now, second, "b")
    run = reasoned(run, run.now, replace(second, done=0.5), "stopped")
    run = reasoned(run, off, second, "of other streams")
    run = told(run, run.now, modalities(Question(run.now, target(ASKED, run.now))))
    exported(run, "zip")
    assert given["found"] == found and given["modalities"] is run.told
    assert given["arguments"]["target"] == ASKED
    before, fresh = given["trusts"]
    assert before.tests == "all" and fresh.tests == "cheap"
    for name, finding in thorough.findings.items():
        assert (before.findings[name] is finding) == (name != "agreement")
    assert before.agreement.methods == ("relevance", "attention")
    assert list(before.findings) == list(thorough.findings)


def test_the_modalities_are_told_where_nothing_was_asked(run: Run, given: dict[str, Any]) -> None:
    exported(run, "zip")
    assert given["found"] == [] and given["trusts"] == []
    assert given["arguments"]["target"] == given["modalities"].target.asked == run.now.answer


@pytest.mark.parametrize("plays", (True, False))
def test_an_export_holds_a_film_that_was_looked_through(
    run: Run, file: Path, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch, plays: bool
) -> None:
    monkeypatch.setattr(bundle, "playable", lambda *of: plays)
    exported(replace(run, footage=Footage(file, sure=False)), "zip")
    assert given["footage"].sure and given["footage"].ours is not plays
    path = given["footage"].path
    assert path == file if plays else path.parents[1] == run.folder


def test_a_stop_is_heard_while_tests_run(
    run: Run, found: list[Attribution], given: dict[str, Any]
) -> None:
    run, ticks = reasoned(run, run.now, found[0], "a"), [0]
    exported(run, "zip", lambda: ticks.__setitem__(0, ticks[0] + 1))
    assert ticks[0] > 50  # far more than there are tests

    def stop() -> None:
        ticks[0] -= 1
        if ticks[0] < 0:
            raise Stopped

    ticks[0] = 50
    with pytest.raises(Stopped):
        exported(run, "zip", stop)
    assert ticks[0] == -1 and len(list(run.folder.rglob("*.zip"))) == 1  # the first


def test_a_stop_is_heard_while_figures_are_drawn(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing, many = Event(), []

    def draw(figure: object) -> dict[str, bytes]:
        drawing.set()
        many.append(figure)
        time.sleep(0.3)
        return {}

    def stop() -> None:
        if drawing.is_set():
            raise Stopped

    monkeypatch.setattr(bundle, "drawn", draw)
    monkeypatch.setattr(bundle, "_films", lambda *of: [])
    limits = replace(LIMITS, tick=stop)
    with pytest.raises(Stopped):
        bundle.files(run.now, {}, {}, Footage(file), limits=limits)
    assert len(many) == 1
