"""How far a job is and how long it has to wait, in words."""

from __future__ import annotations

import time
from typing import Any

from app.jobs import Job


def queued(job: Job[Any]) -> str:
    """Where it stands and how long it is expected to wait; "" while it computes."""
    if not job.wants:
        return ""
    many, wait = len(job.line.ahead(job)), job.line.wait(job)
    if not many:
        return "next to compute"
    return f"{many} before you, about {max(1, round(wait))} s to wait"


def progress(job: Job[Any], done: float, timed: bool = True) -> str:
    """As HTML: a bar, the share that is done, and the time that is left."""
    passed = time.monotonic() - job.begun
    left = f"about {max(1, round(passed / done - passed))} s left" if done else "starting"
    notes = [f"{100 * done:.0f}%", *([left] if timed else []), queued(job)]
    return (
        f'<div class="fs"><div class="fc-track"><i style="width:{done:.1%}"></i></div>'
        f'<p class="fc-note">{" · ".join(note for note in notes if note)}</p></div>'
    )
