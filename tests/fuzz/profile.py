"""How the fuzzing tests of the usual suite run: the same inputs every time, and not many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings


def few(count: int) -> Callable[[Any], Any]:
    """A profile with so many examples."""
    return settings(
        derandomize=True, max_examples=count, deadline=None, database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip
