"""One question to a decoder process of its own, whatever becomes of that process."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core_models.limits import MAX_FRAMES, SIDE, UNREADABLE, Limits, MediaError
from core_models.subtitles import plain

MAX_HEADER = 16_000_000
LOOK = 0.2  # seconds from one look at what became of a decoder to the next
Arrays = dict[str, NDArray[Any]]


@contextlib.contextmanager
def distrust() -> Iterator[None]:
    """An answer that does not have its form is a file that cannot be read."""
    try:
        yield
    except MediaError:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError, struct.error):
        raise MediaError(UNREADABLE) from None


def ask(task: str, source: Path, limits: Limits, **asked: Any) -> tuple[Any, Arrays]:
    """Facts and arrays from a decoder process of its own.

    Raises MediaError for a file that cannot be used, OSError where the disk is full.
    """
    writes = task == "preview"
    request = {"task": task, "path": str(source), **asked}
    request |= {n: v for n, v in vars(limits).items() if n.startswith("max_")}
    request |= {"memory": limits.memory, "file_size": limits.max_bytes if writes else 0}
    request["cpu_seconds"] = 2 * limits.preview_seconds if writes else limits.cpu_seconds
    seconds = limits.preview_seconds if writes else limits.wall_seconds
    largest = MAX_HEADER + MAX_FRAMES * SIDE * SIDE * 3
    largest += 4 * math.ceil(limits.max_seconds * asked.get("rate", 0))
    with distrust():
        sent = json.dumps(request).encode() + b"\n"
        facts, arrays = parse(converse(sent, seconds, largest, limits.tick))
        if full := facts.get("full"):
            raise OSError(int(full), os.strerror(int(full)))
        if "refused" in facts:
            raise MediaError(plain(str(facts["refused"]))[:300] or UNREADABLE)
        return facts, arrays


def converse(
    request: bytes, seconds: float, largest: int, tick: Callable[[], None] = lambda: None
) -> bytearray:
    """The answer of a decoder, which is stopped after some seconds or too many bytes.

    tick: called meanwhile; what it raises stops the decoder too, and is raised.
    """
    tick()
    process = _start()
    late, done = threading.Event(), threading.Event()
    raised: list[BaseException] = []

    def watch() -> None:
        end = time.monotonic() + seconds
        try:
            while not done.wait(min(LOOK, max(0.0, end - time.monotonic()))):
                tick()
                if time.monotonic() >= end:
                    late.set()
                    break
        except BaseException as error:
            raised.append(error)
        if not done.is_set():
            _kill(process)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    reply = bytearray()
    with process:
        try:
            assert process.stdin and process.stdout
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(request)  # left open: its end tells that we are gone
            while len(reply) <= largest and (block := process.stdout.read(1 << 20)):
                reply += block
            if len(reply) <= largest:
                process.wait()
        finally:
            done.set()
            _kill(process)
    watcher.join()
    if raised:
        raise raised[0]
    if late.is_set() or -process.returncode == getattr(signal, "SIGXCPU", None):
        raise MediaError(f"Reading this file took longer than {seconds:g} s; try a shorter clip.")
    if process.returncode:
        raise MediaError(
            "The decoder stopped on this file, which is damaged or unusual; "
            "convert it to H.264 in an MP4 file and try again."
        )
    return reply


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "core_models.decoder"],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=os.path.abspath(os.sep),
        env=environment(),
        start_new_session=True,
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


def environment() -> dict[str, str]:
    """No more than Python needs to find the same packages: no keys, tokens or proxies."""
    kept = {n: os.environ[n] for n in ("SYSTEMROOT", "LD_LIBRARY_PATH") if n in os.environ}
    root = str(Path(__file__).resolve().parents[1])
    packages = [root, *(p for p in sys.path if os.path.isabs(p) and p != root)]
    return kept | {
        "PATH": os.defpath,
        "HOME": os.path.abspath(os.sep),
        "PYTHONPATH": os.pathsep.join(packages),
        "PYTHONSAFEPATH": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def parse(reply: bytearray) -> tuple[Any, Arrays]:
    """Facts and arrays out of an answer; ValueError unless every byte is accounted for."""
    (size,) = struct.unpack(">I", reply[:4])
    header = json.loads(reply[4 : 4 + size])
    rest = memoryview(reply)[4 + size :]
    arrays: Arrays = {}
    for name, kind, shape in header["arrays"]:
        if kind not in ("uint8", "float32", "float64") or min(shape, default=0) < 0:
            raise ValueError("an array of an unknown kind")
        count = math.prod(shape)
        flat = np.frombuffer(rest, np.dtype(kind), count) if count else np.zeros(0, kind)
        arrays[str(name)] = flat.reshape(shape)
        rest = rest[flat.nbytes :]
    if len(rest):
        raise ValueError("bytes that belong to no array")
    return header["facts"], arrays
