"""What helps an MBT to learn words from 620 clips of GRID, and is dropped when it is shipped.

Both towers also name the other four words of a command and spell out all six in their order (CTC,
Graves et al. 2006), and the picture foretells the clean sound of each frame. When a word is spoken
is told to neither.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core_models.clip import Modality
from core_models.interface import Tokens
from core_models.mbt import HALVES, MBT
from core_models.training.grid import RATE, Utterance
from core_models.training.grid_views import Batch

BANDS = 16  # of the sound that the picture foretells
WEIGHTS = {"words": 0.5, "spelling": 0.3, "sound": 5.0}


class Learner(nn.Module):
    """A model with the heads that help it to learn."""

    def __init__(self, model: MBT, clips: Sequence[Utterance]) -> None:
        super().__init__()
        self.model, d = model, model.config.width
        self.places = [sorted({u.words[i] for u in clips}) for i in range(6)]
        count = sum(map(len, self.places))
        self.words = nn.ModuleDict({m: nn.Linear(d, count) for m in HALVES})
        self.spelling = nn.ModuleDict({m: nn.Linear(d, count + 1) for m in HALVES})
        self.look, self.sound = nn.Linear(d, 1), nn.Linear(d, 3 * BANDS)

    def forward(self, batch: Batch, cells: tuple[int, int]) -> Tensor:
        """The loss of a batch."""
        model, c = self.model, self.model.config
        frames = (batch.frames - c.pixel_mean) / c.pixel_std
        at = (torch.arange(c.frames) + 0.5) / c.frames
        seen = model.video(frames, at, lively(frames, model.video.grid, *cells))
        mel = model.audio.spectrogram(batch.heard, RATE).masked_fill(batch.mask, 0.0)
        tokens = model.gather({"video": seen, "audio": model.audio(mel)})
        loss = self.helped(tokens, batch)
        keep: dict[Modality, Tensor] = {
            m: tokens.keep[m] & batch.shown[:, j, None] for j, m in enumerate(HALVES)
        }
        out = model.fuse(Tokens(tokens.values, keep, tokens.extra))
        labels = torch.tensor([u.label for u in batch.clips])
        loss = loss + F.cross_entropy(out.logits, labels, label_smoothing=0.05)
        for j, m in enumerate(HALVES):
            live = batch.shown[:, j]
            if live.any():
                vote = F.cross_entropy(out.votes[m][live], labels[live], label_smoothing=0.05)
                loss = loss + vote * live.float().mean()
        return loss

    def helped(self, tokens: Tokens, batch: Batch) -> Tensor:
        """The loss of the heads that help, on what the towers made before fusion."""
        model, ids = self.model, self.ids(batch.clips)  # (B, 6)
        frames = tokens.values["video"].unflatten(1, (model.frames, -1))  # (B, T, n, d)
        frames = (self.look(frames).softmax(dim=2) * frames).sum(dim=2)  # (B, T, d)
        with torch.no_grad():
            clean = model.audio.spectrogram(batch.clean, RATE)
            sound = F.adaptive_avg_pool2d(clean, (BANDS, 3 * model.frames)).transpose(1, 2)
            sound = sound.unflatten(1, (model.frames, 3)).flatten(2)  # (B, T, 3 * BANDS)
        loss = WEIGHTS["sound"] * F.mse_loss(self.sound(frames), sound)
        steps = {"video": frames, "audio": tokens.values["audio"]}
        fronts = {"video": tokens.extra["video-cls"], "audio": tokens.extra["audio-cls"]}
        for m in HALVES:
            said = self.words[m](fronts[m].mean(dim=1)).split(list(map(len, self.places)), dim=1)
            words = [
                F.cross_entropy(x, y, label_smoothing=0.05)
                for x, y in zip(said, ids.T, strict=True)
            ]
            spelt = self.spelling[m](steps[m]).log_softmax(dim=2).transpose(0, 1)  # (N, B, words)
            long, six = (torch.full((len(ids),), n) for n in (len(spelt), ids.shape[1]))
            starts = torch.tensor([1, *map(len, self.places[:-1])]).cumsum(0)
            loss = loss + WEIGHTS["words"] * torch.stack(words).mean() * 6
            loss = loss + WEIGHTS["spelling"] * F.ctc_loss(spelt, ids + starts, long, six)
        return loss

    def ids(self, clips: Sequence[Utterance]) -> Tensor:
        """Which word of its place each word is: (B, 6)."""
        return torch.tensor(
            [[p.index(w) for p, w in zip(self.places, u.words, strict=True)] for u in clips]
        )


def lively(frames: Tensor, grid: tuple[int, int], moving: int, others: int) -> Tensor:
    """The cells of each clip that move most, and some others by chance: (B, moving + others)."""
    change = frames[..., ::2, ::2].diff(dim=1).abs().mean(dim=(1, 2))  # (B, S / 2, S / 2)
    change = F.adaptive_avg_pool2d(change, grid).flatten(1)  # (B, cells)
    order = change.argsort(dim=1, descending=True)
    rest = order[:, moving:]
    picked = torch.rand(rest.shape).argsort(dim=1)[:, :others]
    return torch.cat([order[:, :moving], rest.gather(1, picked)], dim=1)
