"""Who may come in, where the page is shared by a team: names and passwords."""

from __future__ import annotations

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

VARIABLE = "FUSIONSCOPE_AUTH"
PAUSE = 1.0  # seconds that a wrong password costs


def accounts(file: str | None) -> dict[str, str]:
    """Passwords by name, from a file or from the environment: one ``name:password`` a line.

    ValueError says in one sentence what is wrong with them; {} where none are asked for.
    """
    where = f"the file {file}" if file else f"the variable {VARIABLE}"
    try:
        text = Path(file).read_text(encoding="utf-8") if file else os.environ.get(VARIABLE, "")
    except (OSError, UnicodeDecodeError):
        raise ValueError(f"Passwords cannot be read from {where}.") from None
    out: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, colon, password = line.partition(":")
        if not (name and colon and password):
            raise ValueError(f"Write one name:password on each line of {where}.")
        out[name] = password
    if file and not out:
        raise ValueError(f"There is no name:password in {where}.")
    return out


def door(known: Mapping[str, str]) -> Callable[[str, str], Awaitable[bool]]:
    """Checks a name and a password, as long for a right as for a wrong name."""

    async def opens(name: str, password: str) -> bool:
        right = False
        for one, word in known.items():
            right |= _same(one, name) & _same(word, password)
        if not right:
            await asyncio.sleep(PAUSE)
        return right

    return opens


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
