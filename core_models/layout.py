"""Where in the clip each token lies: the only place that turns token indices into places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Stream, Word

Array = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class FrameGrid:
    """Video tokens: frame-major, then rows × cols equal cells over the whole upright frame.

    times: (T,) seconds.
    """

    times: NDArray[np.float64]
    rows: int
    cols: int

    @property
    def size(self) -> int:
        return len(self.times) * self.rows * self.cols

    def spread(self, scores: Array) -> Array:
        """Scores (..., N) on their places (..., T, rows, cols)."""
        return scores.reshape(*scores.shape[:-1], len(self.times), self.rows, self.cols)


@dataclass(frozen=True, eq=False)
class TimeGrid:
    """Audio tokens: spans of time, in order; (N + 1,) edges in seconds."""

    edges: NDArray[np.float64]

    @property
    def size(self) -> int:
        return len(self.edges) - 1

    def spread(self, scores: Array) -> Array:
        """Scores (..., N) on their places (..., N)."""
        return scores


@dataclass(frozen=True, eq=False)
class BandGrid(TimeGrid):
    """Patches of a spectrogram: spans of time in order, in each its bands from low to high.

    hertz: the borders of the bands, (bands + 1,), where they are known.
    """

    bands: int = 1
    hertz: NDArray[np.float64] | None = None

    @property
    def size(self) -> int:
        return super().size * self.bands

    def spread(self, scores: Array) -> Array:
        """Scores (..., N) on their places (..., spans): a span is the sum of its bands."""
        return scores.reshape(*scores.shape[:-1], -1, self.bands).sum(axis=-1)


@dataclass(frozen=True, eq=False)
class WordGrid:
    """Text tokens: pieces of words; owner (N,) is the index of the word a piece belongs to."""

    words: tuple[Word, ...]
    owner: NDArray[np.int64]

    @property
    def size(self) -> int:
        return len(self.owner)

    def spread(self, scores: Array) -> Array:
        """Scores (..., N) on their words (..., W): a word is the sum of its pieces."""
        belongs = self.owner[:, None] == np.arange(len(self.words))  # (N, W)
        return scores @ belongs.astype(scores.dtype)


@dataclass(frozen=True)
class SlotGrid:
    """Learned tokens without a place in the clip: bottlenecks, class tokens."""

    size: int

    def spread(self, scores: Array) -> Array:
        """Scores (..., N) as they are."""
        return scores


Grid = FrameGrid | TimeGrid | WordGrid | SlotGrid
Layout = Mapping[Stream, Grid]
