"""Fuzz a reader for some time, and say what came out of it.

The decoder's own Python is run in the fuzzing process, where its coverage guides the fuzzer; what
crashes or hangs that process is put to the real one, a decoder process of its own with its limits.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fuzz.targets import TARGETS, Target, seeds_of, where

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 65_536  # bytes of an input
FULL = 3  # the exit code of a worker that only needs to begin anew


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        found = fuzz(options, Path(name))
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if found["faults"] or found["uncontained"] else 0


def fuzz(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Workers one after another until the time or the runs are used up."""
    target = TARGETS[options.target]
    corpus = folder / "corpus"
    corpus.mkdir()
    made = folder / "made"
    made.mkdir()
    first = seeds_of(target, made, options.seeds)
    for number, data in enumerate(first.values()):
        (corpus / f"seed-{number:05d}").write_bytes(data[:LARGEST])
    begun = time.monotonic()
    inputs, lost, slowest = 0, 0, 0.0
    outcomes: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    while (left := options.seconds - (time.monotonic() - begun)) > 1 and inputs < options.runs:
        (folder / "told.json").unlink(missing_ok=True)
        code = _worker(options.target, folder, options.runs - inputs, round(left))
        told = _told(folder)
        lost += code not in (0, FULL)
        if not told["inputs"] and code:
            break  # it cannot even start
        inputs += told["inputs"]
        slowest = max(slowest, told["slowest"])
        outcomes.update(told["outcomes"])
        faults.update(told["faults"])
        _set_aside(folder)
    crashes = _crashes(folder)
    contained, uncontained = _replayed(target, crashes, folder, options.keep)
    return {
        "target": options.target, "seeds": len(first), "inputs": inputs,
        "seconds": round(time.monotonic() - begun), "slowest": round(slowest, 2),
        "workers lost": lost, "crashing inputs": len(crashes), "contained": contained,
        "uncontained": uncontained, "faults": dict(faults.most_common(20)),
        "outcomes": dict(outcomes.most_common(20)), "log": _tail(folder / "log"),
    }  # fmt: skip


def _worker(name: str, folder: Path, runs: int, seconds: int) -> int:
    command = [sys.executable, "-m", "tests.fuzz.worker", name, str(folder), str(runs)]
    with (folder / "log").open("ab") as log:
        done = subprocess.run(
            [*command, str(seconds)], cwd=ROOT, stdout=log, stderr=log, check=False
        )
    return done.returncode


def _crashes(folder: Path) -> list[Path]:
    """The inputs on which workers were lost; slow ones are no loss."""
    found = sorted(path for path in folder.iterdir() if path.name.startswith("crash-"))
    return [path for path in found if "slow-unit" not in path.name]


def _set_aside(folder: Path) -> None:
    """Take what a worker was lost on out of the corpus, so that the next one gets further."""
    lost = {path.read_bytes() for path in _crashes(folder)}
    for path in (folder / "corpus").iterdir():
        if path.read_bytes()[:LARGEST] in lost:
            path.unlink()


def _told(folder: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((folder / "told.json").read_text())
    except OSError:
        return {"inputs": 0, "slowest": 0.0, "outcomes": {}, "faults": {}}
    return told


def _replayed(
    target: Target, crashes: list[Path], folder: Path, keep: Path | None
) -> tuple[dict[str, int], dict[str, str]]:
    """What the real reader says of them: in a sentence, or not."""
    contained: Counter[str] = Counter()
    uncontained: dict[str, str] = {}
    for path in crashes[:50]:
        if keep is not None:
            keep.mkdir(exist_ok=True, parents=True)
            (keep / path.name).write_bytes(path.read_bytes())
        try:
            contained[target.read(*target.unpack(path.read_bytes() or b"\0"), folder)] += 1
        except Exception as error:
            uncontained[path.name] = where(error)
    return dict(contained), uncontained


def _tail(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()[-6:] if path.is_file() else []


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=10**9, help="inputs at most")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seeds", type=Path, help="a folder with further files to begin with")
    parser.add_argument("--keep", type=Path, help="a folder for inputs that crashed a worker")
    parser.add_argument("--out", type=Path, help="a file for the report")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
