"""An export in a folder: whole or not at all, with nothing of an earlier one beside it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath


def writable(folder: Path) -> None:
    """OSError says in one sentence that nothing can be written there."""
    place = _nearest(folder)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        raise OSError(f"Nothing can be written to {folder}; name another folder with --out.")


def write(contents: Mapping[str, bytes], folder: Path) -> None:
    """The files of an export into a folder; those of an earlier one give way, others stay."""
    with tempfile.TemporaryDirectory(prefix=".explained-", dir=_nearest(folder)) as name:
        fresh = Path(name) / "out"
        for path, content in contents.items():
            target = fresh / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(fresh, folder)
            return
        _clear(folder)
        for path in contents:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(fresh / path, target)


def _clear(folder: Path) -> None:
    """Remove the files of an earlier export that nobody has changed since."""
    try:
        held = json.loads((folder / "manifest.json").read_bytes())["files"]
        ours = {str(name): str(digest) for name, digest in held.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return
    for name, digest in ours.items():
        path = folder / name
        inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
        if inside and path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            path.unlink()


def _nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
