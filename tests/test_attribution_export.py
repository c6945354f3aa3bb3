"""What is written of an attribution: arrays and tables on their cells, numbers, figures."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest

from core_models.clip import Clip
from core_models.interface import Captioner, Model
from core_models.layout import BandGrid, FrameGrid, Grid, SlotGrid, TimeGrid, WordGrid
from explain.analysis import Analysis, analyse
from explain.attribution import Attribution
from explain.cli.asking import attributions, trusts
from explain.cli.command import asked, listed, read
from explain.export import record, tables
from explain.export.arrays import arrays, cells, npz
from explain.methods.registry import METHODS, MethodError, find
from explain.modality.report import modalities
from explain.question import Question
from explain.render.attribution_figures import (
    CARD,
    attribution_figure,
    explained,
    strongest,
)
from explain.render.draw import KINDS, drawn
from explain.render.tint import gain, limit, tint, tinted
from explain.targets import Target, target

TWO = ("token-integrated-gradients", "input-x-gradient")
QUICK = {"steps": 4}
ASKED = [(TWO[0], "auto", QUICK), (TWO[1], "auto", {})]


@pytest.fixture(scope="module")
def looked(model: Model, clip: Clip) -> Analysis:
    return analyse(model, clip)


@pytest.fixture(scope="module")
def found(looked: Analysis) -> list[Attribution]:
    return attributions(looked, ASKED)


def made(signed: bool = True, **grids: Grid) -> Attribution:
    """Scores 0, 1, -2, 3, -4... on some grids."""
    scores = {
        m: np.arange(g.size, dtype=np.float32) * (-1.0) ** (np.arange(g.size) + 1)
        for m, g in grids.items()
    }
    if not signed:
        scores = {m: np.abs(x) for m, x in scores.items()}
    name = "token-integrated-gradients" if signed else "relevance"
    aim = Target("music", "music", (0,))
    return Attribution(name, aim, "token", signed, scores, grids)  # type: ignore[arg-type]


def test_the_arrays_add_up_to_the_scores_and_their_axes_fit(
    found: list[Attribution], clip: Clip
) -> None:
    for one in found:
        held = arrays(one, clip)
        with np.load(io.BytesIO(npz(held))) as back:  # no object in it: it loads without pickle
            assert {name: back[name].shape for name in back.files} == {
                name: x.shape for name, x in held.items()
            }
        for m, grid in one.grids.items():
            assert held[m].sum() == pytest.approx(float(one.scores[m].sum()), abs=1e-4)
            if isinstance(grid, FrameGrid):
                edges = [held[f"{m}.{axis}"] for axis in ("times", "y", "x")]
                assert held[m].shape == (len(edges[0]), len(edges[1]) - 1, len(edges[2]) - 1)
                assert (edges[2][-1], edges[1][-1]) == clip.size
            elif isinstance(grid, TimeGrid):
                assert held[m].shape[0] == len(held[f"{m}.edges"]) - 1
                if f"{m}.hertz" in held:
                    assert held[m].shape[1] == len(held[f"{m}.hertz"]) - 1
            elif isinstance(grid, WordGrid):
                assert held[m].shape == held[f"{m}.words"].shape


def test_a_band_stands_in_its_column(clip: Clip) -> None:
    grid = BandGrid(np.array([0.0, 1.0, 2.0]), 3, np.array([0.0, 100.0, 200.0, 400.0]))
    one = made(audio=grid)
    np.testing.assert_array_equal(cells(one, "audio"), [[0, 1, -2], [3, -4, 5]])
    rows = list(csv.DictReader(io.StringIO(tables.attribution(one, clip).decode())))
    assert (rows[5]["start_s"], rows[5]["end_s"]) == ("1.0", "2.0")
    assert (rows[5]["low_hz"], rows[5]["high_hz"], rows[5]["score"]) == ("200.0", "400.0", "5.0")


def test_the_table_has_a_row_per_cell(found: list[Attribution], clip: Clip) -> None:
    for one in found:
        rows = list(csv.DictReader(io.StringIO(tables.attribution(one, clip).decode())))
        assert len(rows) == sum(cells(one, m).size for m in one.scores)
        total = sum(float(row["score"]) for row in rows)
        assert total + sum(one.loose.values()) == pytest.approx(one.total, abs=1e-3)
        right = [float(row["right_px"]) for row in rows if row["right_px"]]
        assert max(right) == clip.size[0]


@pytest.mark.parametrize("name", ["=1+1", "+a", "-a", "@a", "\ta", "\ra"])
def test_no_name_becomes_a_formula(name: str) -> None:
    line = tables.table(["word", "score"], [[name, -0.5]]).decode()
    (row,) = csv.DictReader(io.StringIO(line, newline=""))
    assert row == {"word": f"'{name}", "score": "-0.5"}


def test_other_names_stay(clip: Clip) -> None:
    assert tables.safe("a=b") == "a=b" and tables.safe(-2.0) == -2.0 and tables.safe(None) is None


def test_the_predictions_are_sorted_and_whole(looked: Analysis) -> None:
    rows = list(csv.DictReader(io.StringIO(tables.predictions(looked).decode())))
    chances = [float(row["probability"]) for row in rows]
    assert len(rows) == len(looked.model.labels)
    if looked.caption is None:
        assert rows[0]["label"] == looked.answer and chances == sorted(chances, reverse=True)
        assert list(rows[0])[3:] == list(looked.votes)
    else:
        assert " ".join(row["word"] for row in rows) == looked.answer


def test_the_numbers(looked: Analysis, found: list[Attribution]) -> None:
    question = Question(looked, target("auto", looked))
    tested = trusts(looked, found[:1])
    said = record.metrics(looked, found, tested, modalities(question))
    assert json.dumps(said, allow_nan=False)
    first, second = (said["methods"][name] for name in TWO)
    assert first["settings"] == QUICK and first["value"] == pytest.approx(question.value)
    assert first["trust"]["verdict"] and "seconds" not in first["trust"]
    assert "trust" not in second
    assert sum(first["shares"].values()) == pytest.approx(1)
    assert first["change"] + first["residual"] == pytest.approx(
        sum(first["nets"].values()) + sum(first["loose"].values()), abs=1e-4
    )
    assert said["modalities"]["target"] == question.target.asked


def test_the_manifest_names_what_was_asked(looked: Analysis, found: list[Attribution]) -> None:
    again = [*found, found[0]]
    assert record.stems(again) == [*TWO, f"{TWO[0]}.2"]
    said = record.manifest(looked, {"model": "m"}, {}, again)
    asked_for = [(one["method"], one["settings"]) for one in said["explanations"]]
    assert asked_for == [(TWO[0], QUICK), (TWO[1], {}), (TWO[0], QUICK)]
    assert set(said["seconds"]["methods"]) == set(record.stems(again))
    seeded = replace(found[0], settings={"seed": 7})
    assert record.manifest(looked, {}, {}, [seeded])["seeds"] == {TWO[0]: 7}


def test_the_figures_name_what_they_show(looked: Analysis, found: list[Attribution]) -> None:
    for one in found:
        said = explained(looked, one).replace("\n", " ")
        settings = "steps 4" if one.settings else "settings: none"
        for part in (looked.model.name, find(one.method).title, one.target.name, settings):
            assert part in said
    files = drawn(attribution_figure(looked, found[0]))
    assert tuple(files) == KINDS
    assert b"/FontFile2" in files["pdf"] and b"/Type3" not in files["pdf"]  # TrueType, embedded
    assert b"<text" not in files["svg"] and b"CreationDate" not in files["pdf"]
    for kind, content in drawn(attribution_figure(looked, found[0])).items():
        assert sha256(content).digest() == sha256(files[kind]).digest(), kind


@pytest.mark.parametrize("signed", [True, False])
def test_a_map_of_nothing_is_drawn_and_said(analysis: Analysis, signed: bool) -> None:
    one = made(signed, **{str(m): grid for m, grid in analysis.layout.items()})
    none = replace(one, scores={m: 0 * x for m, x in one.scores.items()})
    assert "found nothing" in explained(analysis, none)
    assert drawn(attribution_figure(analysis, none), ["png"])["png"]
    assert record.measured(none, analysis)["notices"]
    assert not any(tinted(none, m)[..., 3].any() for m in none.scores)


def test_the_strongest_frames_are_shown_in_their_order() -> None:
    grid = FrameGrid(np.arange(5.0), 1, 2)
    one = made(
        video=grid
    )  # 0 1, -2 3, -4 5, 6 -7, 8 -9 after the sum of absolute ones: 1 5 9 13 17
    assert strongest(one, "video", 2) == [3, 4] and strongest(one, "video", 9) == list(range(5))
    early = replace(one, scores={"video": np.array([0, 1, 0, 0, -9, 1, 0, 0, 2, 2], np.float32)})
    assert strongest(early, "video", 3) == [0, 2, 4]


def test_a_map_in_a_report_is_small_and_says_what_it_leaves_out(
    looked: Analysis, found: list[Attribution]
) -> None:
    figure = attribution_figure(looked, found[0], replace(CARD, frames=1))
    assert figure.get_supxlabel() == "" and figure.get_suptitle() == ""
    titles = [part.get_suptitle() for part in figure.subfigs[0].subfigs]
    grid = found[0].grids.get("video")
    if isinstance(grid, FrameGrid) and len(grid.times) > 1:
        assert f"the 1 strongest of {len(grid.times)} frames" in titles[0]
    (content,) = drawn(attribution_figure(looked, found[0], CARD), ["jpg"], 150).values()
    assert content.startswith(b"\xff\xd8") and len(content) < 150_000


def test_colours_show_sign_and_strength() -> None:
    paint = tint(np.array([-1.0, 0.0, 0.5, 2.0], np.float32), 1.0, signed=True)
    assert paint[0, 2] > paint[0, 0] and paint[3, 0] > paint[3, 2]  # blue against, red for
    np.testing.assert_allclose(paint[:, 3] / paint[3, 3], [1, 0, 0.5, 1])
    heat = tint(np.array([0.0, 0.5, 1.0], np.float32), 1.0, signed=False)
    assert (np.diff(heat[:, 3]) > 0).all() and (np.diff(heat[:, :3].sum(axis=1)) > 0).all()


def test_one_scale_and_round_gains() -> None:
    weak, strong = TimeGrid(np.arange(5.0)), TimeGrid(np.arange(51.0))
    one = replace(made(video=weak), scores={"video": np.array([0, 1, 2, 3], np.float32)})
    scores = {**one.scores, "audio": np.arange(50, dtype=np.float32)}
    both = replace(one, scores=scores, grids={"video": weak, "audio": strong})
    assert limit(both) == 49
    assert gain(both, "audio") == 1 and gain(both, "video") == 10  # 3 × 10 is within 49
    assert gain(replace(one, scores={"video": np.zeros(4, np.float32)}), "video") == 1


def test_questions_of_the_command_line() -> None:
    both = asked("relevance, token-integrated-gradients,relevance", "auto", ["steps=8"])
    assert both == [("relevance", "auto", {}), (TWO[0], "auto", {"steps": 8})]
    two = asked(f"{TWO[0]},integrated-gradients", "a", ["steps=8", "integrated-gradients.steps=12"])
    assert [settings for _, _, settings in two] == [{"steps": 8}, {"steps": 12}]
    assert asked("", "auto", []) == []


@pytest.mark.parametrize(
    ("names", "given", "why"),
    [
        ("nonesuch", [], "There is no method"),
        ("relevance", ["steps=4"], "no setting"),
        (TWO[0], ["steps"], "write NAME=VALUE"),
        (TWO[0], ["steps=many"], "whole number"),
        (TWO[0], ["relevance.steps=4"], "no setting"),
        ("", ["steps=4"], "--method"),
    ],
)
def test_a_bad_question_is_one_sentence(names: str, given: list[str], why: str) -> None:
    with pytest.raises(MethodError, match=why) as caught:
        asked(names, "auto", given)
    assert "\n" not in str(caught.value)


def test_every_setting_can_be_written(analysis: Analysis) -> None:
    for method in METHODS:
        for control in method.controls:
            value = read(control, str(control.default).lower(), method)
            assert value == control.default and type(value) is control.kind


def test_the_list_names_every_method_and_why_one_does_not_fit(looked: Analysis) -> None:
    lines = listed(looked).splitlines()
    assert [line.split()[0] for line in lines[1:]] == [method.name for method in METHODS]
    for line, method in zip(lines[1:], METHODS, strict=True):
        why = method.unfit(looked)
        assert line.endswith(f"DOES NOT FIT: {why}" if why else method.about)


def test_slots_have_no_place(clip: Clip) -> None:
    assert arrays(made(video=SlotGrid(3)), clip).keys() == {"video"}


def test_a_word_of_a_caption_can_be_asked_for(looked: Analysis) -> None:
    if not isinstance(looked.captioner, Captioner):
        pytest.skip("this model answers with a category")
    (one,) = attributions(looked, [(TWO[0], "word:2", QUICK)])
    assert looked.caption is not None and looked.caption.words[1].text in one.target.name
