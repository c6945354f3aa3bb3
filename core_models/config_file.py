"""A checkpoint's config.json, which may be anybody's: nothing in it is taken on trust."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core_models.tensors import CheckpointError

# What a config may ask for: no more than any model has, so that building it comes to an end.
MOST_BYTES, MOST_LISTED, MOST_LETTERS, MOST = 4_000_000, 65_536, 1000, 65_536
MOST_LAYERS: Mapping[str, int] = dict.fromkeys(("depth", "fusion_layers", "decoder_layers"), 256)
LISTED: Mapping[str, type] = {"labels": str, "vocabulary": str}  # other lists hold whole numbers
SOURCES = ("video", "audio", "text")  # the fields that name a tower
# A shipped one, or one of a hub; never a path, which strangers could lead anywhere.
SOURCE = re.compile(r"((timm|transformers):([A-Za-z0-9][\w.-]*/)?)?[A-Za-z0-9][\w.-]*")


def read_config(folder: Path, owner: str) -> dict[str, Any]:
    """The config of a folder as it is written; the owner is its name in messages."""
    try:
        with (folder / "config.json").open("rb") as file:
            written = file.read(MOST_BYTES + 1)
    except (OSError, ValueError):
        raise CheckpointError(f"{owner} has no config.json; name a checkpoint folder.") from None
    if len(written) > MOST_BYTES:
        raise CheckpointError(f"config.json of {owner} is larger than {MOST_BYTES / 1e6:.0f} MB.")
    try:
        config = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"config.json of {owner} is not JSON: {error}.") from None
    if not isinstance(config, dict):
        raise CheckpointError(f"config.json of {owner} is not a JSON object.")
    return config


def excess(key: str, value: Any) -> str:
    """Why a field holds what no model has, as a clause; empty where it does not."""
    if isinstance(value, list):
        if len(value) > MOST_LISTED:
            return f"has more than {MOST_LISTED:,} {key}"
        kind = LISTED.get(key, int)
        faults = (excess(key, x) if type(x) is kind else _strange(key, x) for x in value)
        return next(filter(None, faults), "")
    if isinstance(value, str):
        return _text(key, value)
    most = MOST_LAYERS.get(key, MOST)
    if not -most <= value <= most:  # not a number, too
        return f"has a {key} beyond {most:,}"
    return f"has a {key} below 0" if type(value) is int and value < 0 else ""


def _strange(key: str, value: Any) -> str:
    return f"has {key} with an entry of the wrong kind: {value!r}"


def _text(key: str, value: str) -> str:
    if len(value) > MOST_LETTERS or not value.isprintable():
        return f"has a text in {key} that is too long or cannot be shown"
    if key in SOURCES and not SOURCE.fullmatch(value):
        return f"has a {key} that is neither the name of a tower nor of a hub: {value!r}"
    return ""
