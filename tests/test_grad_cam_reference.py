"""Grad-CAM against pytorch-grad-cam, from pixels to the answer (tests/bench/requirements.txt)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core_models.interface import Tokens
from core_models.registry import load
from explain.analysis import Analysis, analyse
from explain.attribute import attributed
from explain.methods.registry import find
from explain.question import Question
from explain.targets import target
from tests.conftest import make_clip

theirs = pytest.importorskip(
    "pytorch_grad_cam", reason="pytorch-grad-cam is not installed; see tests/bench/requirements.txt"
)


class Whole(nn.Module):
    """The logits for the one frame of a clip (B, 3, S, S); `seen` is a layer that it passes."""

    def __init__(self, run: Analysis) -> None:
        super().__init__()
        self.run, self.model, self.seen = run, run.model, nn.Identity()

    def forward(self, frame: Tensor) -> Tensor:
        run = self.run
        made = run.model.encode(
            replace(run.inputs, values={**run.inputs.values, "video": frame[:, None]})
        )
        values = {**made.values, "video": self.seen(made.values["video"])}
        return run.model.fuse(Tokens(values, made.keep, made.extra)).logits


@pytest.mark.parametrize("name", ["caam-msrvtt", "caam-grid", "mbt-grid"])
def test_the_map_of_the_picture_is_theirs(name: str) -> None:
    run = analyse(load(name, torch.device("cpu")), make_clip(frames=1, seconds=1.0))
    found = 0
    for label in (label for label, _ in run.top[:4]):
        question = Question(run, target(label, run))
        ours = attributed(find("token-grad-cam"), question).placed("video")  # (1, rows, cols)
        model: Any = Whole(run)
        frame = run.inputs.values["video"][:, 0]  # (1, 3, S, S)

        def image(tokens: Tensor, shape: tuple[int, ...] = ours.shape) -> Tensor:
            return tokens.transpose(1, 2).unflatten(2, shape[1:])  # (B, d, rows, cols)

        with theirs.GradCAM(model, [model.seen], reshape_transform=image) as cam:
            asked = [lambda logits, of=question.target.plus[0]: logits[of]]
            expected = cam(frame, asked)  # (1, S, S), scaled to [0, 1]
        side = frame.shape[-1]
        scaled = theirs.utils.image.scale_cam_image(ours, (side, side))  # as they do, twice
        scaled = theirs.utils.image.scale_cam_image(scaled)
        np.testing.assert_allclose(scaled, expected, atol=1e-4)
        found += bool(np.ptp(expected) > 0.5)
    assert found
