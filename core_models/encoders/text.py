"""A BERT over word pieces, walked with `attend`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from core_models.trace import Trace, attend, merge_heads, split_heads


class TextTower(nn.Module):
    """A BERT over word pieces; [CLS] and [SEP] are inside the pass, not in its output."""

    def __init__(self, config: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__()
        self.max_pieces = int(config.get("max_pieces", 128))
        sizes = {k: v for k, v in config.items() if k not in ("kind", "max_pieces")}
        self.bert = BertModel(BertConfig(**sizes), add_pooling_layer=False)
        self.tokenizer = tokenizer
        self.width = int(self.bert.config.hidden_size)
        self.heads = int(self.bert.config.num_attention_heads)

    def pieces(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """Ids of the word pieces, and for each the index of its word; at most `max_pieces`."""
        ids: list[int] = []
        owner: list[int] = []
        for index, word in enumerate(words):
            new = self.tokenizer.encode(word, add_special_tokens=False)
            if len(ids) + len(new) > self.max_pieces:
                break
            ids += new
            owner += [index] * len(new)
        return ids, owner

    def embed(self, ids: Tensor) -> Tensor:
        """Ids (B, L) -> word embeddings (B, L, d)."""
        out: Tensor = self.bert.embeddings.word_embeddings(ids)
        return out

    def forward(
        self,
        x: Tensor,
        keep: Tensor | None = None,
        record: Trace | None = None,
        name: str = "text",
    ) -> Tensor:
        """Word embeddings (B, L, d) and keep (B, L) -> (B, L, d)."""
        marks = torch.tensor([[self.tokenizer.cls_token_id], [self.tokenizer.sep_token_id]])
        cls, sep = self.embed(marks.to(x.device)).expand(2, len(x), -1)  # (B, d) each
        if keep is None:
            keep = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        # [SEP] stands right behind the last piece that is kept, as in training of the tower.
        x = torch.cat([cls[:, None], x * keep[..., None], torch.zeros_like(sep)[:, None]], dim=1)
        end = keep.sum(dim=1) + 1  # (B,)
        at_end = torch.arange(x.shape[1], device=x.device) == end[:, None]  # (B, L + 2)
        x = torch.where(at_end[..., None], sep[:, None], x)
        seen = torch.arange(x.shape[1], device=x.device) <= end[:, None]  # (B, L + 2)
        x = self.bert.embeddings(inputs_embeds=x)
        for i, layer in enumerate(self.bert.encoder.layer):
            own, out = layer.attention.self, layer.attention.output
            q, k, v = (split_heads(f(x), self.heads) for f in (own.query, own.key, own.value))
            y = merge_heads(attend(q, k, v, keep=seen, record=record, name=f"{name}.{i}"))
            x = out(y, x)
            x = layer.feed_forward_chunk(x)
        return x[:, 1:-1] * keep[..., None]
