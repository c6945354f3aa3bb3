"""The panel and the figure of the modalities say what was measured, and nothing as markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO

import numpy as np
import pytest

from core_models.clip import Clip
from core_models.interface import Model
from explain.analysis import Analysis, analyse
from explain.modality import edits
from explain.modality.coalitions import Coalitions
from explain.modality.interventions import effect
from explain.modality.language_prior import language_prior
from explain.modality.report import ModalityReport, modalities
from explain.question import Question
from explain.render.modality_cards import CSS, chance, panel, signed
from explain.render.modality_figures import modality_figure
from explain.targets import Target, target

VILE = "<b>“man”</b>"


@pytest.fixture(scope="module")
def report(model: Model, clip: Clip) -> ModalityReport:
    run = analyse(model, clip)
    question = Question(run, target("auto", run))
    blanked = effect(question, edits.blank(run.clip, (0.0, 0.0, 0.5, 1.0)))
    return replace(modalities(question), effects=(blanked,))


@pytest.fixture(scope="module")
def mine(analysis: Analysis) -> ModalityReport:
    return modalities(Question(analysis, target("auto", analysis)))


class Balanced(HTMLParser):
    """Counts what is open; every end must close what was opened last."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_panel_holds_every_part(report: ModalityReport) -> None:
    shown = panel(report)
    parser = Balanced()
    parser.feed(shown)
    assert parser.open == []
    found = report.coalitions
    assert shown.count('<td class="fm-dot') == len(found.members) * len(found.players)
    assert shown.count("nothing: its prior") == shown.count("this run") == 1
    assert not re.search(r"\bnan\b", re.sub(r"<[^>]*>", " ", shown))
    assert "Exact Shapley values" in shown
    for value in report.values.values():
        assert signed(value) in shown
    for interaction in report.interactions:
        assert interaction.said in shown
    for cut in report.cuts:
        assert cut.said in shown
    assert "box of the picture (0–50% across, 0–100% down) is blanked." in shown
    assert ("Seen, or just language?" in shown) == bool(report.words)
    assert ("Do the votes agree?" in shown) == (report.votes is not None)


def test_every_class_of_the_panel_has_a_rule(report: ModalityReport) -> None:
    used = {
        name for names in re.findall(r'class="?([^">]*)', panel(report)) for name in names.split()
    }
    own = {name for name in used if name.startswith("fm-")}
    assert own and all(f".{name}" in CSS for name in own - {"fm-own", "fm-asked", "fm-now"})


def test_mm_shap_stands_under_its_own_name(mine: ModalityReport) -> None:
    assert "MM-SHAP" not in panel(mine)
    shown = panel(replace(mine, mm_shap={"video": 0.5, "audio": 0.45, "text": 0.05}))
    assert "MM-SHAP" in shown and "video 50%" in shown and "Another quantity" in shown
    assert 'title="text 5%"></span>' in shown  # too narrow for its name


def test_the_combination_that_is_on_is_marked(analysis: Analysis, mine: ModalityReport) -> None:
    less = panel(replace(mine, present=("video", "text")))
    row = next(row for row in less.split("<tr") if "this run" in row)
    assert [mark in row for mark in ("fm-video fm-in", "fm-audio fm-in", "fm-text fm-in")] == [
        True,
        False,
        True,
    ]


def test_nothing_is_markup(mine: ModalityReport) -> None:
    logits = np.log(np.array([[0.5, 0.1]] * 8, np.float32))
    words = Coalitions(mine.coalitions.players, (VILE, "dog"), logits, True)
    told = [replace(cut, said=VILE, labels=(VILE,) * 20, answer=(VILE, VILE)) for cut in mine.cuts]
    hostile = replace(
        mine,
        target=Target(VILE, VILE, (0,)),
        coalitions=words,
        each=np.zeros((3, 2)),
        words=language_prior(words),
        cuts=tuple(told),
    )
    shown = panel(hostile)
    assert "<b>“" not in shown and shown.count("&lt;b&gt;") > 5
    labels = replace(words, independent=False)
    shown = panel(replace(hostile, coalitions=labels, words=()))
    assert "<b>“" not in shown and "&lt;b&gt;" in shown


def test_language_marks_are_under_the_words(mine: ModalityReport) -> None:
    logits = np.log(np.array([[0.5, 0.1]] * 7 + [[0.5, 0.8]], np.float32))
    words = Coalitions(mine.coalitions.players, ("a", "dog"), logits, True)
    shown = panel(
        replace(mine, coalitions=words, each=np.zeros((3, 2)), words=language_prior(words))
    )
    assert '<span class="fm-prior">a<small>0.50 | 0.50</small></span>' in shown
    assert '<span class="fm-own">dog<small>0.80 | 0.10</small></span>' in shown
    assert "(1 of 2 words)" in shown


def test_figures_have_true_signs() -> None:
    assert [signed(x) for x in (0.004, -0.004, 1.234, -0.5)] == ["0.00", "0.00", "+1.23", "−0.50"]
    assert [chance(x) for x in (0.0, 0.001, 0.5)] == ["0.00", "&lt;0.01", "0.50"]


def test_the_figure_shows_every_combination(report: ModalityReport) -> None:
    figure = modality_figure(report)
    upper, lower, values = figure.axes
    assert len(upper.patches) == len(report.scores)
    assert len(values.patches) == len(report.values) + len(report.interactions)
    widths = [bar.get_width() for bar in values.patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(widths[: len(report.values)], list(report.values.values()))
    assert len(lower.get_yticks()) == len(report.coalitions.players)
    out = BytesIO()
    figure.savefig(out, format="png")
    assert out.getvalue()[1:4] == b"PNG"
