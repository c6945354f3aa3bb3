"""The server's files: one folder of its own, gone with it, and swept while it runs."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PREFIX, LOCK = "fusionscope-", "lock"
STRAY = 600.0  # seconds after which a part of an upload belongs to nobody
FRESH = 60.0  # seconds in which a file is not swept for want of room


@cache
def root() -> Path:
    """The folder of this process, made anew; folders that killed servers left are removed."""
    place = Path(tempfile.gettempdir())
    for old in place.glob(f"{PREFIX}*"):
        _remove_orphan(old)
    made = Path(tempfile.mkdtemp(prefix=PREFIX))
    (made / "files" / "runs").mkdir(parents=True)
    _hold(made / LOCK)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    os.environ["GRADIO_TEMP_DIR"] = str(made / "files")
    return made


def files() -> Path:
    """Where uploads lie, and what is served."""
    return root() / "files"


def runs() -> Path:
    """Where the files of runs lie: among those that are served, so that none is copied for it."""
    return files() / "runs"


def brought(path: Path) -> bool:
    """Whether this is where uploads lie, and nothing of a run."""
    found = path.resolve()
    return found.is_relative_to(files().resolve()) and not found.is_relative_to(runs().resolve())


def _hold(path: Path) -> None:
    """Lock a file until this process ends, however it ends."""
    with contextlib.suppress(ImportError):
        import fcntl

        unready = path.with_suffix(".new")  # nobody else looks for this name
        held = os.open(unready, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(held, fcntl.LOCK_EX)
        unready.rename(path)


def _remove_orphan(folder: Path) -> None:
    """Remove a folder whose process is gone."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        held = os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)


def size(folder: Path) -> int:
    """Bytes of the files below a folder."""
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(at, name)).st_size
    return total


@dataclass(frozen=True)
class Room:
    """What may be kept. memory, disk: bytes, of the files of runs and again of uploads; idle:
    seconds that something is kept after it was asked for last; left: after its visitor has gone.
    """

    memory: int = 2 * 2**30
    disk: int = 8 * 2**30
    idle: float = 6 * 3600.0
    left: float = 600.0


class Leases:
    """Paths that a job works with; they are not removed before it has ended."""

    def __init__(self) -> None:
        self._held: Counter[Path] = Counter()
        self._doomed: set[Path] = set()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def hold(self, *paths: Path) -> Iterator[None]:
        """Keep them until this ends."""
        with self._lock:
            self._held.update(paths)
        try:
            yield
        finally:
            with self._lock:
                self._held.subtract(paths)
                over = {path for path in paths if self._held[path] <= 0}
                for path in over:
                    del self._held[path]
                gone = over & self._doomed
                self._doomed -= gone
            for path in gone:
                remove(path)

    def remove(self, path: Path) -> None:
        """Now, or as soon as no job works with it."""
        with self._lock:
            if self._held[path] > 0:
                self._doomed.add(path)
                return
        remove(path)

    def held(self) -> set[Path]:
        with self._lock:
            return {path for path, many in self._held.items() if many > 0}


def written(folder: Path, name: str, content: bytes) -> Path:
    """A file, whole or not at all, in a folder named by its content: what browsers remember of an
    address stays true.
    """
    within = folder / hashlib.sha256(content).hexdigest()[:16]
    within.mkdir(exist_ok=True)
    part, path = within / secrets.token_hex(4), within / name
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            within.rmdir()  # only where nothing is in it
    return path


def remove(path: Path) -> None:
    """A file, or a folder with all in it."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def remove_parts(folder: Path) -> None:
    """Remove what uploads that ended before they were whole have left."""
    for path in folder.iterdir():
        if not path.is_dir():
            remove(path)


def sweep(folder: Path, keep: Collection[Path], owned: Collection[Path], room: Room) -> int:
    """Remove parts of uploads that were broken off, uploads of visitors who have gone, old ones,
    and the oldest beyond the room for them; returns how many. keep: files that stay; owned: those
    that a visitor brought who is there still.
    """
    now = time.time()
    kept, theirs = ({path.resolve() for path in paths} for paths in (keep, owned))
    found: list[tuple[float, int, Path]] = []
    total, gone = 0, 0
    for path in (p for top in folder.iterdir() if top != runs() for p in (top, *top.rglob("*"))):
        with contextlib.suppress(OSError):
            told = path.lstat()
            if path.is_dir():
                continue
            total += told.st_size
            if path.resolve() not in kept:
                found.append((now - told.st_mtime, told.st_size, path))
    for old, many, path in sorted(found, reverse=True):
        stray = old > STRAY and path.parent == folder
        left = old > room.left and path.resolve() not in theirs
        if stray or left or old > room.idle or (total > room.disk and old > FRESH):
            remove(path)
            total, gone = total - many, gone + 1
    for empty in folder.iterdir():
        with contextlib.suppress(OSError):
            if empty.is_dir() and now - empty.lstat().st_mtime > FRESH:
                empty.rmdir()  # only where nothing is left in it
    return gone
