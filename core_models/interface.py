"""The contract between a fusion model and everything that explains it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from core_models.clip import Clip, Modality
from core_models.layout import Layout
from core_models.trace import Trace


@dataclass(frozen=True, eq=False)
class Inputs:
    """What the towers read: one float tensor per modality that the clip has, batch first.

    values: video (B, T, 3, H, W); audio (B, S) waveform; text (B, L, d) word embeddings.
    clip: the clip it was made from; read: the words that the model reads, in order.
    notices: what `prepare` had to cut or assume.
    """

    values: Mapping[Modality, Tensor]
    clip: Clip
    owner: tuple[int, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Tokens:
    """What the fusion reads: (B, N_m, d) per modality, and keep (B, N_m): False is padding.

    Every modality of the model is there; one that the clip lacks has N_m = 0 tokens.
    """

    values: Mapping[Modality, Tensor]
    keep: Mapping[Modality, Tensor]

    @property
    def sizes(self) -> dict[Modality, int]:
        return {m: x.shape[1] for m, x in self.values.items()}

    def only(self, present: Tensor | None) -> Tokens:
        """One clip's tokens in B' rows, of which only those present (B', N) are kept; None: all."""
        if present is None:
            return self
        parts = zip(self.values, present.split(list(self.sizes.values()), dim=1), strict=True)
        keep = {m: self.keep[m] & part for m, part in parts}  # (B', N_m)
        values = {m: x.expand(len(present), -1, -1) for m, x in self.values.items()}
        return Tokens(values, keep)


@dataclass(frozen=True, eq=False)
class Output:
    """The answer: logits (B, C); votes (B, C) by pair, NaN where neither side was present."""

    logits: Tensor
    votes: Mapping[str, Tensor]


class FusionModel(Protocol):
    """A model that FusionScope can look into."""

    name: str
    labels: tuple[str, ...]
    modalities: tuple[Modality, ...]

    def prepare(self, clip: Clip) -> Inputs:
        """Tensors for the towers, on the model's device."""
        ...

    def encode(self, inputs: Inputs, record: Trace | None = None) -> Tokens:
        """The towers: the costly part, once per clip."""
        ...

    def fuse(
        self,
        tokens: Tokens,
        present: Tensor | None = None,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Output:
        """The fusion: cheap. present: bool (B', N) over all tokens in the order of `modalities`.

        Tokens of one clip are expanded to B' rows. An absent token has no influence at all.
        cut names paths, as in the trace, whose message is dropped.
        """
        ...

    def layout(self, inputs: Inputs) -> Layout:
        """The place of every token, for the modalities that the clip has."""
        ...

    def baseline(self, inputs: Inputs) -> Inputs:
        """The same inputs with nothing in them."""
        ...


def presence(tokens: Tokens, rows: Collection[Collection[Modality]]) -> Tensor:
    """Which tokens exist when only the given modalities do: bool (len(rows), N)."""
    device = next(iter(tokens.values.values())).device
    blocks = [
        torch.tensor([[m in row] for row in rows], device=device).expand(-1, n)
        for m, n in tokens.sizes.items()
    ]
    return torch.cat(blocks, dim=1)  # (B', N)
