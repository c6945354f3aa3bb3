"""The interactive view of a run: plain HTML, CSS and JavaScript that any page can carry.

The script is the body of a function of `element` (holds the markup), `props` (`props.value` is what
to show), `trigger` and `watch`; the same four that a Gradio HTML component provides.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = (
    "nodes", "colour", "streams", "maps", "words", "stage", "lanes", "chips", "groups", "view",
    "pairs", "drill", "tokens", "matrix", "tiles", "scores", "reasons", "viewer", "hold", "input",
    "pointer", "sync", "start",
)  # fmt: skip


@cache
def html() -> str:
    """The markup; it holds no data."""
    return _read("viewer.html")


@cache
def css() -> str:
    """The style sheet; every rule is scoped by `.fs`."""
    return _read("viewer.css")


@cache
def js() -> str:
    """The script, its parts in order."""
    return "\n".join(_read(f"{name}.js") for name in SCRIPTS)


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
