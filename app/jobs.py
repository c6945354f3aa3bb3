"""The one queue for the device: who computes now, who waits, and what ends a job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import gradio as gr

from app.memory import bare, freed, trimmed
from explain.question import Stopped

LOOK, SHOW = 0.2, 0.5  # seconds from one look at the work, and one result of it, to the next
SHARES = (2.0, 20.0)  # seconds of the device after which a job lets shorter ones go first
SLICE = 1.0  # seconds that long jobs compute in turn
TICK = 0.02  # seconds from one look at who else waits to the next, as ticks come often
PATIENT = 10.0  # seconds of waiting after which a job goes first, for a slice
GRACE = 2.0  # seconds after which the device is taken from a job that does not stop
TYPICAL = 5.0  # seconds of the device that a job takes, before it is known
T = TypeVar("T")
R = TypeVar("R")


class BusyError(Exception):
    """No further job can be taken; str is one sentence for the user."""


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


class Line:
    """The queue. The device goes to the job that has used it least; of those alike, to the first.

    Long jobs give way at their ticks, so that a switch of a modality need not wait for them; who
    has waited long goes first for a slice, so that no stream of short jobs keeps it from its end.
    """

    def __init__(self, bounds: Bounds = Bounds()) -> None:
        self.bounds = bounds
        self.changed = threading.Condition()
        self.jobs: list[Job[Any]] = []
        self.holder: Job[Any] | None = None
        self.sides = threading.BoundedSemaphore(bounds.sides)
        self.exports = threading.BoundedSemaphore(max(1, bounds.sides // 2))
        self._typical: dict[str, float] = {}

    def enter(self, session: str, name: str) -> Job[Any]:
        """A new job; BusyError where there are too many."""
        with self.changed:
            own = sum(job.session == session for job in self.jobs)
            if own >= self.bounds.each:
                raise BusyError(
                    f"You have {own} jobs under way, the most that one visitor may have; wait for "
                    "one to end, or stop one."
                )
            if len(self.jobs) >= self.bounds.jobs:
                raise BusyError(
                    f"The server is full: {len(self.jobs)} jobs are under way or wait. "
                    "Try again in a minute."
                )
            job: Job[Any] = Job(self, session, name)
            self.jobs.append(job)
            return job

    def leave(self, job: Job[Any]) -> None:
        """The job is over."""
        with self.changed:
            if job in self.jobs:
                self.jobs.remove(job)
            if not job.halted:
                known = self._typical.get(job.name, job.used)
                self._typical[job.name] = 0.7 * known + 0.3 * job.used
            self.changed.notify_all()

    def end(
        self, session: str, before: float | None = None, kinds: tuple[str, ...] = ("",)
    ) -> None:
        """Halt the jobs of a session. before: those alone that began earlier, by the monotonic
        clock; kinds: those alone whose names begin so.
        """
        with self.changed:
            ending = [job for job in self.jobs if job.session == session]
            ending = [job for job in ending if job.name.startswith(kinds)]
            if before is not None:
                ending = [job for job in ending if job.begun < before]
        for job in ending:
            job.halt()

    def first(self) -> Job[Any] | None:
        """Whose turn it is, of those that want the device."""
        return min((job for job in self.jobs if job.wants), key=lambda j: j.place, default=None)

    def ahead(self, job: Job[Any]) -> list[Job[Any]]:
        """Those that compute before a job does."""
        with self.changed:
            return [j for j in self.jobs if (j.wants or j is self.holder) and j.place < job.place]

    def wait(self, job: Job[Any]) -> float:
        """Seconds that a job is expected to wait for the device."""
        left = 0.0
        for other in self.ahead(job):
            rest = max(SLICE, self._typical.get(other.name, TYPICAL) - other.spent)
            share = next((s for s in SHARES if other.spent < s), other.spent + SLICE)
            left += min(rest, share - other.spent) if other.rank >= job.rank else rest
        return left


class Job(Generic[T]):
    """One piece of work. latest: its last result, None before the first."""

    def __init__(self, line: Line, session: str, name: str) -> None:
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
