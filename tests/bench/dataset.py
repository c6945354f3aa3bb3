"""Clips a minute, by engine and by how many there are: ``python -m tests.bench.dataset LIST``.

Each line is a run of its own process, start included; CPU time is that of the clips alone, decoders
included, so it stands on a busy machine too. Pin it to the cores that it may have: taskset -c 2,3.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from explain.dataset.listing import listing
from explain.dataset.store import read

HEAD = (
    "| engine | clips | s | clips a minute | CPU s a clip | clips a CPU minute | peak MB |\n"
    "|---|---|---|---|---|---|---|"
)
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    """wall, cpu: seconds; peak: MB of the process that was started, not of Ray's workers."""

    engine: str
    clips: int
    wall: float
    cpu: float
    peak: float

    @property
    def line(self) -> str:
        each = self.cpu / self.clips
        return (
            f"| {self.engine} | {self.clips} | {self.wall:.0f} | "
            f"{60 * self.clips / self.wall:.1f} | "
            f"{each:.2f} | {60 / each:.1f} | {self.peak:.0f} |"
        )


def runs(args: argparse.Namespace) -> Iterator[Run]:
    """Every count with every engine, in turns."""
    source = listing(args.clips)
    for count in args.counts:
        for engine in args.engines:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                chosen = folder / "clips.txt"
                paths = (str(source.root / x.file) for x in source.entries[:count])
                chosen.write_text("\n".join(paths))
                yield run(chosen, folder / "out", engine, args)


def run(clips: Path, out: Path, engine: str, args: argparse.Namespace) -> Run:
    """One run from nothing."""
    more = ["--workers", str(args.workers)] if engine == "ray" else []
    asked = ["--model", args.model, "--method", args.method, "--device", "cpu"]
    begin = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "explain.dataset", str(clips), "--out", str(out), *asked,
         "--trust", args.trust, "--engine", engine, *more],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - begin
    if process.returncode:
        raise SystemExit(f"explain.dataset ended with {process.returncode} on {engine}.")
    rows = read(out / "rows.parquet")
    cpu = sum(row.seconds.cpu for row in rows)
    return Run(engine, len(rows), wall, cpu, used.ru_maxrss / 1024)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dataset", description=__doc__)
    parser.add_argument("clips", type=Path, help="a folder or a list of clips")
    parser.add_argument("--counts", type=int, nargs="+", default=[20, 40, 80, 160])
    parser.add_argument("--engines", nargs="+", default=["local", "ray"], choices=("local", "ray"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default="mbt-grid")
    parser.add_argument("--method", default="relevance")
    parser.add_argument("--trust", default="quick")
    args = parser.parse_args(argv)
    print(HEAD, flush=True)
    for made in runs(args):
        print(made.line, flush=True)


if __name__ == "__main__":
    main()
