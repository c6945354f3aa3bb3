"""Co-attention (Lu et al. 2019, arXiv:1908.02265): two streams read each other at the same time."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor, nn

from core_models.clip import Modality
from core_models.cross_layer import CrossLayer
from core_models.trace import Trace


class CoAttention(nn.Module):
    """One block: both directions read the same two streams at once, each with its own weights."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        self.video = CrossLayer(width, heads, mlp_ratio, dropout)
        self.text = CrossLayer(width, heads, mlp_ratio, dropout)

    def forward(
        self,
        streams: Mapping[Modality, Tensor],
        keep: Mapping[Modality, Tensor],
        layer: int,
        record: Trace | None,
        cut: Collection[str],
    ) -> dict[Modality, Tensor]:
        """(B, N_m, d) each; trace names: ``fusion.<layer>.<query><-<key>``."""
        out: dict[Modality, Tensor] = {}
        directions: tuple[tuple[CrossLayer, Modality, Modality], ...] = (
            (self.video, "video", "text"),
            (self.text, "text", "video"),
        )
        for directed, q, k in directions:
            x, name = streams[q], f"fusion.{layer}.{q}<-{k}"
            if x.shape[1] and streams[k].shape[1] and name not in cut:
                x = x + directed.read(x, streams[k], keep[k], record, name)
            out[q] = directed.step(x)
        return out
