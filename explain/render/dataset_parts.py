"""What the cards of many clips are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from explain.dataset.statistics import Group, Mean
from explain.methods.registry import METHODS


def card(head: str, body: str) -> str:
    h2 = f"<h2>{head}</h2>" if head else ""
    return f'<section class="fc-card">{h2}{body}</section>'


def note(text: str) -> str:
    return f'<p class="fc-note">{text}</p>'


def percent(x: Mean | None, group: Group | None = None) -> str:
    """``35% ±9``; with how many, where not all clips of a group have it."""
    if x is None:
        return ""
    few = f" <small>of {x.clips}</small>" if group is not None and x.clips < group.clips else ""
    room = f" <small>±{100 * (x.high - x.mean):.0f}</small>" if x.sure else ""
    return f"{x.mean:.0%}{room}{few}"


def signed(x: Mean, digits: int = 2) -> str:
    room = f" <small>±{x.high - x.mean:.{digits}f}</small>" if x.sure else ""
    value = f"{x.mean:+.{digits}f}".replace("-", "−")
    return (value if round(x.mean, digits) else f"{0:.{digits}f}") + room


def title(name: str) -> str:
    return next((m.title for m in METHODS if m.name == name), name)


def asked(told: Mapping[str, object]) -> Iterator[str]:
    """Arguments or versions as lines of a list."""
    for name, value in told.items():
        yield f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>"
