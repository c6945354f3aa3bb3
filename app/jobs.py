"""One piece of work: when it computes, what ends it, and who follows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import gradio as gr

from app.memory import bare, freed, trimmed
from explain.question import Stopped

LOOK, SHOW = 0.2, 0.5  # seconds from one look at the work, and one result of it, to the next
SHARES = (2.0, 20.0)  # seconds of the device after which a job lets shorter ones go first
SLICE = 1.0  # seconds that long jobs compute in turn
TICK = 0.02  # seconds from one look at who else waits to the next, as ticks come often
PATIENT = 10.0  # seconds of waiting after which a job goes first, for a slice
GRACE = 2.0  # seconds after which the device is taken from a job that does not stop
T = TypeVar("T")
R = TypeVar("R")


class TooLongError(Exception):
    """A job took longer than it may; str is one sentence for the user."""


@dataclass(frozen=True)
class Bounds:
    """What jobs may cost. jobs: at once, waiting ones too; each: of one session; seconds: of work
    of one job; sides: jobs that read media at once, beside the device, and half as many exports.
    """

    jobs: int = 32
    each: int = 8
    seconds: float = 900.0
    sides: int = 4


class Queue(Protocol):
    """What a job knows of the line that it stands in. holder: who has the device."""

    bounds: Bounds
    changed: threading.Condition
    jobs: list[Job[Any]]
    holder: Job[Any] | None
    sides: threading.BoundedSemaphore
    exports: threading.BoundedSemaphore

    def first(self) -> Job[Any] | None: ...

    def leave(self, job: Job[Any]) -> None: ...

    def ahead(self, job: Job[Any]) -> list[Job[Any]]: ...

    def wait(self, job: Job[Any]) -> float: ...


class Job(Generic[T]):
    """One piece of work. latest: its last result, None before the first."""

    def __init__(self, line: Queue, session: str, name: str) -> None:
        self.line, self.session, self.name = line, session, name
        self.latest: T | None = None
        self.used, self.wants, self.started = 0.0, False, False
        self.over = threading.Event()
        self._halt = threading.Event()
        self._error: Exception | None = None
        self.begun = self._since = time.monotonic()
        self._turn: float | None = None  # since when it works, and is not yet counted
        self._got = self._ticked = 0.0  # when it got the device, and looked at others last
        self._waited = False  # it got it for having waited so long
        self._halted_at = 0.0

    @property
    def halted(self) -> bool:
        return self._halt.is_set()

    @property
    def spent(self) -> float:
        """Seconds of work so far."""
        turn = self._turn
        return self.used + (time.monotonic() - turn if turn is not None else 0.0)

    @property
    def rank(self) -> int:
        return sum(self.used >= share for share in SHARES)

    @property
    def place(self) -> tuple[int, float]:
        """Where it stands among those that want the device; the least is first."""
        return (0 if self._starved else self.rank), self._since

    @property
    def _starved(self) -> bool:
        return self.wants and time.monotonic() - self._since > PATIENT

    @property
    def late(self) -> bool:
        """It was halted and computes on."""
        return self.halted and time.monotonic() - self._halted_at > GRACE

    def halt(self) -> None:
        """End it: `follow` at once, the work at its next tick."""
        if not self._halt.is_set():
            self._halted_at = time.monotonic()
            self._halt.set()
            if not self.started:
                self.line.leave(self)
                self.over.set()
            with self.line.changed:
                self.line.changed.notify_all()

    def check(self) -> None:
        """Raises Stopped when the job was halted, TooLongError when it took too long."""
        if self._halt.is_set():
            raise Stopped
        if self.spent > self.line.bounds.seconds:
            raise self._overtime()

    def _overtime(self) -> TooLongError:
        return TooLongError(
            f"This took longer than {self.line.bounds.seconds:g} s, the limit of this server, and "
            "was stopped; try less: fewer steps, a shorter clip, another method."
        )

    def tick(self) -> None:
        """As `check`; lets others compute whose turn it is now."""
        self.check()
        line, now = self.line, time.monotonic()
        if line.holder is not self or now - self._ticked < TICK:
            return
        self._ticked = now
        with line.changed:
            sliced = now - self._got >= SLICE
            if self._waited and not sliced:
                return
            self._count(now, sliced)
            self._turn = now
            first = line.first()
            yielding = first is not None and first.place < self.place
        if yielding:
            self._give()
            self._take()

    def _count(self, now: float, sliced: bool = True) -> None:
        """What was used so far; who goes down in rank, or has had a slice, goes behind others."""
        before = self.rank
        self.used, self._turn = self.spent, None
        if self.rank != before or (sliced and (self._waited or self.rank == len(SHARES))):
            self._since, self._waited = now, False

    @contextmanager
    def aside(self, exports: bool = False) -> Iterator[None]:
        """Work that does not need the device, such as reading a file: others may have it.

        exports: it takes long, and need not be waited for by who reads.
        """
        places = self.line.exports if exports else self.line.sides
        had = self._turn is not None
        if had:
            self._give()
        while not places.acquire(timeout=LOOK):
            self.check()
        self._turn = time.monotonic()
        try:
            yield
        finally:
            self.used, self._turn = self.spent, None
            places.release()
        if had:
            self._take()

    def _take(self) -> None:
        line = self.line
        with line.changed:
            self.wants = True
            try:
                while line.first() is not self or not self._free():
                    self.check()
                    line.changed.wait(LOOK)
                self._waited = self._starved
                line.holder, self._got = self, time.monotonic()
                self._turn = self._got
            finally:
                self.wants = False

    def _free(self) -> bool:
        holder = self.line.holder
        return holder is None or holder.late

    def _give(self) -> None:
        with self.line.changed:
            self._count(time.monotonic(), sliced=False)
            if self.line.holder is self:
                self.line.holder = None
            self.line.changed.notify_all()

    def start(self, results: Iterable[T], device: bool = True) -> None:
        """Work through the results in a thread of its own. device: it computes there."""
        self.started = True
        threading.Thread(target=self._work, args=(results, device), daemon=True).start()

    def _work(self, results: Iterable[T], device: bool) -> None:
        try:
            if device:
                self._take()
            for self.latest in results:
                self.tick()
        except Stopped:
            pass
        except BaseException as error:
            self._error = bare(error)
        finally:
            if isinstance(results, Generator):
                with suppress(Exception):
                    results.close()
            self._give()
            self.line.leave(self)
            if self.halted or self._error is not None:
                freed()
            self.over.set()
            if not self.line.jobs:
                trimmed()

    def result(self) -> T | None:
        """The last result of work that is over; raises what the work raised."""
        if self._error is not None:
            raise self._error
        return self.latest

    def follow(self, results: Iterable[T], device: bool = True) -> Iterator[T | None]:
        """Work through the results elsewhere; yields the latest where it is new, not more than
        twice a second and once at the end, and None in between. Raises what the work raises.
        """
        self.start(results, device)
        given, at, over = None, 0.0, False
        while not over:
            over = self.over.wait(LOOK) or self._halt.is_set()
            if not over and self.spent > self.line.bounds.seconds + GRACE:
                self.halt()
                raise self._overtime()
            latest, now = self.latest, time.monotonic()
            new = latest is not given and (over or now - at >= SHOW)
            if new:
                given, at = latest, now
            yield latest if new else None
        if self.over.is_set():
            self.result()


def asker(request: gr.Request) -> str:
    """Who asks: the secret of one open page, or of one client."""
    return str(request.session_hash or "")


def aside(job: Job[Any], work: Callable[[], R], exports: bool = False) -> Iterator[R]:
    """Work with a single result that does not need the device."""
    with job.aside(exports):
        made = work()
    yield made


def once(work: Callable[[], R]) -> Iterator[R]:
    """Work with a single result."""
    yield work()
