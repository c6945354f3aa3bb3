"""Leave out the word pieces that no text in Latin letters needs: a tenth of the vocabulary.

What is kept is spelled and embedded as before; other letters were hardly learned, and become
[UNK].
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from torch import Tensor

TABLE = "bert.embeddings.word_embeddings.weight"
LATIN = 0x250  # the first letter that is no Latin one
SIGNS = range(0x2010, 0x20C0)  # dashes, quotes, currencies


def needed(piece: str) -> bool:
    """Whether a piece is made of Latin letters, digits and signs, and was ever used."""
    readable = all(ord(c) < LATIN or ord(c) in SIGNS for c in piece)
    return readable and not piece.startswith("[unused")


def slim(
    tokenizer: Mapping[str, Any], state: Mapping[str, Tensor]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """A tokenizer's JSON and a tower's state with the needed pieces alone, numbered anew."""
    old = tokenizer["model"]["vocab"]
    kept = [piece for piece in sorted(old, key=lambda p: old[p]) if needed(piece)]
    new = {piece: i for i, piece in enumerate(kept)}
    out = json.loads(json.dumps(tokenizer))
    out["model"]["vocab"] = new
    for token in out["added_tokens"]:
        token["id"] = new[token["content"]]
    for name, token in out["post_processor"]["special_tokens"].items():
        token["ids"] = [new[name]]
    rows = state[TABLE][[old[piece] for piece in kept]]  # (pieces, d)
    return out, {**state, TABLE: rows}
