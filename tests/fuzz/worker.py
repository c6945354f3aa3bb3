"""One run of atheris on one target, in a process that may be lost: ``__main__`` starts it."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["core_models", "pysubs2"]):
    from tests.fuzz.mutate import damaged
    from tests.fuzz.targets import TARGETS, read_clip_here, where

MEMORY, LONGEST, LARGEST = 6 * 2**30, 60, 65_536
FULL = 3  # the exit code of a worker whose memory is used up


def main() -> None:
    name, folder, runs, seconds = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    outcomes: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    target = TARGETS[name]
    read = read_clip_here(faults) if name == "decoder" else target.read
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    told = [time.monotonic()]
    slowest = [0.0]

    def one(data: bytes) -> None:
        if not data:
            return
        begun = time.monotonic()
        try:
            outcomes[read(*target.unpack(data), scratch)] += 1
        except MemoryError:  # this process is full of what came before: the next one begins anew
            tell(folder / "told.json", outcomes, faults, slowest[0])
            os._exit(FULL)
        except Exception as error:
            faults[where(error)] += 1
            (folder / f"fault-{abs(hash(where(error)))}").write_bytes(data)
        now = time.monotonic()
        slowest[0] = max(slowest[0], now - begun)
        if now - told[0] > 2:
            told[0] = now
            tell(folder / "told.json", outcomes, faults, slowest[0])

    known = [path.read_bytes() for path in sorted((folder / "corpus").iterdir())]

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        if seed % 2:
            mutated: bytes = atheris.Mutate(data, most)
            return mutated
        other = known[seed // 2 % len(known)]
        return (data[:1] + damaged(data[1:], other[1:], seed))[:most]

    options = [
        f"-max_total_time={seconds}", f"-runs={runs}", f"-timeout={LONGEST}", "-rss_limit_mb=0",
        f"-max_len={LARGEST}", f"-artifact_prefix={folder}/crash-", str(folder / "corpus"),
    ]  # fmt: skip
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutate)
    with contextlib.suppress(SystemExit):
        atheris.Fuzz()


def tell(path: Path, outcomes: Counter[str], faults: Counter[str], slowest: float) -> None:
    """What is known so far, where the parent finds it even when this process is lost."""
    report: dict[str, Any] = {"inputs": outcomes.total() + faults.total(), "slowest": slowest}
    report |= {"outcomes": outcomes, "faults": faults}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(report))
    part.replace(path)


if __name__ == "__main__":
    main()
