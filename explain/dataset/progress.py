"""How far a run is: one line."""

from __future__ import annotations

import sys
import time

PAUSE = 5.0  # seconds between lines where nobody watches


class Line:
    """One line that is written over, or now and then a new one where nobody watches."""

    def __init__(self) -> None:
        self.watched, self.told, self.open = sys.stderr.isatty(), 0.0, False

    def tell(self, text: str, last: bool = False) -> None:
        """last: said in any case."""
        now = time.monotonic()
        if self.watched or last or not self.told or now - self.told > PAUSE:
            self.told, self.open = now, True
            self._say(text, "" if self.watched else "\n")

    def remark(self, text: str) -> None:
        """What stays."""
        self._say(text, "\n")

    def end(self) -> None:
        if self.watched and self.open:
            print(file=sys.stderr)

    def _say(self, text: str, end: str) -> None:
        start = "\r\x1b[K" if self.watched else ""
        print(f"{start}{text}", end=end, file=sys.stderr, flush=True)
