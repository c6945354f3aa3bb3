"""The colours of an attribution: heat, or one hue for and one against; nothing is transparent."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from numpy.typing import NDArray

from core_models.clip import Modality
from explain.attribution import Array, Attribution
from explain.export.arrays import cells
from explain.render.palette import AGAINST, FOR, HEAT

SIGNED = LinearSegmentedColormap.from_list("against-for", [AGAINST, "#ffffff", FOR])
STRONGEST, MANY = 0.8, 200  # opacity; cells from which single ones may leave the scale
STEPS = tuple(k * 10**power for power in range(7) for k in (1, 2, 5))


def colours(signed: bool) -> Colormap:
    """Perceptually uniform, or from against over white to for; both colour-blind safe."""
    return SIGNED if signed else colormaps[HEAT]


def scale(attribution: Attribution) -> ScalarMappable:
    """The one scale that all modalities share: as a colour bar."""
    most = limit(attribution)
    norm = Normalize(-most if attribution.signed else 0, most)
    return ScalarMappable(norm, colours(attribution.signed))


def limit(attribution: Attribution) -> float:
    """The end of the shared scale: the largest score of a cell."""
    return max((float(np.abs(cells(attribution, m)).max(initial=0)) for m in attribution.scores),
               default=0.0) or 1.0  # fmt: skip


def gain(attribution: Attribution, modality: Modality) -> int:
    """How many times stronger a modality is drawn, so that it is seen beside the strongest: a
    round number, 1 where it needs none. Of many cells, one in 200 may leave the scale.
    """
    found = np.abs(cells(attribution, modality))
    if not found.size or not found.max():
        return 1
    high = float(np.quantile(found, 0.995)) if found.size > MANY else 0.0
    room = limit(attribution) / (high or float(found.max()))
    return max(step for step in STEPS if step <= max(1.0, room * (1 + 1e-6)))


def tint(scores: Array, most: float, signed: bool) -> NDArray[np.float64]:
    """Scores (...) as RGBA (..., 4): the stronger, the more opaque."""
    part = np.clip(scores / most, -1, 1)
    ends = np.sign(part) * 0.5 + 0.5 if signed else part.clip(0)
    out = np.array(colours(signed)(ends), np.float64)
    out[..., 3] = STRONGEST * np.abs(part) if signed else STRONGEST * part.clip(0)
    return out


def tinted(attribution: Attribution, modality: Modality) -> NDArray[np.float64]:
    """A modality's cells in the colours that they are drawn with: RGBA (..., 4)."""
    most = limit(attribution) / gain(attribution, modality)
    return tint(cells(attribution, modality), most, attribution.signed)
