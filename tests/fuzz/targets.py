"""What is fuzzed: the readers of clips, subtitles and checkpoints, and what each may answer."""

from __future__ import annotations

import json
import shutil
import struct
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from core_models import conversation
from core_models.checkpoint import CheckpointError, load_model
from core_models.decoder.__main__ import answer
from core_models.limits import Limits, MediaError
from core_models.media import EXTENSIONS, load_clip
from core_models.reference import FILE
from core_models.subtitles import FORMATS, choose_words, read_cues
from tests.fuzz import seeds

LIMITS = Limits(max_seconds=5.0, max_pixels=4_000_000, wall_seconds=30.0)
PARTS = ("config.json", "model.safetensors", FILE)
Read = Callable[[str, bytes, Path], str]


@dataclass(frozen=True)
class Target:
    """One reader. kinds: what an input can be, by its first byte; seeds: good ones, by kind.

    read: from a kind, the content and a folder to write in; says what came out, raises what no
    reader may. suffixes: of files from outside that are of use.
    """

    kinds: tuple[str, ...]
    seeds: Callable[[Path], Mapping[str, bytes]]
    read: Read
    suffixes: frozenset[str]

    def pack(self, name: str, content: bytes) -> bytes:
        """An input: which kind it is, and the content."""
        kind = name if name in self.kinds else Path(name).suffix
        return bytes([self.kinds.index(kind)]) + content

    def unpack(self, data: bytes) -> tuple[str, bytes]:
        return self.kinds[data[0] % len(self.kinds)], data[1:]


def read_clip(kind: str, content: bytes, folder: Path) -> str:
    """The decoder in its own process."""
    path = folder / f"clip{kind}"
    path.write_bytes(content)
    try:
        clip = load_clip(path, frames=4, limits=LIMITS)
    except MediaError as error:
        return plain(str(error))
    assert len(clip.frames) == len(clip.times) > 0 and np.isfinite(clip.waveform).all()
    return "clip, with notices" if clip.notices else "clip"


def read_clip_here(faults: Counter[str]) -> Read:
    """The decoder's Python in this process, where its coverage is seen; faults: what it raises,
    which ends its own process and is one sentence there.
    """

    def converse(request: bytes, *limits: Any) -> bytearray:
        try:
            facts, arrays = answer(json.loads(request))
        except Exception as error:
            faults[where(error)] += 1
            raise MediaError("The decoder stopped on this file.") from None
        listed = [(name, x.dtype.name, x.shape) for name, x in arrays.items()]
        head = json.dumps({"facts": facts, "arrays": listed}).encode()
        body = b"".join(np.ascontiguousarray(x).tobytes() for x in arrays.values())
        return bytearray(struct.pack(">I", len(head)) + head + body)

    patch.object(conversation, "converse", converse).start()
    return read_clip


def read_subtitles(kind: str, content: bytes, folder: Path) -> str:
    """A subtitle file and its words."""
    path = folder / f"words{kind}"
    path.write_bytes(content)
    try:
        cues = read_cues(path)
    except ValueError as error:
        return plain(str(error))
    words, _, _ = choose_words("", cues, (), 0.0, 1e9)
    for word in words:
        assert word.text and word.text.isprintable() and " " not in word.text
    return "words" if words else "no words"


def read_checkpoint(kind: str, content: bytes, folder: Path) -> str:
    """A checkpoint folder with one file of it replaced."""
    architecture, name = kind.split("/")
    made = folder / architecture
    if not made.is_dir():
        seeds.checkpoints(folder)
    spoilt = folder / "spoilt"
    shutil.copytree(made, spoilt, dirs_exist_ok=True)
    (spoilt / name).write_bytes(content)
    try:
        load_model(spoilt, towers=False)
    except CheckpointError as error:
        assert str(folder) not in str(error)
        return plain(str(error))
    finally:
        shutil.rmtree(spoilt)
    return "model"


def plain(said: str) -> str:
    """The start of a sentence that may be shown; AssertionError for any other."""
    assert said and said.isprintable() and len(said) <= 1000, said
    return "".join(c for c in said[:44] if not c.isdigit())


def where(error: BaseException) -> str:
    """An error and the line of ours that it came from."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "site-packages" not in f[0]]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "elsewhere"
    return f"{type(error).__name__} at {place}: {str(error)[:80]}"


TARGETS: Mapping[str, Target] = {
    "decoder": Target(tuple(sorted(EXTENSIONS)), seeds.clips, read_clip, EXTENSIONS),
    "subtitles": Target(
        tuple(FORMATS), lambda folder: seeds.subtitles(), read_subtitles, frozenset(FORMATS)
    ),
    "checkpoints": Target(
        tuple(f"{kind}/{name}" for kind in ("caam", "mbt") for name in PARTS),
        seeds.parts, read_checkpoint, frozenset(),
    ),
}  # fmt: skip


def seeds_of(target: Target, folder: Path, outside: Path | None) -> dict[str, bytes]:
    """The inputs to begin with, by name."""
    found: dict[str, Any] = {**target.seeds(folder), **seeds.outside(outside, target.suffixes)}
    return {name: target.pack(name, content) for name, content in found.items()}
