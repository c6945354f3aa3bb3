"""A run over many clips: what is left to do, by whom, how far it is, and what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from explain.dataset import store
from explain.dataset.columns import Row
from explain.dataset.engines import ENGINES, Cluster
from explain.dataset.job import Job
from explain.dataset.listing import DatasetError, Listing
from explain.dataset.progress import Line

BATCH, PATIENCE = 8, 20.0  # rows, or seconds, after which a part is written
ALONE = Cluster()


@dataclass(frozen=True)
class Plan:
    """again: try those once more that were errors."""

    job: Job
    listing: Listing
    out: Path
    engine: str = "local"
    cluster: Cluster = ALONE
    again: bool = False


def run(plan: Plan) -> list[Row]:
    """Explain what has no row yet; all rows of the listing, in its order, also in rows.parquet."""
    origin, entries, out = plan.job.origin, plan.listing.entries, plan.out
    with store.held(out):
        asked = {n: json.loads(getattr(origin, n)) for n in ("arguments", "weights", "versions")}
        store.agreed(out, {"source": plan.listing.name, **asked})
        done = store.done(out, plan.again)
        left = [entry for entry in entries if entry.id not in done]
        progress = Progress(len(entries), len(entries) - len(left))
        work = ENGINES[plan.engine](plan.job, origin, plan.listing.root, left, plan.cluster)
        with lasting(out) as keep:
            for rows in work if left else ():
                keep(rows)
                progress.tell(rows)
        progress.end()
        rows = store.merged(out, [entry.id for entry in entries])
    if len(rows) < len(entries):
        raise DatasetError(f"{len(entries) - len(rows)} clips have no row; start again for these.")
    return rows


class Stream:
    """Rows on their way to the disk."""

    def __init__(self, out: Path) -> None:
        self.out, self.rows, self.since = out, list[Row](), time.monotonic()

    def __call__(self, rows: Sequence[Row]) -> None:
        self.rows += rows
        if len(self.rows) >= BATCH or time.monotonic() - self.since > PATIENCE:
            self.flush()

    def flush(self) -> None:
        store.add(self.out, self.rows)
        self.rows, self.since = [], time.monotonic()


@contextmanager
def lasting(out: Path) -> Iterator[Stream]:
    """Whatever ends the work, the rows that are done are written."""
    stream = Stream(out)
    try:
        yield stream
    finally:
        stream.flush()


class Progress:
    """How many clips are done, how fast, and what is wrong with some."""

    def __init__(self, count: int, before: int) -> None:
        self.count, self.before, self.fresh, self.errors = count, before, 0, 0
        self.begin, self.line = time.monotonic(), Line()
        if before:
            self.line.remark(f"{before} of {count} clips are there already.")

    def tell(self, rows: Sequence[Row]) -> None:
        self.fresh += len(rows)
        for row in rows:
            if row.error is not None:
                self.errors += 1
                self.line.remark(f"  {row.file}: {row.error}")
        self.line.tell(self._said(), last=self._left == 0)

    def end(self) -> None:
        self.line.end()

    @property
    def _left(self) -> int:
        return self.count - self.before - self.fresh

    def _said(self) -> str:
        pace = self.fresh / max(time.monotonic() - self.begin, 1e-6)
        wrong = "" if not self.errors else f", {self.errors} error{'s' * (self.errors > 1)}"
        return (
            f"{self.before + self.fresh} of {self.count} clips, {60 * pace:.1f} a minute, "
            f"{spoken(self._left / pace)} left{wrong}"
        )


def spoken(seconds: float) -> str:
    """``1 h 20 min``, ``3 min``, ``40 s``."""
    if seconds >= 3600:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    return f"{round(seconds / 60)} min" if seconds >= 90 else f"{round(seconds)} s"
