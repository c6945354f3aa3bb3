"""Ours against something else, in turns: ratios of time in one interleaved run."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core_models.training.cost import spent

Work = Callable[[], Any]
CPU, WALL = 0, 1
MMAP_THRESHOLD, LARGE = -3, 2**16  # of malloc.h; bytes


@dataclass(frozen=True, eq=False)
class Contest:
    """most: the goal, the largest share of their time that ours may take.

    rounds: how often, where both together take long. scale: how much of ours one call is, and of
    theirs; a tenth of their steps counts ten times. unit: if not seconds, what is compared are the
    amounts that ours and theirs return, found once. ahead: done before each, not counted.
    """

    what: str
    against: str
    ours: Work
    theirs: Work
    most: float
    rounds: int | None = None
    scale: tuple[float, float] = (1.0, 1.0)
    unit: str = "s"
    ahead: Work = lambda: None


@dataclass(frozen=True, eq=False)
class Result:
    """spent (rounds, 2, 2): ours and theirs, each in CPU time and on the clock; amounts twice."""

    contest: Contest
    spent: NDArray[np.float64]

    def ratios(self, clock: int) -> NDArray[np.float64]:
        """Ours as a multiple of theirs: (rounds,)."""
        found: NDArray[np.float64] = self.spent[:, 0, clock] / self.spent[:, 1, clock]
        return found

    @property
    def met(self) -> bool:
        """Whether the median CPU ratio reaches the goal."""
        return bool(np.median(self.ratios(CPU)) <= self.contest.most)

    def to_dict(self) -> dict[str, Any]:
        c = self.contest
        return {
            "what": c.what,
            "against": c.against,
            "goal": c.most,
            "met": self.met,
            "cpu": self.ratios(CPU).tolist(),
            "wall": self.ratios(WALL).tolist(),
            "unit": c.unit,
            "spent": self.spent.tolist(),
        }


def measure(contests: Iterable[Contest], rounds: int) -> Iterator[Result]:
    """Each is asked once to warm up; then every round asks ours and theirs, in changing order."""
    for contest in contests:
        if contest.unit != "s":
            found = float(contest.ours()), float(contest.theirs())
            yield Result(contest, np.array([[[x, x] for x in found]]))
            continue
        for work in (contest.ours, contest.theirs):
            if (contest.rounds or rounds) > 1:
                work()
        taken = []
        for i in range(contest.rounds or rounds):
            pair = [(0, contest.ours), (1, contest.theirs)]
            times = dict(_timed(*work, contest.ahead) for work in (pair if i % 2 else pair[::-1]))
            taken.append([times[side] * contest.scale[side] for side in (0, 1)])
        yield Result(contest, np.array(taken))


def alone(work: Callable[..., float], *given: Any) -> float:
    """What a function says in a new process, where nothing was done before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, given)


def returning() -> None:
    """From now on this process gives back each tensor's memory as soon as it is freed. Else the C
    library keeps what it likes of it, and counts it again and again.
    """
    ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)


def peak(work: Work) -> int:
    """Bytes that work adds to what is held when it begins, at most at any time.

    Of the device where there is one, else of this process, as Linux counts it.
    """
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        begin = torch.cuda.memory_allocated()
        work()
        return torch.cuda.max_memory_allocated() - begin
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before must not count as held
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark falls to what is held
    begin = _held("VmRSS")
    work()
    return _held("VmHWM") - begin


def _held(line: str) -> int:
    told = Path("/proc/self/status").read_text().split(f"{line}:")[1]
    return 1024 * int(told.split()[0])


def _timed(side: int, work: Work, ahead: Work) -> tuple[int, NDArray[np.float64]]:
    """CPU seconds, of decoders too, and seconds on the clock."""
    ahead()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    begin = np.array([spent(), time.perf_counter()])
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return side, np.array([spent(), time.perf_counter()]) - begin
