"""An attribution as the viewer reads it: what it says, and its scores as bytes in a file of their
own, so that a partial result sends nothing else again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Modality
from core_models.layout import BandGrid, FrameGrid, Grid, TimeGrid
from explain.analysis import Analysis
from explain.attribution import Attribution
from explain.methods.registry import find
from explain.render.tint import gain
from explain.spectrogram import heights


@dataclass(frozen=True, eq=False)
class Scored:
    """content: uint8 scores, one modality after another."""

    meta: dict[str, Any]
    content: bytes


def scored(found: Attribution, analysis: Analysis, key: str, title: str = "") -> Scored:
    """An attribution of a run, under an id that no other of the run has.

    title: of a map that no method made; it has a scale of its own beside other maps.

    words: of a caption, those that were asked about where it is not the whole.
    """
    parts: dict[Modality, dict[str, Any]] = {}
    content = b""
    for m, grid in found.grids.items():
        placed, shape = _placed(found, m, grid, analysis.clip.rate)
        data, most = quantised(placed, found.signed)
        size = {"offset": len(content), "size": len(data), "most": most, "gain": gain(found, m)}
        parts[m] = {**size, **shape}
        content += data.tobytes()
    said, plus = analysis.caption, found.target.plus
    words = plus if said is not None and len(plus) < len(said.words) else ()
    meta = {
        "id": key,
        "method": found.method,
        "model": analysis.model.name,
        "title": title or find(found.method).title.removesuffix(" of tokens"),
        "alone": bool(title),
        "target": found.target.name,
        "words": list(words),
        "level": found.level,
        "signed": found.signed,
        "done": found.done,
        "blank": found.blank,
        "parts": parts,
        "shares": found.shares,
        "nets": found.nets,
        "mass": sum(float(np.abs(x).sum(dtype=np.float64)) for x in found.scores.values()),
        "loose": dict(found.loose),
    }
    return Scored(meta, content)


def quantised(scores: NDArray[np.float32], signed: bool) -> tuple[NDArray[np.uint8], float]:
    """Scores to bytes, and the largest absolute score: most.

    Signed: most * (byte - 128) / 127, so 128 is nothing; else most * byte / 255.
    """
    most = float(np.abs(scores).max(initial=0))
    scaled = scores / (most or 1)  # in [-1, 1]
    steps = 128 + 127 * scaled if signed else 255 * scaled.clip(0)
    return np.rint(steps).astype(np.uint8), most


def _placed(
    found: Attribution, m: Modality, grid: Grid, rate: int
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Scores on the cells that are drawn, and where these lie."""
    if isinstance(grid, FrameGrid):
        return found.scores[m], {"rows": grid.rows, "cols": grid.cols}
    if isinstance(grid, BandGrid) and grid.hertz is not None:
        up, hertz = heights(grid.hertz, rate).tolist(), grid.hertz.tolist()
        where = {"edges": grid.edges.tolist(), "heights": up, "hertz": hertz}
        return found.scores[m], where
    if isinstance(grid, TimeGrid):
        return found.placed(m), {"edges": grid.edges.tolist()}
    return found.placed(m), {}
