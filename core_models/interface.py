"""The contract between a fusion model and everything that explains it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from core_models.clip import Clip, Modality, Stream
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
    extra: tokens (B, n, d) without a place in the clip, such as class tokens.
    """

    values: Mapping[Modality, Tensor]
    keep: Mapping[Modality, Tensor]
    extra: Mapping[Stream, Tensor] = field(default_factory=dict)

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
        extra = {s: x.expand(len(present), -1, -1) for s, x in self.extra.items()}
        return Tokens(values, keep, extra)

    def packed(self, present: Tensor) -> Tokens:
        """As `only`, with those kept moved together and the others left out: less to compute."""
        short = self.only(present)
        values, keep = dict(short.values), dict(short.keep)
        for m, x in short.values.items():
            counts = short.keep[m].sum(dim=1, keepdim=True)  # (B', 1)
            if bool((counts == x.shape[1]).all()):
                keep[m] = short.keep[m][:1].expand(len(x), -1)
                continue
            most = int(counts.max())
            order = short.keep[m].int().argsort(dim=1, descending=True, stable=True)[:, :most]
            values[m] = x.gather(1, order[..., None].expand(-1, -1, x.shape[2]))
            keep[m] = torch.arange(most, device=x.device) < counts
        return Tokens(values, keep, short.extra)


@dataclass(frozen=True, eq=False)
class Output:
    """The answer: logits (B, C); votes (B, C) by pair, NaN where neither side was present.

    independent: every logit is a log-probability of its own, as of the words of a caption.
    """

    logits: Tensor
    votes: Mapping[str, Tensor] = field(default_factory=dict)
    independent: bool = False

    @property
    def probabilities(self) -> Tensor:
        """(B, C)"""
        return self.logits.exp() if self.independent else self.logits.softmax(dim=-1)


class FusionModel(Protocol):
    """A model that FusionScope can look into.

    frames: how many of a clip it wants. needs: modalities without which it cannot answer.
    """

    name: str
    labels: tuple[str, ...]
    modalities: tuple[Modality, ...]
    frames: int
    needs: tuple[Modality, ...]

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
        Maps are recorded as ``<group>.<layer>.<queries><-<keys>``, group ``fusion`` or
        ``decoder``; queries and keys are streams, joined by ``+`` where one attention runs over
        several in a row. cut names paths between two single streams whose message is dropped.
        """
        ...

    def layout(self, inputs: Inputs) -> Layout:
        """The place of every token, for the modalities that the clip has."""
        ...

    def baseline(self, inputs: Inputs) -> Inputs:
        """The same inputs with nothing in them."""
        ...


@dataclass(frozen=True)
class CaptionWord:
    """A word of a caption and its probability: the product over its pieces."""

    text: str
    probability: float


@dataclass(frozen=True)
class Beam:
    """A caption that the search considered; score: mean log-probability of a piece."""

    text: str
    score: float


@dataclass(frozen=True)
class Caption:
    """What a captioner says. pieces: the decoder's ids, the end included; owner: the index of the
    word of each piece, -1 for the end. beams: best first; the first is this caption.
    """

    text: str
    words: tuple[CaptionWord, ...]
    pieces: tuple[int, ...]
    owner: tuple[int, ...]
    beams: tuple[Beam, ...] = ()

    @property
    def output(self) -> Output:
        """What `given` answers where the caption was written: log-probabilities (1, W)."""
        chances = torch.tensor([[word.probability for word in self.words]], dtype=torch.float64)
        return Output(chances.log().float(), independent=True)


@dataclass(frozen=True)
class Decoding:
    """Beam search: lengths in pieces; repetition: penalty, 1 is none."""

    beams: int = 4
    min_length: int = 5
    max_length: int = 30
    repetition: float = 1.0


@runtime_checkable
class Captioner(Protocol):
    """A model that writes a sentence; with a caption given it is a FusionModel of its words."""

    name: str
    modalities: tuple[Modality, ...]
    frames: int
    needs: tuple[Modality, ...]

    def prepare(self, clip: Clip) -> Inputs: ...

    def encode(self, inputs: Inputs, record: Trace | None = None) -> Tokens: ...

    def generate(
        self,
        tokens: Tokens,
        present: Tensor | None = None,
        decoding: Decoding = Decoding(),
        stop: Callable[[], bool] | None = None,
        record: Trace | None = None,
    ) -> Caption:
        """Search for a caption; present has one row. stop, asked at every step, ends the search
        early with what there is. record: takes the maps that `given` records of this caption.
        """
        ...

    def given(self, caption: Caption) -> FusionModel:
        """The same model reading a caption: its labels are the caption's words, its logits their
        log-probabilities, from one teacher-forced pass.
        """
        ...


Model = FusionModel | Captioner


def presence(tokens: Tokens, rows: Collection[Collection[Modality]]) -> Tensor:
    """Which tokens exist when only the given modalities do: bool (len(rows), N)."""
    device = next(iter(tokens.values.values())).device
    blocks = [
        torch.tensor([[m in row] for row in rows], device=device).expand(-1, n)
        for m, n in tokens.sizes.items()
    ]
    return torch.cat(blocks, dim=1)  # (B', N)
