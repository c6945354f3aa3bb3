"""MICap: what is seen, and what is heard in words, fused by co-attention and said as a caption.

A vision tower looks at five frames, a text tower reads the audio caption (the sound described in
words: `Clip.words`). Co-attention blocks let both read each other, in both directions at once and
with weights of their own; a decoder writes the caption and reads both streams in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from core_models.caption_decoder import END, START, CaptionDecoder, Memory
from core_models.clip import Clip, Modality
from core_models.co_attention import CoAttention
from core_models.describer import described
from core_models.encoders import TextTower, VisionTower, load_encoder
from core_models.given import Given
from core_models.interface import Beam, Caption, CaptionWord, Decoding, Inputs, Tokens
from core_models.layout import Layout
from core_models.micap_config import MODALITIES, MICapConfig
from core_models.prepare import blank, misfit, places, watch, when, words
from core_models.reference import Reference
from core_models.speaker import join, search
from core_models.trace import Trace

HOTTEST = 100.0  # the contrastive scale never grows above it


class MICap(nn.Module):
    """Frames and an audio caption -> a caption."""

    architecture = "micap"
    modalities = MODALITIES
    needs: tuple[Modality, ...] = ("video",)
    reference: Reference | None = None
    at_once: int | None = None  # frames in the tower; None: all

    def __init__(self, config: MICapConfig, towers: bool = True, name: str = "micap") -> None:
        """towers=False leaves the frozen encoders out; `adopt` then brings the words."""
        super().__init__()
        self.config, self.name, self.frames = config, name, config.frames
        self.towers = nn.ModuleDict()
        d = config.width
        widths = dict(zip(MODALITIES, config.feature_widths, strict=True))
        self.project = nn.ModuleDict({m: nn.Linear(width, d) for m, width in widths.items()})
        self.norm_in = nn.ModuleDict({m: nn.LayerNorm(d) for m in MODALITIES})
        self.times = nn.Parameter(torch.randn(config.frames, d) * 0.02)
        self.blocks = nn.ModuleList(
            CoAttention(d, config.heads, config.mlp_ratio, config.dropout)
            for _ in range(config.fusion_layers)
        )
        self.norm_out = nn.ModuleDict({m: nn.LayerNorm(d) for m in MODALITIES})
        self.joint = nn.ModuleDict({m: nn.Linear(d, config.joint_width) for m in MODALITIES})
        self.log_scale = nn.Parameter(torch.tensor(1 / 0.07).log())
        self.decoder = CaptionDecoder(config)
        self.drop = nn.Dropout(config.dropout)
        if towers:
            for m in MODALITIES:
                self.towers[m] = load_encoder(getattr(config, m)).requires_grad_(False)
            if not self.misfit():
                self.adopt(self.reading)

    def misfit(self) -> str:
        """Why a tower cannot serve this config, as a clause; empty where all fit."""
        sources = {m: getattr(self.config, m) for m in MODALITIES}
        if fault := misfit(self.towers, sources, self.config.feature_widths):
            return fault
        strange = set(self.config.vocabulary) - self.reading.tokenizer.get_vocab().keys()
        return f"the tower {self.config.text!r} has no piece {min(strange)!r}" if strange else ""

    def adopt(self, tower: TextTower) -> None:
        """Take the embeddings of the vocabulary from a text tower."""
        ids = tower.tokenizer.convert_tokens_to_ids(list(self.config.vocabulary))
        words = tower.embed(torch.tensor(ids)).detach()  # (V, d_t)
        self.decoder.words = words.to(self.decoder.words.device).clone()

    # ---- from a clip to tokens -------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        return self.times.device

    @property
    def vision(self) -> VisionTower:
        tower = self.towers["video"]
        assert isinstance(tower, VisionTower)
        return tower

    @property
    def reading(self) -> TextTower:
        tower = self.towers["text"]
        assert isinstance(tower, TextTower)
        return tower

    def prepare(self, clip: Clip) -> Inputs:
        """What the towers read of a clip; its words are the audio caption.

        Without words the sound is put into words by the describer.
        """
        seen: dict[Modality, Tensor] = {}
        clip, notices = described(clip)
        told, owner, unread = words(clip, self.reading, self.device, "the audio caption's ")
        if len(clip.frames):
            seen["video"] = self.vision.pixels(clip.frames)[None]  # (1, T, 3, S, S)
        else:
            notices.append("There is no picture to describe: the caption is a guess.")
        return Inputs({**seen, **told}, clip, owner, (*notices, *unread))

    def embed(
        self,
        features: Mapping[Modality, Tensor],
        times: Tensor,
        keep: Mapping[Modality, Tensor] | None = None,
    ) -> Tokens:
        """The towers' features (B, N_m, d_m) as tokens; times (B, T) of the frames, in [0, 1]."""
        values: dict[Modality, Tensor] = {}
        kept: dict[Modality, Tensor] = {}
        for m in MODALITIES:
            x = features.get(m)
            if x is None or not x.shape[1]:
                values[m] = torch.zeros(len(times), 0, self.config.width, device=self.device)
                kept[m] = torch.zeros(len(times), 0, dtype=torch.bool, device=self.device)
                continue
            h = self.project[m](self.drop(x))  # (B, N, d)
            if m == "video":
                place = (times * self.frames).long().clamp(0, self.frames - 1)  # (B, T)
                h = h + self.times[place].repeat_interleave(x.shape[1] // times.shape[1], dim=1)
            values[m] = self.norm_in[m](h)
            there = torch.ones(h.shape[:2], dtype=torch.bool, device=h.device)
            kept[m] = there if keep is None else keep[m]
        return Tokens(values, kept)

    def encode(self, inputs: Inputs, record: Trace | None = None) -> Tokens:
        """The towers and the common width."""
        features: dict[Modality, Tensor] = {}
        if (x := inputs.values.get("video")) is not None:
            features["video"] = watch(self.vision, x, record, self.at_once)
        if (x := inputs.values.get("text")) is not None:
            features["text"] = self.reading(x, record=record)
        return self.embed(features, when(inputs.clip, self.device))

    def compare(self, tokens: Tokens) -> dict[Modality, Tensor]:
        """The pooled streams as unit vectors (B, joint_width) of the contrastive space."""
        out: dict[Modality, Tensor] = {}
        for m, x in tokens.values.items():
            there = tokens.keep[m][..., None]  # (B, N, 1)
            mean = (x * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
            out[m] = F.normalize(self.joint[m](mean), dim=-1)
        return out

    @property
    def scale(self) -> Tensor:
        """What cosines are multiplied by in the contrastive loss: 1 / temperature."""
        return self.log_scale.exp().clamp(max=HOTTEST)

    # ---- from tokens to a caption ----------------------------------------------------------

    def memory(
        self, tokens: Tokens, record: Trace | None = None, cut: Collection[str] = ()
    ) -> Memory:
        """Co-attention, and what the decoder reads of it."""
        streams = dict(tokens.values)
        for i, block in enumerate(self.blocks):
            streams = block(streams, tokens.keep, i, record, cut)
        normed = {m: self.norm_out[m](x) for m, x in streams.items()}
        return self.decoder.memory(normed, tokens.keep)

    def score(
        self,
        memory: Memory,
        pieces: Tensor,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Tensor:
        """Log-probability (R, L) of every piece of captions (R, L), in one teacher-forced pass."""
        begun = F.pad(pieces[:, :-1], (1, 0), value=START)  # (R, L)
        hidden = self.decoder(begun, memory, record=record, cut=cut)
        chances = self.decoder.say(hidden).log_softmax(dim=-1)  # (R, L, V)
        return chances.gather(-1, pieces[..., None])[..., 0]

    @torch.no_grad()
    def generate(
        self,
        tokens: Tokens,
        present: Tensor | None = None,
        decoding: Decoding = Decoding(),
        stop: Callable[[], bool] | None = None,
        record: Trace | None = None,
    ) -> Caption:
        """The best caption that a beam search finds; present has one row."""
        memory = self.memory(tokens.only(present), record)
        best, *others = search(self.decoder, memory, decoding, stop)[0]
        scores = [*self._scores(memory, [best], record), *self._scores(memory, others)]
        told = [self._told(*x) for x in zip((best, *others), scores, strict=True)]
        return replace(told[0], beams=tuple(beam for caption in told for beam in caption.beams))

    def _scores(
        self, memory: Memory, captions: Sequence[Sequence[int]], record: Trace | None = None
    ) -> list[Tensor]:
        """Log-probabilities (L,) of the pieces of each caption of one clip, in one pass."""
        if not captions:
            return []
        each = [torch.tensor(pieces, device=self.device) for pieces in captions]
        padded = pad_sequence(each, batch_first=True, padding_value=END)  # (R, L)
        scores = self.score(memory, padded, record)
        return [said[: len(pieces)] for said, pieces in zip(scores, captions, strict=True)]

    def _told(self, pieces: Sequence[int], scores: Tensor) -> Caption:
        """A candidate with the chances (L,) that the model gives it; its one beam is itself."""
        said = scores.double().cpu().numpy()  # (L,)
        texts, owner = join([self.config.vocabulary[piece] for piece in pieces if piece != END])
        sums = np.bincount(np.array(owner, int), said[: len(owner)], len(texts))  # (W,)
        words = tuple(CaptionWord(t, float(x)) for t, x in zip(texts, np.exp(sums), strict=True))
        ends = (-1,) * (len(pieces) - len(owner))
        text = " ".join(texts)
        beam = Beam(text, float(said.mean()))
        return Caption(text, words, tuple(pieces), (*owner, *ends), (beam,))

    def given(self, caption: Caption) -> Given:
        """The model of this caption's words."""
        return Given(self, caption)

    # ---- for those who explain -------------------------------------------------------------

    def layout(self, inputs: Inputs) -> Layout:
        """Cells of frames, and words of the audio caption."""
        return places(inputs, self.towers)

    def baseline(self, inputs: Inputs) -> Inputs:
        """Grey frames (the tower's mean), and the embedding of padding."""
        return blank(inputs, self.reading)
