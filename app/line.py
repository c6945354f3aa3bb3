"""The one queue for the device: who computes now, and who waits."""

from __future__ import annotations

import threading
from typing import Any

from app.jobs import SHARES, SLICE, Bounds, Job

TYPICAL = 5.0  # seconds of the device that a job takes, before it is known


class BusyError(Exception):
    """No further job can be taken; str is one sentence for the user."""


class Line:
    """The queue. The device goes to the job that has used it least; of those alike, to the first.

    Long jobs give way at their ticks, so that a switch of a modality need not wait for them; who
    has waited long goes first for a slice, so that no stream of short jobs keeps it from its end.
    """

    def __init__(self, bounds: Bounds = Bounds()) -> None:  # noqa: B008
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

    def end(self, session: str, before: float | None = None) -> None:
        """Halt the jobs of a session that has gone. before: those alone that began earlier, by the
        monotonic clock.
        """
        with self.changed:
            ending = [job for job in self.jobs if job.session == session]
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
