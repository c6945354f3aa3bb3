"""A captioner that reads a given caption: its words become what a FusionModel is asked about."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from core_models.caption_decoder import Memory
from core_models.clip import Clip, Word
from core_models.interface import Caption, Captioner, Inputs, Output, Tokens
from core_models.layout import Layout, WordGrid
from core_models.trace import Trace


class Scorer(Captioner, Protocol):
    """A captioner that can be asked how likely it finds a caption."""

    @property
    def device(self) -> torch.device: ...

    def layout(self, inputs: Inputs) -> Layout: ...

    def baseline(self, inputs: Inputs) -> Inputs: ...

    def memory(
        self, tokens: Tokens, record: Trace | None = None, cut: Collection[str] = ()
    ) -> Memory: ...

    def score(
        self,
        memory: Memory,
        pieces: Tensor,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Tensor: ...


class Given:
    """A captioner with a caption: a FusionModel whose labels are the caption's words."""

    def __init__(self, captioner: Scorer, caption: Caption) -> None:
        self.captioner, self.caption = captioner, caption
        self.name, self.frames = captioner.name, captioner.frames
        self.modalities, self.needs = captioner.modalities, captioner.needs
        self.labels = tuple(word.text for word in caption.words)

    def prepare(self, clip: Clip) -> Inputs:
        return self.captioner.prepare(clip)

    def encode(self, inputs: Inputs, record: Trace | None = None) -> Tokens:
        return self.captioner.encode(inputs, record)

    def baseline(self, inputs: Inputs) -> Inputs:
        return self.captioner.baseline(inputs)

    def layout(self, inputs: Inputs) -> Layout:
        """That of the captioner, and the pieces of the caption by word; the end has no word."""
        words = tuple(Word(text) for text in self.labels)
        caption = WordGrid(words, np.asarray(self.caption.owner))
        return {**self.captioner.layout(inputs), "caption": caption}

    def fuse(
        self,
        tokens: Tokens,
        present: Tensor | None = None,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Output:
        """Log-probabilities of the words (B', W): each is the sum over its pieces."""
        tokens = tokens.only(present)
        rows = len(tokens.keep["video"])
        pieces = torch.tensor(self.caption.pieces, device=self.captioner.device)
        memory = self.captioner.memory(tokens, record, cut)
        said = self.captioner.score(memory, pieces.expand(rows, -1), record, cut)  # (B', L)
        owner = torch.tensor(self.caption.owner, device=said.device)
        belongs = owner[:, None] == torch.arange(len(self.labels), device=said.device)  # (L, W)
        return Output(said @ belongs.to(said), independent=True)
