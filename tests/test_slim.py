"""Leaving word pieces out changes nothing for the texts that do not need them."""

from __future__ import annotations

import torch

from core_models.training.slim import TABLE, needed, slim

VOCABULARY = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "cat", "##s", "猫", "é", "’"]
TOKENIZER = {
    "model": {"vocab": {piece: i for i, piece in enumerate(VOCABULARY)}},
    "added_tokens": [{"content": "[CLS]", "id": 3}],
    "post_processor": {"special_tokens": {"[SEP]": {"ids": [4]}}},
}


def test_pieces_keep_their_vectors_under_new_numbers() -> None:
    table = torch.arange(10.0)[:, None]
    tokenizer, state = slim(TOKENIZER, {TABLE: table, "other": table})
    vocabulary = tokenizer["model"]["vocab"]
    assert list(vocabulary) == [piece for piece in VOCABULARY if needed(piece)]
    assert [VOCABULARY[int(row)] for row in state[TABLE][:, 0]] == list(vocabulary)
    assert state["other"] is table
    assert tokenizer["added_tokens"][0]["id"] == vocabulary["[CLS]"] == 2
    assert tokenizer["post_processor"]["special_tokens"]["[SEP]"]["ids"] == [3]
    assert TOKENIZER["added_tokens"] == [{"content": "[CLS]", "id": 3}]


def test_what_is_needed() -> None:
    assert [p for p in VOCABULARY if not needed(p)] == ["[unused0]", "猫"]
