"""The process itself: bounds what it may use, reads a JSON request and writes the answer.

The request is one line; the answer is a length, a JSON header and raw arrays.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import struct
import sys
import threading

import av
import numpy as np

from core_models.decoder.refused import Refused, Request
from core_models.decoder.tasks import TASKS, Answer

FULL = (errno.ENOSPC, errno.EDQUOT)


def restrict(memory: int, seconds: int, file_size: int) -> None:
    """Bound what this process may use from here on, where the system can do that."""
    try:
        import resource
    except ImportError:
        return
    bounds = {"AS": memory, "CPU": seconds, "FSIZE": file_size, "NOFILE": 64, "CORE": 0}
    for name, bound in bounds.items():
        with contextlib.suppress(ValueError, OSError):
            hard = bound + 1 if name == "CPU" else bound  # the soft one has a signal of its own
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (bound, hard))


def answer(request: Request) -> Answer:
    """What was asked, or {"refused": sentence}; an empty one where there is no more to say, with
    the error number where the disk that it writes to is full.
    """
    try:
        return TASKS[request["task"]](request)
    except Refused as refusal:
        return {"refused": str(refusal)}, {}
    except MemoryError:
        most = request["memory"] / 2**30
        return {
            "refused": f"Reading this file needs more than the {most:.2g} GB of memory that it may "
            "use; it is damaged or too large: choose another file."
        }, {}
    except (av.FFmpegError, OSError, ValueError, ArithmeticError, UnicodeError) as error:
        code = error.errno if isinstance(error, OSError) and error.errno in FULL else None
        return {"refused": "", "full": code}, {}


def end_with_parent() -> None:
    """Stop at once when whoever asked is gone: nobody would read the answer."""
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> None:
    request = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=end_with_parent, daemon=True).start()
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # libraries that print must not garble the answer
        restrict(request["memory"], request["cpu_seconds"], request["file_size"])
        facts, arrays = answer(request)
        shapes = [(name, x.dtype.name, x.shape) for name, x in arrays.items()]
        header = json.dumps({"facts": facts, "arrays": shapes}).encode()
        out.write(struct.pack(">I", len(header)) + header)
        for array in arrays.values():
            out.write(np.ascontiguousarray(array).data)


if __name__ == "__main__":
    main()
