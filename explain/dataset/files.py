"""Files that are whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


def put(path: Path, content: bytes) -> None:
    """Whatever ends the program, the file is the old one or the new one."""
    fresh = path.with_name(f".{path.name}.part")
    fresh.write_bytes(content)
    os.replace(fresh, path)
