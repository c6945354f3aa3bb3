"""Inside the towers: reduced by hand-worked numbers, kept by a toggle, shown only where on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core_models.caam import CAAM
from core_models.clip import Clip, Word
from core_models.interface import Inputs, Model, Tokens
from core_models.layout import FrameGrid, WordGrid
from core_models.prepare import sparing
from core_models.trace import Trace, attend
from explain.analysis import Analysis, analyse, toggle
from explain.attention.maps import hygiene, maps
from explain.attention.towers import Gist, frame_rows, own_cells, word_rows
from explain.export.bundle import Footage, files
from explain.render.figures import figures
from explain.viewer.payload import payload
from tests.media_files import even, make_clip

TWO = FrameGrid(np.array([0.5, 1.5]), 1, 2)  # two frames of 1 × 2 cells, 2 × 2 patches each


def test_patches_are_summed_to_cells_and_scaled() -> None:
    #                   [CLS]  upper four patches        lower four patches
    first = np.array([0.2, 0.1, 0.1, 0.0, 0.1, 0.2, 0.0, 0.1, 0.2], np.float32)
    second = np.array([0.5, 0.0, 0.0, 0.1, 0.0, 0.0, 0.0, 0.4, 0.0], np.float32)
    made = frame_rows(np.stack([first, second])[:, None], TWO)
    assert made is not None
    rows, left_out = made
    # Cells of frame 1: .1 + .1 + .2 + 0 and 0 + .1 + .1 + .2 of .8; of frame 2: 0 and .5 of .5.
    np.testing.assert_allclose(rows, [[[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]], atol=1e-6)
    np.testing.assert_allclose(left_out, [[0.2, 0.5]], atol=1e-6)
    np.testing.assert_allclose(own_cells(rows), [[[0.5, 0.5], [0.0, 1.0]]], atol=1e-6)


def test_registers_are_special_and_misfits_are_not_shown() -> None:
    row = np.full((2, 1, 13), 1 / 13, np.float32)  # [CLS], four registers, eight patches
    made = frame_rows(row, TWO)
    assert made is not None
    np.testing.assert_allclose(made[1], np.full((1, 2), 5 / 13), atol=1e-6)
    assert frame_rows(row[:1], TWO) is None  # one frame of two
    assert frame_rows(row[..., :2], TWO) is None  # fewer patches than cells
    assert word_rows(np.zeros((1, 5, 5), np.float32), WordGrid((), np.arange(2))) is None


def test_pieces_of_words_are_joined_and_special_tokens_left_out() -> None:
    words = WordGrid((Word("a"), Word("bongo")), np.array([0, 1, 1]))
    weights = np.array(
        [
            [1, 0, 0, 0, 0],
            [0.3, 0.4, 0.1, 0.1, 0.1],  # a: .4 on itself and .2 on bongo, of .6
            [0.2, 0.4, 0.2, 0.0, 0.2],  # bon: .4, .2
            [0.0, 0.0, 0.6, 0.2, 0.2],  # ##go: 0, .8; their mean: .2 and .5 of .7
            [0, 0, 0, 0, 1],
        ],
        np.float32,
    )
    made = word_rows(weights[None], words)
    assert made is not None
    np.testing.assert_allclose(made[0], [[[2 / 3, 1 / 3], [2 / 7, 5 / 7]]], atol=1e-6)
    np.testing.assert_allclose(made[1], [[0.4, 0.3]], atol=1e-6)


def test_a_row_that_special_tokens_took_whole_is_zero() -> None:
    alone = WordGrid((Word("a"),), np.arange(1))
    words = word_rows(np.eye(3, dtype=np.float32)[None][:, [0, 0, 2]], alone)
    assert words is not None and not words[0].any() and (words[1] == 1).all()
    row = np.zeros((2, 1, 9), np.float32)
    row[..., 0] = 1
    rows = frame_rows(row, TWO)
    assert rows is not None and not rows[0].any() and (rows[1] == 1).all()


def test_the_record_keeps_the_summary_row_alone() -> None:
    trace, weights = Gist(), torch.rand(2, 3, 9, 9)
    trace.add("video.0", weights)
    trace.add("neck.0", weights)
    assert list(trace) == ["video.0"]
    assert torch.equal(trace["video.0"], weights[:, :, :1])
    assert trace["video.0"].untyped_storage().nbytes() == 2 * 3 * 9 * 4


def test_the_summary_row_is_the_same_with_gradients_off() -> None:
    q, k, v = torch.randn(3, 2, 3, 90, 4)
    whole, short, quiet = Trace(), Gist(), Gist()
    for trace in (whole, short):
        attend(q, k, v, record=trace, name="video.0")
    with torch.no_grad():
        attend(q, k, v, record=quiet, name="video.0")
    for trace in (short, quiet):
        torch.testing.assert_close(trace["video.0"], whole["video.0"][:, :, :1])


def test_every_layer_is_kept_and_nothing_is_lost(analysis: Analysis) -> None:
    """Against the record itself: what is shown and what is left out add up to all of it."""
    assert isinstance(analysis.model, CAAM)
    trace = Trace()
    with torch.enable_grad():  # whole maps, in full precision
        analysis.model.encode(analysis.inputs, record=trace)
    assert list(analysis.towers) == [f"tower.{name}" for name in trace]
    grid = analysis.layout["video"]
    assert isinstance(grid, FrameGrid)
    frames, cells = len(grid.times), grid.rows * grid.cols
    for name, weights in analysis.towers.items():
        left_out = analysis.unplaced[name]
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
        record = trace[name.removeprefix("tower.")].detach().numpy()
        if "video" in name:
            assert weights.shape == (record.shape[1], frames, frames * cells)
            blocks = weights.reshape(-1, frames, frames, cells)
            assert not blocks[:, ~np.eye(frames, dtype=bool)].any()
            summary = record[:, :, 0].swapaxes(0, 1)  # (heads, T, 1 + P)
            np.testing.assert_allclose(left_out, summary[..., 0], atol=1e-5)
            pool = analysis.model.vision.pool
            corner = summary[..., 1:].reshape(*summary.shape[:2], grid.rows * pool, -1)
            mass = corner[..., :pool, :pool].sum(axis=(-2, -1))  # the upper left cell
            shown = own_cells(weights)[..., 0] * (1 - left_out)
            np.testing.assert_allclose(shown, mass, atol=1e-5)
        else:
            count = len(analysis.clip.words)
            assert weights.shape == (record.shape[1], count, count)
            assert left_out.shape == (record.shape[1], count)
            special = record[0, :, 1, [0, -1]].sum(axis=0)  # the first word is one piece
            np.testing.assert_allclose(left_out[:, 0], special, atol=1e-5)


def test_recording_changes_no_answer_and_encodes_once(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = analysis.model
    with torch.no_grad():
        plain = model.fuse(model.encode(analysis.inputs)).logits.softmax(-1)[0]
    np.testing.assert_allclose(analysis.probabilities, plain, atol=1e-5)
    calls, encode = [], model.encode

    def counted(inputs: Inputs, record: Trace | None = None) -> Tokens:
        calls.append(record)
        return encode(inputs, record)

    monkeypatch.setattr(model, "encode", counted)
    analyse(model, analysis.clip, ["video"])
    assert len(calls) == 1


def test_a_toggle_keeps_the_towers_and_shows_those_that_are_on(analysis: Analysis) -> None:
    without = toggle(analysis, ["video", "audio"])
    assert without.towers is analysis.towers
    assert {m.group for m in maps(without)} == {"fusion", "video tower"}
    assert {m.group for m in maps(toggle(without, ["text"]))} == {"text tower"}
    assert {m.group for m in maps(toggle(without, None))} == {
        "fusion",
        "video tower",
        "text tower",
    }


def test_a_missing_modality_has_no_tower(caam: CAAM, clip: Clip) -> None:
    mute = analyse(caam, replace(clip, words=(), text_source="none"))
    assert mute.towers and all(name.startswith("tower.video") for name in mute.towers)


def test_a_model_that_records_nothing_has_no_tower_groups(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(inputs: object, record: Trace | None = None) -> Tokens:
        return analysis.tokens

    monkeypatch.setattr(analysis.model, "encode", silent)
    bare = analyse(analysis.model, analysis.clip)
    assert bare.towers == {} and {m.group for m in maps(bare)} == {"fusion"}
    assert "tower.picture" not in [name for name, _ in figures(bare)]


def test_what_special_tokens_took_is_said() -> None:
    weights = np.full((2, 3, 8), 1 / 8, np.float32)
    said = hygiene(weights, np.ones(2, np.float32), "text", unplaced=0.624)
    assert "62% of this layer's attention is on special tokens" in said
    assert "special" not in hygiene(weights, np.ones(2, np.float32), "text", unplaced=0.3)


def test_the_description_names_the_groups(analysis: Analysis) -> None:
    meta = payload(analysis, "run").meta
    towers = [m for m in meta["maps"] if m["group"] != "fusion"]
    assert towers and all(m["cut"] is None for m in towers)
    cells = meta["frames"]["rows"] * meta["frames"]["cols"]
    for m in towers:
        assert m["query"] == m["key"] and len(m["unplaced"]) == m["heads"]
        if m["query"] == "video":
            assert m["k"] == m["q"] * cells == len(meta["frames"]["times"]) * cells
        else:
            assert m["q"] == m["k"] == len(meta["words"])
    assert [m["layer"] for m in towers if m["query"] == "text"] == list(range(6))


@pytest.mark.usefixtures("sketched")
def test_the_export_has_the_towers_that_are_on(analysis: Analysis, tmp_path: Path) -> None:
    film = make_clip(tmp_path / "film.mp4", even(2, 10), size=(160, 120))
    written = files(toggle(analysis, ["video", "audio"]), {}, {}, Footage(film))
    (tmp_path / "towers.npz").write_bytes(written["towers.npz"])
    with np.load(tmp_path / "towers.npz") as kept:
        names = [name for name in analysis.towers if "video" in name]
        assert set(kept) == {*names, *(name.replace("tower", "unplaced") for name in names)}
        np.testing.assert_array_equal(kept[names[0]], analysis.towers[names[0]])
    assert [n for n in written if "tower.picture" in n] == ["figures/tower.picture.svg"]


def test_frames_looked_at_one_by_one_give_the_same(model: Model, clip: Clip) -> None:
    spare = sparing(model)
    if spare is None:
        pytest.skip("looks at all frames together")
    whole, parts = analyse(model, clip), analyse(spare, clip)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-5)
    assert parts.towers.keys() == whole.towers.keys() and "tower.video.0" in whole.towers
    for name, seen in whole.towers.items():
        np.testing.assert_allclose(parts.towers[name], seen, atol=2e-3)
