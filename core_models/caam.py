"""CAAM: three towers, a joint space, and cross-attention layers whose keys and values alternate.

Every layer is directed: the tokens of one modality (query) read those of another (key). Three
pair classifiers vote; the answer is the mean of the votes.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.clip import MODALITIES, Clip, Modality
from core_models.cross_layer import CrossLayer
from core_models.encoders import (
    SoundTower,
    TextTower,
    VisionTower,
    load_encoder,
)
from core_models.interface import Inputs, Output, Tokens
from core_models.layout import Layout, TimeGrid
from core_models.prepare import blank, misfit, places, sound, watch, when, words
from core_models.reference import Reference
from core_models.trace import Trace

Direction = tuple[Modality, Modality]  # query, key

PAIRS: tuple[Direction, ...] = (("video", "audio"), ("audio", "text"), ("text", "video"))

VARIANTS: dict[str, tuple[Direction, ...]] = {
    "three": PAIRS,
    "fixed": PAIRS + PAIRS,
    "alternating": tuple(d for q, k in PAIRS for d in ((q, k), (k, q))),
}


@dataclass(frozen=True)
class CAAMConfig:
    """Sizes and towers; the defaults are the shipped model."""

    labels: tuple[str, ...]
    video: str = "vit-small-msrvtt"
    audio: str = "soundnet"
    text: str = "minilm"
    feature_widths: tuple[int, int, int] = (384, 256, 384)  # of the towers: video, audio, text
    variant: str = "alternating"
    width: int = 256
    heads: int = 8
    mlp_ratio: float = 2.0
    dropout: float = 0.1
    max_audio_tokens: int = 64

    def fault(self) -> str:
        """What cannot be, naming the field; empty where nothing is wrong."""
        if self.variant not in VARIANTS:
            return f"has an unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}"
        if self.heads < 1 or self.width < 1 or self.width % self.heads:
            return f"has a width of {self.width}, which {self.heads} heads cannot share"
        if len(self.feature_widths) != len(MODALITIES):
            return f"needs {len(MODALITIES)} feature_widths ({', '.join(MODALITIES)})"
        if self.max_audio_tokens < 1:
            return "needs max_audio_tokens of 1 at least"
        return ""


def time_code(at: Tensor, width: int) -> Tensor:
    """Sinusoids of the relative time in [0, 1]: (...,) -> (..., width)."""
    rates = torch.exp(torch.linspace(0.0, math.log(32.0), width // 2, device=at.device))
    angles = at[..., None] * rates * math.pi
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


class CAAM(nn.Module):
    """Video, sound and text -> one of the labels, with cross-attention in between."""

    architecture = "caam"
    modalities: tuple[Modality, ...] = MODALITIES
    frames = 8
    needs: tuple[Modality, ...] = ()
    reference: Reference | None = None
    at_once: int | None = None  # frames in the tower; None: all

    def __init__(self, config: CAAMConfig, towers: bool = True, name: str = "caam") -> None:
        """towers=False leaves the frozen encoders out: for training from cached features."""
        super().__init__()
        self.config, self.name, self.labels = config, name, config.labels
        self.towers = nn.ModuleDict()
        if towers:
            for m in self.modalities:
                self.towers[m] = load_encoder(getattr(config, m)).requires_grad_(False)
        self.order = VARIANTS[config.variant]
        d, classes = config.width, len(config.labels)
        widths = zip(self.modalities, config.feature_widths, strict=True)
        self.project = nn.ModuleDict({m: nn.Linear(width, d) for m, width in widths})
        self.gru = nn.GRU(d, d, batch_first=True)
        self.norm_in = nn.ModuleDict({m: nn.LayerNorm(d) for m in self.modalities})
        self.time = nn.Linear(32, d, bias=False)
        self.layers = nn.ModuleList(
            CrossLayer(d, config.heads, config.mlp_ratio, config.dropout) for _ in self.order
        )
        self.norm_out = nn.ModuleDict({m: nn.LayerNorm(d) for m in self.modalities})
        self.votes = nn.ModuleDict(
            {
                f"{a}-{b}": nn.ModuleDict({m: nn.Linear(d, classes, bias=False) for m in (a, b)})
                for a, b in PAIRS
            }
        )
        self.bias = nn.ParameterDict({pair: torch.zeros(classes) for pair in self.votes})
        self.drop = nn.Dropout(config.dropout)

    def misfit(self) -> str:
        """Which tower does not fit the config, as a clause; empty where all do."""
        sources = {m: getattr(self.config, m) for m in self.modalities}
        return misfit(self.towers, sources, self.config.feature_widths)

    # ---- from a clip to tokens -------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        return self.time.weight.device

    @property
    def vision(self) -> VisionTower:
        tower = self.towers["video"]
        assert isinstance(tower, VisionTower)
        return tower

    @property
    def hearing(self) -> SoundTower:
        tower = self.towers["audio"]
        assert isinstance(tower, SoundTower)
        return tower

    @property
    def reading(self) -> TextTower:
        tower = self.towers["text"]
        assert isinstance(tower, TextTower)
        return tower

    def prepare(self, clip: Clip) -> Inputs:
        """What the towers read of a clip, for the modalities that it has."""
        heard, silence = sound(clip, self.device)
        told, owner, unread = words(clip, self.reading, self.device)
        seen: dict[Modality, Tensor] = {}
        if len(clip.frames):
            seen["video"] = self.vision.pixels(clip.frames)[None]  # (1, T, 3, S, S)
        return Inputs({**seen, **heard, **told}, clip, owner, (*silence, *unread))

    def features(self, inputs: Inputs, record: Trace | None = None) -> dict[Modality, Tensor]:
        """The towers' outputs: video (B, T * cells, d_v), audio (B, N, d_a), text (B, L, d_t)."""
        out: dict[Modality, Tensor] = {}
        if (x := inputs.values.get("video")) is not None:
            out["video"] = watch(self.vision, x, record, self.at_once)
        if (x := inputs.values.get("audio")) is not None:
            out["audio"] = self.hearing(x)
        if (x := inputs.values.get("text")) is not None:
            out["text"] = self.reading(x, record=record)
        return out

    def embed(
        self,
        features: Mapping[Modality, Tensor],
        times: Tensor,
        keep: Mapping[Modality, Tensor] | None = None,
    ) -> Tokens:
        """Features into the joint space. times (B, T): of the frames, relative, in [0, 1]."""
        values: dict[Modality, Tensor] = {}
        kept: dict[Modality, Tensor] = {}
        batch = len(times)
        for m in self.modalities:
            x = features.get(m)
            if x is None or not x.shape[1]:
                values[m] = torch.zeros(batch, 0, self.config.width, device=self.device)
                kept[m] = torch.zeros(batch, 0, dtype=torch.bool, device=self.device)
                continue
            h = self.project[m](self.drop(x))  # (B, N, d)
            if m == "video":
                code = self.time(time_code(times, 32))  # (B, T, d)
                h = h + code.repeat_interleave(x.shape[1] // times.shape[1], dim=1)
            if m == "audio":
                h = h + self.gru(h)[0]
            values[m] = self.norm_in[m](h)
            kept[m] = torch.ones(h.shape[:2], dtype=torch.bool, device=h.device)
            if keep is not None:
                kept[m] = keep[m]
        return Tokens(values, kept)

    def encode(self, inputs: Inputs, record: Trace | None = None) -> Tokens:
        """Towers and joint space; long sound is averaged down to `max_audio_tokens` tokens."""
        times = when(inputs.clip, self.device)
        tokens = self.embed(self.features(inputs, record), times)
        audio = tokens.values["audio"]
        step = self._audio_step(audio.shape[1])
        if step == 1:
            return tokens
        pooled = F.avg_pool1d(audio.transpose(1, 2), step, ceil_mode=True).transpose(1, 2)
        keep = torch.ones(pooled.shape[:2], dtype=torch.bool, device=pooled.device)
        return replace(
            tokens,
            values={**tokens.values, "audio": pooled},
            keep={**tokens.keep, "audio": keep},
        )

    def _audio_step(self, count: int) -> int:
        return max(1, -(-count // self.config.max_audio_tokens))

    # ---- from tokens to an answer ----------------------------------------------------------

    def fuse(
        self,
        tokens: Tokens,
        present: Tensor | None = None,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Output:
        """The cross-attention layers and the votes. Trace names: ``fusion.<i>.<query><-<key>``."""
        tokens = tokens.only(present)
        streams, keep = dict(tokens.values), tokens.keep
        if record is None:
            streams, keep = _once(streams), _once(keep)
        for i, (layer, (q, k)) in enumerate(zip(self.layers, self.order, strict=True)):
            assert isinstance(layer, CrossLayer)
            name, x = f"fusion.{i}.{q}<-{k}", streams[q]
            if x.shape[1] and streams[k].shape[1] and name not in cut:
                x = x + layer.read(x, streams[k], keep[k], record, name)
            streams[q] = layer.step(x)
        return self._vote(streams, tokens.keep)

    def _vote(self, streams: Mapping[Modality, Tensor], keep: Mapping[Modality, Tensor]) -> Output:
        pooled, there = {}, {}
        for m, x in streams.items():
            mask = keep[m][..., None]  # (B, N, 1)
            total = (self.norm_out[m](x) * mask).sum(dim=1)  # (B, d)
            pooled[m] = self.drop(total / mask.sum(dim=1).clamp(min=1))
            there[m] = keep[m].any(dim=1)  # (B,)
        votes, live = [], []
        for a, b in PAIRS:
            left, right = (self.votes.get_submodule(f"{a}-{b}.{m}") for m in (a, b))
            votes.append(left(pooled[a]) + right(pooled[b]) + self.bias[f"{a}-{b}"])  # (B, C)
            live.append(there[a] | there[b])
        ballots, says = torch.stack(votes, dim=1), torch.stack(live, dim=1)[..., None]  # (B, 3, C)
        weight = torch.where(says.any(dim=1, keepdim=True), says, True).to(ballots.dtype)
        logits = (ballots * weight).sum(dim=1) / weight.sum(dim=1)  # (B, C)
        shown = ballots.masked_fill(~says, torch.nan).unbind(dim=1)
        return Output(logits, dict(zip(self.votes, shown, strict=True)))

    # ---- for those who explain -------------------------------------------------------------

    def layout(self, inputs: Inputs) -> Layout:
        """Cells of frames, spans of sound, words."""
        audio = None
        if (wave := inputs.values.get("audio")) is not None:
            edges = self.hearing.edges(wave.shape[1])
            step = self._audio_step(len(edges) - 1)
            audio = TimeGrid(np.append(edges[:-1:step], edges[-1]) + inputs.clip.start)
        return places(inputs, self.towers, audio)

    def baseline(self, inputs: Inputs) -> Inputs:
        """Grey frames (the towers' mean), silence, and the embedding of padding."""
        return blank(inputs, self.reading)


def _once(rows: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
    """One row of what was expanded: it is computed once, until it meets what differs."""
    return {m: x if x.stride(0) else x[:1] for m, x in rows.items()}
