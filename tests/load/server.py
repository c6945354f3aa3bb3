"""The server under load: started in folders of its own, and measured from outside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Sample:
    """What the server holds: of it alone, and of the processes that it started."""

    rss_mb: float
    children_mb: float
    children: int
    threads: int
    files: int
    temp_mb: float
    temp_files: int


class Server:
    """A running server with temporary files of its own; Linux alone can measure it."""

    def __init__(self, folder: Path, extra: tuple[str, ...] = ()) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.temp = folder / "temp"
        self.temp.mkdir()
        self.address = f"http://127.0.0.1:{port}"
        given = {"TMPDIR": str(self.temp), "HF_HUB_OFFLINE": "1"}
        self.log = folder / "server.log"
        command = [sys.executable, "app.py", "--port", str(port), "--device", "cpu", *extra]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ | given, stdout=log, stderr=log
            )

    def wait(self, seconds: float = 120) -> None:
        """Until it answers."""
        for _ in range(round(seconds * 2)):
            with suppress(OSError), urllib.request.urlopen(self.address, timeout=5):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.5)
        raise RuntimeError(f"the server did not start: {self.log.read_text()[-2000:]}")

    def alive(self) -> bool:
        """Whether it runs and answers."""
        with suppress(OSError), urllib.request.urlopen(self.address, timeout=30):
            return self.process.poll() is None
        return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def sample(self) -> Sample:
        """What it holds now."""
        own, others = self.process.pid, _below(self.process.pid)
        held = _sizes(self.temp)
        return Sample(
            rss_mb=_rss(own),
            children_mb=round(sum(map(_rss, others)), 1),
            children=len(others),
            threads=_count(f"/proc/{own}/task"),
            files=_count(f"/proc/{own}/fd"),
            temp_mb=round(sum(held) / 2**20, 1),
            temp_files=len(held),
        )

    def stages(self, samples: list[Sample]) -> dict[str, Any]:
        """The largest of everything."""
        rows = [asdict(one) for one in samples]
        return {name: max(row[name] for row in rows) for name in rows[0]} if rows else {}


def _sizes(folder: Path) -> list[int]:
    """Bytes of the files below a folder, which come and go meanwhile."""
    found = []
    for at, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found.append(os.lstat(os.path.join(at, name)).st_size)
    return found


def _rss(pid: int) -> float:
    with suppress(OSError, IndexError):
        return round(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20, 1)
    return 0.0


def _count(folder: str) -> int:
    with suppress(OSError):
        return len(os.listdir(folder))
    return 0


def _below(pid: int) -> list[int]:
    """The processes that a process started, and theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *_below(child)]
    return found
