"""The layer that CAAM is made of: the tokens of one modality read those of another."""

from __future__ import annotations

from torch import Tensor, nn

from core_models.trace import Trace, attend, merge_heads, split_heads


class CrossLayer(nn.Module):
    """One directed layer: the query tokens read the key tokens, then an MLP."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm_q, self.norm_k, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.q, self.k, self.v, self.out = (nn.Linear(width, width) for _ in range(4))
        hidden = int(width * mlp_ratio)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )
        self.drop = nn.Dropout(dropout)

    def read(self, x: Tensor, y: Tensor, keep: Tensor, record: Trace | None, name: str) -> Tensor:
        """What x (B, Q, d) gets from y (B, K, d): (B, Q, d); zeros where no key is kept."""
        x, y = self.norm_q(x), self.norm_k(y)
        q, k, v = (split_heads(t, self.heads) for t in (self.q(x), self.k(y), self.v(y)))
        message = merge_heads(attend(q, k, v, keep=keep, record=record, name=name))  # (B, Q, d)
        some = keep.any(dim=1)[:, None, None]  # no message, and no bias of it, without a key
        message = self.drop(self.out(message))
        return message if some.all() else message * some

    def step(self, x: Tensor) -> Tensor:
        """The MLP with its residual: (B, Q, d) -> (B, Q, d)."""
        return x + self.drop(self.mlp(self.norm_mlp(x)))
