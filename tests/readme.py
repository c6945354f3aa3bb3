"""The code in the README, as the newcomer copies it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

README = Path(__file__).parent.parent / "README.md"
CALLS, CLIENT, WRAP, CHECK, LINE = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def module(code: str) -> dict[str, Any]:
    """The names that a block defines."""
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(code, README.name, "exec"), names)
    return names
