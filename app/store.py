"""Runs kept on the server, by id, bounded in bytes and age; the page holds the id alone."""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from app import storage
from app.ahead import Ahead
from app.session import Run
from app.storage import Room


class Runs:
    """The runs of all sessions, and who brought which file; the oldest runs go first when the room
    allowed is full.
    """

    def __init__(self, limit: int | None = None, room: Room = Room()) -> None:  # noqa: B008
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._seen: dict[str, float] = {}
        self._brought: dict[Path, set[str]] = {}  # by which sessions
        self._gone: dict[str, float] = {}  # sessions, and when they left
        self.room = room if limit is None else replace(room, memory=limit)
        self._lock = threading.RLock()
        self._root = storage.runs() / secrets.token_urlsafe(16)
        self._root.mkdir(parents=True)
        self.leases, self.ahead = storage.Leases(), Ahead()

    def folder(self) -> Path:
        """A new folder for the files of one run; nobody can guess its name."""
        made = self._root / secrets.token_urlsafe(16)
        made.mkdir()
        return made

    def close(self) -> None:
        """Remove all runs and their files."""
        with self._lock:
            self._runs.clear()
        shutil.rmtree(self._root, ignore_errors=True)

    def put(self, run: Run) -> None:
        with self._lock:
            self._runs[run.id] = run
            self._runs.move_to_end(run.id)
            self._seen[run.id] = time.monotonic()
            while len(self._runs) > 1 and self._full():
                self._drop(next(iter(self._runs)))

    def _full(self) -> bool:
        held = sum(run.size for run in self._runs.values())
        written = sum(storage.size(f) for f in {run.folder for run in self._runs.values()})
        return held > self.room.memory or written > self.room.disk

    def _drop(self, key: str) -> None:
        old = self._runs.pop(key)
        self._seen.pop(key, None)
        if all(run.folder != old.folder for run in self._runs.values()):
            self.leases.remove(old.folder)

    def expire(self) -> None:
        """Drop the runs that nobody has asked for in a long time, or whose visitor has gone."""
        now = time.monotonic()
        with self._lock:
            for key, run in list(self._runs.items()):
                idle = now - self._seen.get(key, now) > self.room.idle
                if idle or self._left(run.owner, now):
                    self._drop(key)
            for path, by in list(self._brought.items()):
                by -= {session for session in by if self._left(session, now)}
                if not by or not path.exists():
                    del self._brought[path]
            self.ahead.keep(self._brought)
            known = {run.owner for run in self._runs.values()}.union(*self._brought.values())
            self._gone = {s: at for s, at in self._gone.items() if s in known}

    def _left(self, session: str, now: float) -> bool:
        """Whether a visitor has gone, and not only just now."""
        return now - self._gone.get(session, now) > self.room.left

    def leave(self, session: str) -> None:
        """A visitor has gone; should they come back soon, all of theirs is there still."""
        with self._lock:
            if session:
                self._gone[session] = time.monotonic()

    def bring(self, session: str, *paths: str | Path | None) -> None:
        """A visitor brought these files, which stay at least as long as they do."""
        with self._lock:
            self._gone.pop(session, None)
            for path in paths:
                if path and session:
                    self._brought.setdefault(Path(path).resolve(), set()).add(session)

    def brought(self) -> set[Path]:
        """The files of visitors who are there still."""
        with self._lock:
            return set(self._brought)

    def files(self) -> set[Path]:
        """The uploads that runs are shown from, and those that jobs read."""
        with self._lock:
            return {run.footage.path for run in self._runs.values()} | self.leases.held()

    @contextmanager
    def using(self, run: Run) -> Iterator[None]:
        """Its files stay until this ends."""
        with self.leases.hold(run.folder, run.footage.path):
            yield

    def keep(self, key: str) -> str:
        """Keep a run as it is now, under a key of its own that is returned; "" where it is gone."""
        run = self.get(key)
        if run is None:
            return ""
        kept = f"{run.id}:{''.join(m[0] for m in run.now.present)}"
        self.put(replace(run, id=kept))
        self.put(run)  # the one on the page goes last
        return kept

    def kept(self, key: str) -> Run | None:
        """A run that was kept, with the explanations that were asked of it since."""
        run, later = self.get(key), self.get(key.partition(":")[0])
        return run if run is None or later is None else replace(run, reasons=later.reasons)

    def change(self, key: str, how: Callable[[Run], Run]) -> Run | None:
        """The run changed, where it is still kept."""
        with self._lock:
            if key in self._runs:
                self.put(how(self._runs[key]))
            return self.get(key)

    def get(self, key: str | None) -> Run | None:
        with self._lock:
            run = self._runs.get(key or "")
            if run is not None:
                self._seen[run.id] = time.monotonic()
                self._gone.pop(run.owner, None)
            return run

    def own(self, key: str, session: str) -> Run | None:
        """The run, for the session that made it alone."""
        run = self.get(key)
        return run if run is not None and session and run.owner == session else None
