"""A run again from its manifest: the same clip, weights, arguments and questions."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core_models.checkpoint import weight_hashes
from core_models.media import file_key
from core_models.registry import find

ASIDE = ("out", "replay", "method", "set", "asked", "tests", "list_methods")  # named elsewhere


class ReplayError(ValueError):
    """A manifest that cannot be replayed; the message says why."""


def arguments(given: argparse.Namespace) -> dict[str, Any]:
    """What the manifest keeps of the command line; its questions stand there by themselves."""
    kept = {k: v for k, v in vars(given).items() if k not in ASIDE}
    kept["clip"] = str(given.clip)
    return kept


def replayed(given: argparse.Namespace) -> argparse.Namespace:
    """The arguments of an earlier run; a clip named now stands in for one that has moved."""
    try:
        manifest = json.loads(given.replay.read_text())
        old = dict(manifest["arguments"])
        clip, weights = manifest["clip_sha256"], manifest["weights_sha256"]
        asked = [
            (str(one["method"]), str(one["target"]), dict(one["settings"]))
            for one in manifest.get("explanations", ())
        ]
        tests = [str(one.get("tests", "cheap")) for one in manifest.get("explanations", ())]
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ReplayError(f"{given.replay} is not a manifest of FusionScope.") from None
    old["clip"] = given.clip or old["clip"]
    again = argparse.Namespace(**{**vars(given), **old, "asked": asked, "tests": tests})
    if weight_hashes(find(again.model)) != weights:
        raise ReplayError(f"The weights of {again.model} have changed since this manifest.")
    if file_key(Path(again.clip)) != clip:
        raise ReplayError(f"{again.clip} is not the clip of this manifest: its sha256 differs.")
    return again


def differing(manifest: Path, contents: Mapping[str, bytes]) -> list[str]:
    """The files that are not what they were, byte for byte."""
    was = dict(json.loads(manifest.read_text()).get("files", {}))
    now = {n: hashlib.sha256(c).hexdigest() for n, c in contents.items() if n != "manifest.json"}
    return sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
