"""The part of a file that is asked for, and the times at which it is looked at."""

from __future__ import annotations

from core_models.decoder.refused import Refused, Request
from core_models.decoder.scan import Index


def window(request: Request, index: Index) -> tuple[float, float]:
    """Start and end of what is read, within the file and the limit."""
    start, length = request["start"], request["length"]
    if start >= index.end:
        raise Refused(
            f"The window starts at {start:.1f} s, but the clip ends at {index.end:.1f} s; "
            "choose an earlier start."
        )
    limit = request["max_seconds"]
    return start, min(index.end, start + min(limit, limit if length is None else length))


def in_window(index: Index, start: float, end: float) -> tuple[float, float]:
    """The part of a window that has a picture."""
    low, high = max(start, index.picture[0]), min(end, index.picture[1])
    if low >= high:
        raise Refused(
            f"There is no picture between {start:.1f} s and {end:.1f} s; choose another window."
        )
    return low, high


def middles(start: float, end: float, count: int) -> list[float]:
    """The middle of each of `count` equal segments."""
    return [start + (end - start) * (i + 0.5) / count for i in range(count)]
