"""A fusion model whose every number can be worked out on paper."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from core_models.clip import Clip, Modality
from core_models.interface import Inputs, Output, Tokens
from core_models.layout import FrameGrid, Layout, WordGrid
from core_models.trace import Trace, attend

PLANTED = (4, 1)  # the video token that each label looks for


class Toy:
    """Six video tokens, of which token i is i + 1 along axis i, and as many text tokens as words.

    Each text token adds the mean of all video tokens to itself; a label's logit is what the mean
    text token then has along the axis of the video token that the label looks for.
    """

    name, frames = "toy", 3
    labels: tuple[str, ...] = ("first", "second")
    modalities: tuple[Modality, ...] = ("video", "text")
    needs: tuple[Modality, ...] = ()

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.eye(6)[:, list(PLANTED)])  # (6, labels)

    def prepare(self, clip: Clip) -> Inputs:
        values: dict[Modality, Tensor] = {"video": torch.zeros(1, 3, 3, 4, 4)}
        values["text"] = torch.zeros(1, len(clip.words), 6)
        return Inputs(values, clip, tuple(range(len(clip.words))))

    def encode(self, inputs: Inputs, record: Trace | None = None) -> Tokens:
        video = torch.arange(1.0, 7.0).diag()[None]  # (1, 6, 6)
        values: dict[Modality, Tensor] = {"video": video, "text": inputs.values["text"]}
        return Tokens(values, {m: x[..., 0] == x[..., 0] for m, x in values.items()})

    def fuse(
        self,
        tokens: Tokens,
        present: Tensor | None = None,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Output:
        tokens = tokens.only(present)
        v, x, keep = tokens.values["video"][:, None], tokens.values["text"], tokens.keep
        name = "fusion.0.text<-video"
        if v.shape[2] and x.shape[1] and name not in cut:
            q, k = torch.zeros_like(x)[:, None], torch.zeros_like(v)  # every token reads the same
            x = x + attend(q, k, v, keep=keep["video"], record=record, name=name)[:, 0]
        there = keep["text"][..., None]
        return Output((x * there).sum(1) / there.sum(1).clamp(min=1) @ self.weight)

    def layout(self, inputs: Inputs) -> Layout:
        words = inputs.clip.words
        frames = FrameGrid(inputs.clip.times, 1, 2)
        return {"video": frames, "text": WordGrid(words, np.arange(len(words)))}

    def baseline(self, inputs: Inputs) -> Inputs:
        return replace(inputs)
