"""Tokens in groups that come and go together: the players of perturbation methods.

Groups are blocks of the picture over a few frames, spans of the sound, words. An absent token has
no influence at all on the model; class tokens go with the last token of their modality.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from core_models.clip import Modality, Stream
from core_models.layout import BandGrid, FrameGrid, Grid, WordGrid
from explain.question import Question

ORDER: tuple[Modality, ...] = ("text", "audio", "video")  # what one leaves over, the next may use
FRAMES = 4  # at least so many spans of time, before the picture is cut finer
ROWS = 16  # combinations that go into one pass


@dataclass(frozen=True, eq=False)
class Groups:
    """owner: per modality that is on, the group of each token (N_m,); groups count on over all."""

    question: Question
    owner: Mapping[Modality, Tensor]

    @cached_property
    def sizes(self) -> Tensor:
        """Tokens in each group: (G,)."""
        return torch.bincount(torch.cat(list(self.owner.values())))

    @property
    def count(self) -> int:
        """G"""
        return len(self.sizes)

    @property
    def change(self) -> float:
        """The score of all groups less that of none."""
        everyone = torch.ones(1, self.count)
        whole, none = self.score(torch.cat([everyone, 0 * everyone])).double().tolist()
        return float(whole - none)

    def score(self, there: Tensor) -> Tensor:
        """The target's score (B,) when some groups exist, 0 or 1: (B, G)."""
        kept = there > 0.5
        parts = []
        for m, n in self.question.analysis.tokens.sizes.items():
            off = kept.new_zeros(len(kept), n)
            parts.append(kept[:, self.owner[m]] if m in self.owner else off)
        rows = torch.cat(parts, dim=1).to(self.question.here.device)  # (B, N)
        return self.question.of_rows(rows).cpu()

    def spread(self, scores: Tensor) -> dict[Stream, Tensor]:
        """Scores of groups (G,), evenly on their tokens: (1, N_m) per modality."""
        each = scores / self.sizes
        return {m: each[owner][None] for m, owner in self.owner.items()}


def groups(question: Question, most: int) -> Groups:
    """At most so many, and one for each modality at least, shared out between those that are on."""
    analysis = question.analysis
    on = [m for m in ORDER if m in analysis.present]
    found: dict[Modality, Tensor] = {}
    used = 0
    for i, m in enumerate(on):
        own = _cut(analysis.layout[m], max(1, (most - used) // (len(on) - i)))
        found[m] = own + used
        used += int(own.max()) + 1
    return Groups(question, {m: found[m] for m in analysis.present})


def _cut(grid: Grid, most: int) -> Tensor:
    """The group of each token (N,), counting from 0."""
    if isinstance(grid, WordGrid):
        words = torch.as_tensor(grid.owner)
        return _runs(int(words.max()) + 1, most)[words]
    if isinstance(grid, BandGrid):
        return _runs(grid.size // grid.bands, most).repeat_interleave(grid.bands)
    if not isinstance(grid, FrameGrid):
        return _runs(grid.size, most)
    frames = len(grid.times)
    side = max(1, min(grid.rows, grid.cols, math.isqrt(most // min(frames, FRAMES))))
    time = _runs(frames, most // side**2)[:, None, None]
    row, column = _runs(grid.rows, side)[:, None], _runs(grid.cols, side)
    return ((time * side + row) * side + column).flatten()


def _runs(count: int, most: int) -> Tensor:
    """Places 0 to count in at most so many runs of nearly equal length."""
    return torch.arange(count) * min(count, most) // count


def others_on(there: Tensor, first: int, count: int) -> Tensor:
    """Some groups (B, n) from the first on, all others existing: (B, G)."""
    return F.pad(there, (first, count - first - there.shape[1]), value=1.0)
