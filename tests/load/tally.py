"""What became of every job, counted as it ends."""

from __future__ import annotations

import statistics
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tests.load.speak import Answer


class Tally:
    """Counts from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()
        self.said: Counter[str] = Counter()
        self.mixed: list[str] = []
        self.counts: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {}

    def job(self, kind: str, answer: Answer) -> Answer:
        """Count one job; returns its answer."""
        with self._lock:
            self.outcomes[answer.outcome] += 1
            self.counts[f"{kind}: {answer.outcome}"] += 1
            if answer.outcome in ("told", "refused", "lost"):
                self.said[f"{answer.outcome}, {kind}: {answer.said}"] += 1
            if answer.outcome == "finished":
                self.seconds.setdefault(kind, []).append(answer.seconds)
            if answer.outcome == "cancelled" and answer.after is not None:
                self.seconds.setdefault("from a cancel to its end", []).append(answer.after)
        return answer

    def note(self, what: str) -> None:
        """Count something that is not a job."""
        with self._lock:
            self.counts[what] += 1

    def mix(self, what: str) -> None:
        """An answer that holds something of another user."""
        with self._lock:
            self.mixed.append(what)

    def report(self) -> dict[str, Any]:
        """All of it, for people and machines."""
        with self._lock:
            return {
                "asked": sum(self.outcomes.values()),
                **{name: self.outcomes[name] for name in OUTCOMES},
                "mixed": len(self.mixed),
                "mixed_first": self.mixed[:10],
                "seconds": {kind: spread(all_) for kind, all_ in sorted(self.seconds.items())},
                "counts": dict(sorted(self.counts.items())),
                "said": dict(self.said.most_common(20)),
            }


OUTCOMES = ("finished", "refused", "told", "cancelled", "dropped", "lost")


def spread(values: Sequence[float]) -> dict[str, float]:
    """How many, the median and the 95th percentile, and the largest."""
    cuts = statistics.quantiles(values, n=20, method="inclusive") if len(values) > 1 else [*values]
    middle = statistics.median(values)
    return {"n": len(values), "p50": round(middle, 2), "p95": round(cuts[-1], 2),
            "max": round(max(values), 2)}  # fmt: skip
