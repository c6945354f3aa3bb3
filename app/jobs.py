"""Work that goes on beside the page: its results as they come, and an end when it is halted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from threading import Event
from typing import Generic, TypeVar

from explain.question import Stopped

WORKERS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="work")
LOOK, SHOW = 0.2, 0.5  # seconds from one look at the work, and one result of it, to the next
T = TypeVar("T")


class Job(Generic[T]):
    """One piece of work. latest: its last result, None before the first."""

    def __init__(self) -> None:
        self.latest: T | None = None
        self._halt = Event()
        self._begun = time.monotonic()

    def halt(self) -> None:
        """End it: `follow` at once, the work at its next tick."""
        self._halt.set()

    @property
    def halted(self) -> bool:
        return self._halt.is_set()

    def tick(self) -> None:
        """Raises Stopped when the job was halted."""
        if self._halt.is_set():
            raise Stopped

    def follow(self, results: Iterator[T]) -> Iterator[T | None]:
        """Work through the results elsewhere; yields the latest where it is new, not more than
        twice a second and once at the end, and None in between. Raises what the work raises.
        """
        future = WORKERS.submit(self._work, results)
        given, at, over = None, 0.0, False
        while not over:
            over = bool(wait([future], timeout=LOOK).done) or self._halt.is_set()
            latest, now = self.latest, time.monotonic()
            new = latest is not given and (over or now - at >= SHOW)
            if new:
                given, at = latest, now
            yield latest if new else None
        if future.done():
            with suppress(Stopped):
                future.result()

    def _work(self, results: Iterator[T]) -> None:
        for self.latest in results:  # which tick by themselves
            pass

    def said(self, done: float, timed: bool = True) -> str:
        """How far it is, as HTML: a bar, the share that is done, and the time that is left."""
        passed = time.monotonic() - self._begun
        left = f"about {max(1, round(passed / done - passed))} s left" if done else "starting"
        return (
            f'<div class="fs"><div class="fc-track"><i style="width:{done:.1%}"></i></div>'
            f'<p class="fc-note">{100 * done:.0f} %{f" · {left}" if timed else ""}</p></div>'
        )
