"""A model whose score is the sum of its tokens: every order and map has a known result."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from core_models.clip import Clip, Modality, Stream
from core_models.interface import Inputs, Output, Tokens, presence
from core_models.layout import FrameGrid, Grid, Layout, TimeGrid
from core_models.trace import Trace
from explain.analysis import Analysis
from explain.attribution import Array, Attribution
from explain.question import Question
from explain.targets import target
from tests.conftest import make_clip


class Sum(nn.Module):
    """The first label's logit is the sum of all tokens present, the second's is 0."""

    name, frames = "sum", 1
    labels: tuple[str, ...] = ("sum", "other")
    modalities: tuple[Modality, ...] = ("video", "audio")
    needs: tuple[Modality, ...] = ()

    def prepare(self, clip: Clip) -> Inputs:
        raise NotImplementedError

    def encode(self, inputs: Inputs, record: Trace | None = None) -> Tokens:
        values = dict(inputs.values)
        keep = {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in values.items()}
        return Tokens(values, keep)

    def fuse(
        self,
        tokens: Tokens,
        present: Tensor | None = None,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Output:
        tokens = tokens.only(present)
        sums = [(x[..., 0] * tokens.keep[m]).sum(dim=1) for m, x in tokens.values.items()]
        total = torch.stack(sums).sum(dim=0)  # (B,)
        return Output(torch.stack([total, torch.zeros_like(total)], dim=1))

    def layout(self, inputs: Inputs) -> Layout:
        raise NotImplementedError

    def baseline(self, inputs: Inputs) -> Inputs:
        return replace(inputs, values={m: torch.zeros_like(x) for m, x in inputs.values.items()})


def toy(
    video: Collection[float], audio: Collection[float], on: tuple[Modality, ...] = Sum.modalities
) -> Question:
    """The question why the sum of these tokens is what it is."""
    model = Sum()
    given: Mapping[Modality, Collection[float]] = {"video": video, "audio": audio}
    values = {
        m: torch.tensor(list(x), dtype=torch.float32)[None, :, None] for m, x in given.items()
    }
    inputs = Inputs(values, make_clip(frames=1))
    tokens = model.encode(inputs)
    grids: dict[Stream, Grid] = {
        "video": FrameGrid(np.zeros(1), 1, len(video)),
        "audio": TimeGrid(np.linspace(0, 2, len(audio) + 1)),
    }
    chances = model.fuse(tokens, presence(tokens, [on])).probabilities[0].numpy()
    analysis = Analysis(model, inputs, tokens, grids, on, chances, {}, {}, {}, 0.0)
    return Question(analysis, target("sum", analysis))


def marked(question: Question, scores: Mapping[Modality, Collection[float]]) -> Attribution:
    """A map of these scores on the tokens."""
    found: dict[Modality, Array] = {m: np.array(list(x), np.float32) for m, x in scores.items()}
    grids = {m: question.analysis.layout[m] for m in found}
    return Attribution("made", question.target, "token", True, found, grids)
