"""Two runs side by side: differences worked by hand, and what has none is refused."""

import dataclasses

import numpy as np
import pytest

from core_models.clip import Clip, Modality, Word
from core_models.layout import FrameGrid, Grid, TimeGrid, WordGrid
from explain.analysis import Analysis, analyse, toggle
from explain.attribution import Array, Attribution
from explain.compare import CompareError, changes, difference, shared_out
from explain.targets import Target

GRIDS: dict[Modality, Grid] = {
    "video": FrameGrid(np.array([0.5]), 1, 2),
    "audio": TimeGrid(np.array([0.0, 1.0, 2.0])),
    "text": WordGrid((Word("a"), Word("b")), np.array([0, 1])),
}


def made(
    video: list[float], text: list[float], method: str = "m", target: str = "x"
) -> Attribution:
    scores: dict[Modality, Array] = {"video": np.array(video, "f"), "text": np.array(text, "f")}
    grids = {m: GRIDS[m] for m in scores}
    return Attribution(method, Target(target, target, (0,)), "token", True, scores, grids)


def test_maps_in_one_unit_are_subtracted() -> None:
    found = difference(made([1, 2], [0, 4]), made([3, 1], [0, 5]))
    assert found.scores["video"].tolist() == [2, -1]
    assert found.scores["text"].tolist() == [0, 1]
    assert found.signed and found.change is None


@pytest.mark.parametrize("other", [{"method": "n"}, {"target": "y"}])
def test_maps_in_other_units_are_shared_out_first(other: dict[str, str]) -> None:
    found = difference(made([1, 1], [1, 1]), made([4, 0], [0, 0], **other))
    assert found.scores["video"].tolist() == [0.75, -0.25]
    assert found.scores["text"].tolist() == [-0.25, -0.25]


def test_a_map_has_no_difference_to_itself() -> None:
    one = made([1, -2], [3, 0])
    assert difference(one, one).blank
    assert sum(np.abs(x).sum() for x in shared_out(one).values()) == pytest.approx(1)


def test_a_blank_map_is_shared_out_as_nothing() -> None:
    assert all((x == 0).all() for x in shared_out(made([0, 0], [0, 0])).values())


def test_modalities_of_one_alone_are_left_out() -> None:
    one = made([1, 2], [3, 4])
    without = dataclasses.replace(one, scores={"video": one.scores["video"]})
    assert set(difference(one, without).scores) == {"video"}


def test_maps_on_other_places_are_refused() -> None:
    one = made([1, 2], [3, 4])
    moved: dict[Modality, Grid] = {**one.grids, "video": FrameGrid(np.array([0.9]), 1, 2)}
    with pytest.raises(CompareError, match="other frames"):
        difference(one, dataclasses.replace(one, grids=moved))
    reread: dict[Modality, Grid] = {
        **one.grids,
        "text": WordGrid((Word("a"), Word("c")), np.array([0, 1])),
    }
    with pytest.raises(CompareError, match="other words"):
        difference(one, dataclasses.replace(one, grids=reread))
    heard = dataclasses.replace(one, scores={"audio": np.ones(2, np.float32)}, grids=GRIDS)
    with pytest.raises(CompareError, match="in common"):
        difference(one, heard)


def test_changes_are_those_of_the_toggle(analysis: Analysis) -> None:
    off = toggle(analysis, ("video", "text"))
    found = changes(analysis, off)
    assert {c.label for c in found} == set(analysis.model.labels)
    assert sum(c.delta for c in found) == pytest.approx(0, abs=1e-5)
    assert abs(found[0].delta) == max(abs(c.delta) for c in found) > 0
    assert not any(c.delta for c in changes(analysis, analysis))


def test_maps_of_other_models_are_shared_out_first() -> None:
    found = difference(made([1, 1], [1, 1]), made([2, 2], [2, 2]), alike=False)
    assert found.blank


def test_answers_in_other_labels_are_refused(analysis: Analysis, clip: Clip) -> None:
    class Other:
        labels = ("one", "two")

    with pytest.raises(CompareError, match="other labels"):
        changes(analysis, dataclasses.replace(analysis, model=Other()))  # type: ignore[arg-type]
    assert analyse(analysis.model, clip).answer == analysis.answer
