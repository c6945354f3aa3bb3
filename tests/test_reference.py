"""The place of a clip among held-out ones: known answers, and what the shipped models have."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from core_models.checkpoint import CheckpointError
from core_models.clip import Modality
from core_models.interface import Model, Tokens
from core_models.reference import (
    FILE,
    OUTSIDE,
    Reference,
    closeness,
    distance,
    familiarity,
    fit,
    load_reference,
    pooled,
    save_reference,
)
from core_models.registry import find

GENERATOR = torch.Generator().manual_seed(0)
STRETCH = torch.tensor([5.0, 1.0, 0.2])


def cloud(count: int) -> torch.Tensor:
    """Points (count, 3) that vary unequally, away from the origin."""
    return torch.randn(count, 3, generator=GENERATOR) * STRETCH + 7


def clip(video: torch.Tensor, text: torch.Tensor) -> dict[Modality, torch.Tensor]:
    """The vectors (1, d) of a clip's picture and text."""
    return pooled(tokens(video, text))


def tokens(video: torch.Tensor, text: torch.Tensor) -> Tokens:
    """One token of picture and of text (d,)."""
    values = {"video": video[None, None], "text": text[None, None]}
    keep = {m: torch.ones(1, 1, dtype=torch.bool) for m in values}
    return Tokens(values, keep)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Text is the picture, moved: pairs belong together as well as can be."""
    known, held = cloud(4000), cloud(2000)
    moved = held + 100
    return fit(
        {"video": known, "text": known + 100},
        {"video": held, "text": moved},
        {"video-text": (held[:200], moved[:200])},
    )


def test_a_step_counts_by_how_far_clips_vary_that_way(reference: Reference) -> None:
    middle = torch.full((3,), 7.0)
    steps = torch.eye(3) * STRETCH * 3  # three deviations along each axis
    found = distance(reference, "video", middle + steps)
    assert torch.allclose(found, torch.full((3,), 3.0 / 3**0.5), atol=0.1)
    assert distance(reference, "video", cloud(1000)).square().mean() == pytest.approx(1, abs=0.1)


def test_a_clip_from_elsewhere_is_outside_and_others_are_not(reference: Reference) -> None:
    middle = torch.full((3,), 7.0)
    far = familiarity(reference, clip(middle + torch.tensor([0.0, 0.0, 3.0]), middle + 100))
    assert far["video"].rank >= OUTSIDE and far["text"].rank < 0.1
    ranks = [familiarity(reference, clip(x, x + 100))["video"].rank for x in cloud(300)]
    assert sum(rank >= OUTSIDE for rank in ranks) <= 10
    assert sum(rank >= 0.5 for rank in ranks) == pytest.approx(150, abs=45)


def test_modalities_that_belong_together_lie_near(reference: Reference) -> None:
    one, two = cloud(2)
    same = closeness(reference, clip(one, one + 100))["video-text"]
    swapped = closeness(reference, clip(one, 14 - one + 100))["video-text"]
    assert same.value == pytest.approx(1, abs=1e-2) and swapped.value < -0.9
    assert same.auc > 0.9 and same.other > 0.9 > swapped.other
    assert two is not None


def test_absent_modalities_have_no_place(reference: Reference) -> None:
    some = tokens(torch.zeros(3), torch.zeros(3))
    keep = {**some.keep, "text": torch.zeros(1, 0, dtype=torch.bool)}
    values = {**some.values, "text": torch.zeros(1, 0, 3)}
    gone = Tokens(values, keep)
    assert set(pooled(gone)) == set(familiarity(reference, pooled(gone))) == {"video"}
    assert closeness(reference, pooled(gone)) == {}


def test_a_reference_of_another_model_is_said(reference: Reference) -> None:
    wide: dict[Modality, torch.Tensor] = {"video": torch.zeros(1, 4), "text": cloud(1)}
    with pytest.raises(CheckpointError, match="by 3 numbers where this one has 4"):
        familiarity(reference, wide)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        closeness(reference, wide)


def test_padding_counts_for_nothing() -> None:
    x = torch.tensor([[[1.0], [3.0], [100.0]]])
    keep = torch.tensor([[True, True, False]])
    assert pooled(Tokens({"video": x}, {"video": keep}))["video"].item() == 2.0


def test_it_is_saved_and_read(reference: Reference, tmp_path: Path) -> None:
    assert load_reference(tmp_path) is None
    save_reference(reference, tmp_path)
    again = load_reference(tmp_path)
    assert again is not None
    some = clip(*cloud(2))
    for m, place in familiarity(reference, some).items():
        assert familiarity(again, some)[m].value == pytest.approx(place.value, rel=0.02)


def test_every_shipped_model_has_one(model: Model) -> None:
    assert (find(model.name) / FILE).stat().st_size < 300_000
    known = getattr(model, "reference", None)
    assert isinstance(known, Reference) and "video" in known.far
