"""Weights from a safetensors file into a module; whatever does not fit is refused by its name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

# What other files begin with, and what to say of them.
OTHERS = {
    b"\x80": "is a pickle, which can run code and is not read; save it with safetensors",
    b"PK": "is a pickle in a zip, which can run code and is not read; save it with safetensors",
    b"version https://git-lfs": "is a pointer of Git LFS; fetch the file itself: git lfs pull",
}


MOST_LETTERS = 400  # of a message: what it quotes may be of any length


class CheckpointError(ValueError):
    """A checkpoint folder that cannot be loaded; the message says which part and why."""

    def __init__(self, said: str) -> None:
        line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
        super().__init__(line if len(line) <= MOST_LETTERS else f"{line[: MOST_LETTERS - 2]}….")


def read(path: Path, owner: str) -> dict[str, Tensor]:
    """The tensors of a file in float32; the owner is what the folder is called in messages."""
    with _opened(path, owner) as file:
        found = {key: file.get_tensor(key) for key in file.keys()}
    for key, value in found.items():
        if value.is_complex():
            raise CheckpointError(f"{path.name} of {owner} is damaged: {key} is complex.")
    try:
        return {key: value.float() for key, value in found.items()}
    except NotImplementedError:
        raise CheckpointError(f"{path.name} of {owner} has numbers of an unknown kind.") from None


@contextlib.contextmanager
def _opened(path: Path, owner: str) -> Iterator[Any]:
    """A safetensors file; CheckpointError for any other, and for whatever is wrong in it."""
    if not path.is_file():
        raise CheckpointError(f"{owner} has no {path.name}; pickles are not read.")
    try:
        with path.open("rb") as file:
            start = file.read(32)
        for begin, said in OTHERS.items():
            # A safetensors file begins with the length of its header, then the header's brace.
            if start.startswith(begin) and start[8:9] != b"{":
                raise CheckpointError(f"{path.name} of {owner} {said}.")
        with safe_open(path, "pt") as content:
            yield content
    except (SafetensorError, LookupError, TypeError, OverflowError, RuntimeError) as error:
        raise CheckpointError(f"{path.name} of {owner} is damaged: {error}.") from None
    except OSError:
        raise CheckpointError(f"{path.name} of {owner} cannot be opened.") from None


def fill(module: nn.Module, path: Path, owner: str, without: str = "no prefix") -> None:
    """Give a module the tensors of a file: all that it has, except those under a prefix."""
    state = read(path, owner)
    own = {k: v for k, v in module.state_dict().items() if not k.startswith(without)}
    for key in sorted(own.keys() ^ state.keys()):
        what = "misses" if key in own else "has an unknown"
        raise CheckpointError(f"{owner}/{path.name} {what} parameter {key}.")
    for key, value in state.items():
        have, want = tuple(value.shape), tuple(own[key].shape)
        if have != want:
            raise CheckpointError(f"{owner}: {key} has shape {have}, the config needs {want}.")
    module.load_state_dict(state, strict=False)
