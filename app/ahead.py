"""What was read of clips while they were looked at, for the analyses that follow."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from pathlib import Path

from core_models.media import Reading

KEPT = 8  # each of up to thirty seconds, about ten megabytes


class Ahead:
    """The last readings of whole files, by path and number of frames."""

    def __init__(self) -> None:
        self._read: OrderedDict[tuple[Path, int], Reading] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, path: str | Path, read: Reading) -> None:
        with self._lock:
            self._read[Path(path).resolve(), len(read.frames)] = read
            while len(self._read) > KEPT:
                self._read.popitem(last=False)

    def take(self, path: str | Path, frames: int) -> Reading | None:
        """Once, as each holds so much."""
        with self._lock:
            return self._read.pop((Path(path).resolve(), frames), None)

    def keep(self, paths: Collection[Path]) -> None:
        """Forget those of other files."""
        with self._lock:
            for key in [key for key in self._read if key[0] not in paths]:
                del self._read[key]
