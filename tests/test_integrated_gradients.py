"""Where the steps of integrated gradients go: half everywhere, the others where it is steep."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from core_models.clip import Stream
from explain.methods.call import Call
from explain.methods.integrated_gradients import integrated


def asked(slope: float, places: list[float]) -> Call:
    """A score that rises by 2 around 0.3 of the way, within 1 / slope; places: of its gradients."""

    def score(values: Mapping[Stream, Tensor]) -> Tensor:
        x = values["video"].flatten(1).sum(dim=1)  # (B,)
        if torch.is_grad_enabled():
            places.extend(x.tolist())
        return torch.tanh(slope * (x - 0.3)) if slope else 3 * x

    end = torch.ones(1, 1, 1, requires_grad=True)
    return Call(score, "token", ("video",), (end,), (torch.zeros(1, 1, 1),), 1)


@pytest.mark.parametrize("slope", [60.0, 200.0])
def test_steps_go_where_the_score_changes(slope: float) -> None:
    places: list[float] = []
    *_, last = integrated(asked(slope, places), 64)
    assert last.change == pytest.approx(2, abs=0.01)
    assert float(last.scores["video"]) == pytest.approx(last.change, rel=0.01)
    near = sum(abs(x - 0.3) < 0.1 for x in places)
    assert len(places) <= 64 and near > len(places) / 3  # of even steps a fifth would be


def test_what_is_straight_needs_no_second_look() -> None:
    places: list[float] = []
    steps = list(integrated(asked(0, places), 32))
    assert len(places) == 16 and float(steps[-1].scores["video"]) == pytest.approx(3)


@pytest.mark.parametrize("most", [4, 8, 12, 32, 200])
def test_no_more_steps_than_allowed(most: int) -> None:
    places: list[float] = []
    done = [step.done for step in integrated(asked(1000.0, places), most)]
    assert len(places) <= most and done[-1] == 1
    assert all(a < b for a, b in pairwise(done))
