"""The queue for the device: whose turn it is, what ends a job, and that nothing ends the queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from functools import partial

import gradio as gr
import pytest

from app import jobs
from app.jobs import Bounds, Job, TooLongError, aside, once
from app.line import BusyError, Line
from app.problems import MEMORY, UNFORESEEN, safely, sentence
from app.waiting import progress, queued
from tests.waiting import until

SOON = 5.0  # seconds in which it must have happened, on a busy machine


def steps(job: Job[int], many: int, pause: float = 0.02) -> Iterator[int]:
    for i in range(many):
        time.sleep(pause)
        yield i
        job.tick()


def last(job: Job[int], work: Iterator[int], device: bool = True) -> int | None:
    for _ in job.follow(work, device):
        pass
    return job.latest


def test_results_come_and_the_last_is_kept() -> None:
    line = Line()
    job = line.enter("me", "count")
    assert last(job, steps(job, 3)) == 2
    assert line.jobs == [] and line.holder is None


def test_memory_is_given_back_when_the_last_job_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    line = Line()
    monkeypatch.setattr(jobs, "trimmed", lambda: given.append(len(line.jobs)))
    other = line.enter("you", "wait")
    last(first := line.enter("me", "count"), steps(first, 1))
    assert not given
    last(other, steps(other, 1))
    until(lambda: given == [0])


def test_one_job_computes_at_a_time() -> None:
    line, together, most = Line(), 0, 0

    def work(job: Job[int]) -> Iterator[int]:
        nonlocal together, most
        for _ in range(20):
            job.tick()
            together += 1
            most = max(most, together)
            time.sleep(0.002)
            together -= 1
        yield 1

    jobs = [line.enter(f"s{i}", "work") for i in range(5)]
    for job in jobs:
        job.start(work(job))
    until(lambda: all(job.over.is_set() for job in jobs))
    assert most == 1


def test_a_short_job_goes_before_a_long_one() -> None:
    line = Line()
    long = line.enter("a", "long")
    long.used = 100.0  # as if it had computed before
    long.start(steps(long, 10_000, 0.01))
    until(lambda: line.holder is long)
    short, begun = line.enter("b", "short"), time.monotonic()
    assert last(short, once(lambda: 7)) == 7
    assert time.monotonic() - begun < 2 and not long.over.is_set()
    long.halt()
    until(lambda: line.jobs == [])


def test_a_stream_of_short_jobs_does_not_keep_a_long_one_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "PATIENT", 0.2)
    line, enough = Line(), threading.Event()

    def crowd() -> None:
        while not enough.is_set():
            short = line.enter("crowd", "short")
            last(short, steps(short, 5))

    visitors = [threading.Thread(target=crowd) for _ in range(2)]  # the device is never free
    for visitor in visitors:
        visitor.start()
    long = line.enter("me", "long")
    long.used = 100.0
    long.start(steps(long, 40))
    until(long.over.is_set)
    enough.set()
    for visitor in visitors:
        visitor.join()
    assert long.latest == 39


def test_long_jobs_compute_in_turn() -> None:
    line = Line()
    jobs = [line.enter(f"s{i}", "long") for i in range(2)]
    for job in jobs:
        job.used = 100.0
        job.start(steps(job, 10_000, 0.01))
    until(lambda: all(job.latest is not None for job in jobs))
    for job in jobs:
        job.halt()
    until(lambda: line.jobs == [])


def test_the_queue_says_that_it_is_full_and_takes_the_next_when_one_ends() -> None:
    line = Line(Bounds(jobs=3, each=2))
    jobs = [line.enter("me", "a"), line.enter("me", "b")]
    with pytest.raises(BusyError, match="You have 2 jobs under way"):
        line.enter("me", "c")
    jobs.append(line.enter("you", "d"))
    with pytest.raises(BusyError, match="The server is full: 3 jobs") as caught:
        line.enter("they", "e")
    assert sentence(caught.value).endswith("Try again in a minute.")
    jobs[0].halt()
    assert line.enter("they", "e").session == "they"


def test_the_place_and_the_wait_are_said() -> None:
    line, open_ = Line(), threading.Event()

    def work() -> int:
        open_.wait(SOON)
        return 1

    first, second, third = (line.enter(f"s{i}", "work") for i in range(3))
    for job in (first, second, third):
        job.start(once(work))
        until(lambda job=job: job is line.holder or job.wants)  # type: ignore[misc]
    assert queued(first) == ""
    assert queued(second).startswith("1 before you, about ")
    assert queued(third).startswith("2 before you, about ")
    assert line.wait(third) > line.wait(second) > 0
    assert "2 before you" in progress(third, 0)
    open_.set()
    until(lambda: line.jobs == [])


@pytest.mark.parametrize("stage", ["waits", "computes", "aside", "waits for a side"])
def test_a_job_can_be_halted_at_every_stage(stage: str) -> None:
    line = Line(Bounds(sides=1))
    other = line.enter("other", "other")
    if stage == "waits":
        other.start(steps(other, 10_000, 0.5))
        until(lambda: line.holder is other)
    elif stage == "waits for a side":
        other.start(aside(other, lambda: time.sleep(3)), device=False)
        time.sleep(0.1)

    def looking(job: Job[int]) -> int:
        for _ in range(1000):
            job.check()
            time.sleep(0.01)
        return 1

    job = line.enter("me", "work")
    work = aside(job, lambda: looking(job)) if "aside" in stage or "side" in stage else None
    job.start(work if work is not None else steps(job, 10_000))
    time.sleep(0.2)
    begun = time.monotonic()
    line.end("me")
    assert job.over.wait(2) and time.monotonic() - begun < 2
    assert job not in line.jobs
    other.halt()
    until(lambda: line.jobs == [])


def test_what_a_halted_job_held_is_free() -> None:
    import weakref

    class Large: ...

    line = Line()
    job = line.enter("me", "work")
    held: list[weakref.ref[Large]] = []

    def work() -> Iterator[int]:
        large = Large()
        held.append(weakref.ref(large))
        while large:
            job.tick()
            time.sleep(0.01)
            yield 1

    job.start(work())
    until(lambda: bool(held))
    job.halt()
    assert job.over.wait(2)
    until(lambda: held[0]() is None)


def test_a_job_has_a_limit_of_time() -> None:
    line = Line(Bounds(seconds=0.3))
    job = line.enter("me", "work")
    with pytest.raises(TooLongError, match=r"longer than 0\.3 s"):
        last(job, steps(job, 10_000))
    until(lambda: line.jobs == [])


def test_the_device_is_taken_from_a_job_that_does_not_stop() -> None:
    line, open_ = Line(), threading.Event()
    hung = line.enter("a", "hung")
    hung.start(once(lambda: int(open_.wait(30))))
    until(lambda: line.holder is hung)
    hung.halt()
    job = line.enter("b", "next")
    assert last(job, once(lambda: 3)) == 3 and not hung.over.is_set()
    open_.set()
    until(lambda: line.jobs == [] and line.holder is None)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SystemExit(1), UNFORESEEN),
        (KeyboardInterrupt(), UNFORESEEN),
        (RecursionError(), UNFORESEEN),
        (MemoryError(), MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), MEMORY),
        (GeneratorExit(), UNFORESEEN),
    ],
)
def test_whatever_work_raises_is_a_sentence_and_the_next_job_runs(
    error: BaseException, said: str
) -> None:
    line = Line()

    def fails() -> int:
        raise error

    job = line.enter("me", "work")
    with pytest.raises(Exception) as caught:
        last(job, once(fails))
    assert sentence(caught.value) == said
    after = line.enter("me", "work")
    assert last(after, once(lambda: 5)) == 5


def test_who_reads_need_not_wait_for_exports() -> None:
    line, open_ = Line(Bounds(sides=2)), threading.Event()
    exports = [line.enter("a", "export") for _ in range(3)]
    begun: list[int] = []

    def export(number: int) -> bool:
        begun.append(number)
        return open_.wait(30)

    for number, job in enumerate(exports):
        job.start(aside(job, partial(export, number), exports=True), device=False)
    until(lambda: len(begun) == 1)  # half as many as may read
    reads = line.enter("b", "read")
    assert last(reads, aside(reads, lambda: 7), device=False) == 7 and len(begun) == 1
    open_.set()
    until(lambda: line.jobs == [])
    assert sorted(begun) == [0, 1, 2]


def test_a_handler_that_yields_nothing_leaves_what_is_shown() -> None:
    ended: list[str] = []

    def numbers(*given: int) -> Generator[int, None, None]:
        try:
            yield from given
        finally:
            ended.append("closed")

    handler = safely(numbers)
    assert list(handler(1, 2, 3)) == [1, 2, 3]
    assert list(handler()) == [gr.skip()]
    left = handler(1, 2)
    assert next(left) == 1
    left.close()
    assert ended == ["closed"] * 3
