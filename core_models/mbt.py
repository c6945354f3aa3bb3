"""MBT, the multimodal bottleneck transformer (Nagrani et al. 2021, arXiv:2107.00135).

Two vision transformers, one over the patches of all frames in a row, one over the patches of a
log-mel spectrogram. Up to the fusion layer they stay apart (`encode`). From there on each modality
attends to its own tokens and to a few bottleneck tokens, which are all that the two share; the new
bottleneck is the mean over the modalities of what each made of it (`fuse`). The answer is the mean
of two heads. Two other ways to fuse stand beside it:

- "latent": before every such layer latents read the tokens of both modalities, in one head without
  projections, and each modality reads the latents through a scale that starts at 0;
- "late": the modalities never meet before the mean of their heads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.clip import Clip, Modality, Stream
from core_models.interface import Inputs, Output, Tokens
from core_models.layout import BandGrid, FrameGrid, Grid, Layout, SlotGrid
from core_models.mbt_towers import MBTConfig as MBTConfig
from core_models.mbt_towers import PictureTower, SoundTower
from core_models.prepare import sound
from core_models.reference import Reference
from core_models.trace import Trace, attend

Half = Literal["video", "audio"]
HALVES: tuple[Half, ...] = ("video", "audio")
CLASS: Mapping[Modality, Stream] = {"video": "video-cls", "audio": "audio-cls"}


class MBT(nn.Module):
    """Picture and sound -> one of the labels, through a bottleneck."""

    architecture = "mbt"
    modalities: tuple[Modality, ...] = HALVES
    needs: tuple[Modality, ...] = ()
    reference: Reference | None = None
    at_once: int | None = None  # frames in the layers that see them one by one; None: all
    belongs: Tensor  # (words, C)

    def __init__(self, config: MBTConfig, towers: bool = True, name: str = "mbt") -> None:
        """towers: both are the model's own, so there are none to leave out."""
        super().__init__()
        self.config, self.name, self.labels = config, name, config.labels
        self.frames, self.layers = config.frames, config.depth - config.fusion_layer
        words = words_of(config.labels, config.factorised)
        self.register_buffer("belongs", words, persistent=False)
        self.video = PictureTower(config, len(words))
        self.audio = SoundTower(config, len(words))
        count, d = config.bottlenecks, config.width
        if config.fusion == "bottleneck":
            self.bottleneck = nn.Parameter(torch.randn(1, count, d) * 0.02)
        if config.fusion == "latent":
            self.latents = nn.Parameter(torch.randn(self.layers, 1, count, d) * 0.02)
            self.scales = nn.Parameter(torch.zeros(self.layers, len(HALVES)))

    def misfit(self) -> str:
        """Nothing: no tower is shared."""
        return ""

    def tower(self, m: Half) -> PictureTower | SoundTower:
        return self.video if m == "video" else self.audio

    # ---- from a clip to tokens -------------------------------------------------------------

    def prepare(self, clip: Clip) -> Inputs:
        """Frames squashed to a square, and the waveform, of what the clip has."""
        values: dict[Modality, Tensor] = {}
        c, device = self.config, self.belongs.device
        if len(clip.frames):
            x = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float() / 255  # (T, 3, H, W)
            size = (c.image_size, c.image_size)
            x = F.interpolate(x, size=size, mode="bilinear", antialias=True)
            values["video"] = ((x - c.pixel_mean) / c.pixel_std).to(device)[None]
        heard, silence = sound(clip, device)
        return Inputs({**values, **heard}, clip, (), tuple(silence))

    def encode(self, inputs: Inputs, record: Trace | None = None) -> Tokens:
        """The layers before fusion. Trace names: ``video.<i>``, ``audio.<i>``."""
        clip = inputs.clip
        found: dict[Half, Tensor] = {}
        if (frames := inputs.values.get("video")) is not None:
            at = torch.from_numpy((clip.times - clip.start) / max(clip.duration, 1e-6))
            found["video"] = self.video(
                frames, at.to(frames.device), record=record, at_once=self.at_once
            )
        if (wave := inputs.values.get("audio")) is not None:
            found["audio"] = self.audio(self.audio.spectrogram(wave, clip.rate), record)
        return self.gather(found)

    def gather(self, found: Mapping[Half, Tensor]) -> Tokens:
        """What the towers made, (B, classes + N, d) each, as tokens; all of them exist."""
        rows = max((len(x) for x in found.values()), default=1)
        none = self.belongs.new_zeros(rows, 0, self.config.width)
        values: dict[Modality, Tensor] = {}
        extra: dict[Stream, Tensor] = {}
        for m in HALVES:
            x, front = found.get(m, none), self.tower(m).classes
            values[m] = x[:, front:]
            if m in found:
                extra[CLASS[m]] = x[:, :front]
        keep = {m: x.new_ones(x.shape[:2], dtype=torch.bool) for m, x in values.items()}
        return Tokens(values, keep, extra)

    # ---- from tokens to an answer ----------------------------------------------------------

    def fuse(
        self,
        tokens: Tokens,
        present: Tensor | None = None,
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Output:
        """The layers from the fusion layer on, and the heads; nothing present gives logits of 0.

        Trace names, with S = "<m>-cls+<m>+bottleneck": ``fusion.<i>.S<-S``, without the bottleneck
        in "latent" and "late"; "latent" has ``fusion.<i>.bottleneck<-audio+video`` and
        ``fusion.<i>.<m><-bottleneck`` before that.
        """
        tokens = tokens.only(present)
        keep = {m: tokens.keep[m] for m in HALVES if tokens.sizes[m]}
        streams = {m: torch.cat([tokens.extra[CLASS[m]], tokens.values[m]], dim=1) for m in keep}
        there = torch.stack([tokens.keep[m].any(dim=1) for m in HALVES])  # (2, B)
        share = there / there.sum(dim=0).clamp(min=1)  # (2, B): of each in a mean
        shared = self.belongs.new_zeros(there.shape[1], 0, self.config.width)
        if self.config.fusion == "bottleneck":
            shared = self.bottleneck.expand(there.shape[1], -1, -1)  # (B, n, d)
        for i in range(self.layers):
            if self.config.fusion == "latent" and streams:
                streams = self._exchange(i, streams, keep, record, cut)
            new = torch.zeros_like(shared)
            for m, x in streams.items():
                x = self._layer(i, m, torch.cat([x, shared], dim=1), keep[m], record, cut)
                end = x.shape[1] - shared.shape[1]
                streams[m], own = x[:, :end], x[:, end:]
                new = new + own * share[HALVES.index(m)][:, None, None]
            shared = new
        return self._answer(streams, there, share)

    def _layer(
        self,
        i: int,
        m: Half,
        x: Tensor,
        keep: Tensor,
        record: Trace | None,
        cut: Collection[str],
    ) -> Tensor:
        """Class tokens, tokens and bottlenecks of one modality, (B, K, d), attend to each other."""
        front, count = self.tower(m).classes, keep.shape[1]
        sizes = {CLASS[m]: front, m: count, "bottleneck": x.shape[1] - front - count}
        names = [s for s, n in sizes.items() if n]
        keep = F.pad(keep, (front, sizes["bottleneck"]), value=True)  # (B, K)
        open_ = torch.tensor([[f"fusion.{i}.{q}<-{k}" not in cut for k in names] for q in names])
        if not open_.all():
            n = torch.tensor([sizes[s] for s in names])
            rows = open_.repeat_interleave(n, 0).repeat_interleave(n, 1)  # (K, K)
            keep = keep[:, None] & rows.to(keep.device)  # (B, K, K)
        row = "+".join(names)
        block = self.tower(m).blocks[self.config.fusion_layer + i]
        out: Tensor = block(x, keep, record, f"fusion.{i}.{row}<-{row}")
        return out

    def _exchange(
        self,
        i: int,
        streams: Mapping[Half, Tensor],
        keep: Mapping[Half, Tensor],
        record: Trace | None,
        cut: Collection[str],
    ) -> dict[Half, Tensor]:
        """Latents read the tokens of all modalities; each modality reads the latents."""
        order = [m for m in reversed(HALVES) if m in keep]
        heard = {m: f"fusion.{i}.bottleneck<-{m}" not in cut for m in order}
        fronts, bodies = {}, {}
        for m, x in streams.items():
            fronts[m], bodies[m] = x[:, : self.tower(m).classes], x[:, self.tower(m).classes :]
        z = torch.zeros_like(self.latents[i]).expand(len(next(iter(keep.values()))), -1, -1)
        if any(heard.values()):
            x = torch.cat([bodies[m] for m in order], dim=1)
            kept = torch.cat([keep[m] & heard[m] for m in order], dim=1)
            name = f"fusion.{i}.bottleneck<-{'+'.join(order)}"
            z = one_head(self.latents[i].expand_as(z), x, kept, record, name)  # (B, n, d)
        for j, m in enumerate(HALVES):
            name = f"fusion.{i}.{m}<-bottleneck"
            if m in bodies and name not in cut:
                message = one_head(bodies[m], z, None, record, name)
                bodies[m] = bodies[m] + self.scales[i, j] * message
        return {m: torch.cat([fronts[m], x], dim=1) for m, x in bodies.items()}

    def _answer(self, streams: Mapping[Half, Tensor], there: Tensor, share: Tensor) -> Output:
        """What each head says of its class tokens, and the mean over the modalities present."""
        none = share.new_zeros(share.shape[1], len(self.labels))  # (B, C)
        logits, votes = none, dict[str, Tensor]()
        for m, live, part in zip(HALVES, there, share, strict=True):
            vote = self.tower(m).says(streams[m]) @ self.belongs if m in streams else none
            logits = logits + vote * part[:, None]
            votes[m] = vote.masked_fill(~live[:, None], torch.nan)
        return Output(logits, votes)

    # ---- for those who explain -------------------------------------------------------------

    def layout(self, inputs: Inputs) -> Layout:
        """Cells of frames, spans of sound; class tokens and bottlenecks have no place."""
        out: dict[Stream, Grid] = {}
        clip = inputs.clip
        if "video" in inputs.values:
            out["video"] = FrameGrid(clip.times, *self.video.grid)
        if "audio" in inputs.values:
            edges = self.audio.edges(inputs.values["audio"].shape[1], clip.rate)
            out["audio"] = BandGrid(edges + clip.start, self.audio.grid[0], self.audio.hertz())
        for m in (m for m in HALVES if m in inputs.values):
            out[CLASS[m]] = SlotGrid(self.tower(m).classes)
        if self.config.fusion != "late":
            out["bottleneck"] = SlotGrid(self.config.bottlenecks)
        return out

    def baseline(self, inputs: Inputs) -> Inputs:
        """Frames of the mean grey, and silence."""
        return replace(inputs, values={m: torch.zeros_like(x) for m, x in inputs.values.items()})


def words_of(labels: Sequence[str], factorised: bool) -> Tensor:
    """Which words make up each label, a word at another place being another: (words, C) of 0, 1."""
    parts = [list(enumerate(x.split())) if factorised else [(0, x)] for x in labels]
    words = dict.fromkeys(word for part in parts for word in part)
    return torch.tensor([[float(word in part) for part in parts] for word in words])


def one_head(x: Tensor, y: Tensor, keep: Tensor | None, record: Trace | None, name: str) -> Tensor:
    """What x (B, Q, d) reads of y (B, K, d): attention of one head without projections."""
    y = y[:, None]
    return attend(x[:, None], y, y, keep=keep, record=record, name=name)[:, 0]
