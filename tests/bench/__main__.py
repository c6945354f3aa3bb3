"""How fast, as ratios: ``python -m tests.bench``.

Every row is a ratio of CPU time, and of time on the clock, of two pieces of work that take turns
in one process; the first row is the same work twice, which is the noise of all.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from tests.bench import captions, decoding, fusion, gradients, page, precision, process, recording
from tests.bench.measure import CPU, WALL, Result, measure
from tests.bench.stage import Stage

SUBJECTS: Mapping[str, ModuleType] = {
    "fusion": fusion,
    "recording": recording,
    "gradients": gradients,
    "captions": captions,
    "precision": precision,
    "decoding": decoding,
    "page": page,
    "process": process,
}
HEAD = "| what | against | goal | CPU time | on the clock | goal met |\n|---|---|---|---|---|---|"


def line(result: Result) -> str:
    """A row of the table: the median, with the least and the most."""
    said = []
    for clock in (CPU, WALL):
        x = result.ratios(clock)
        said.append(f"{np.median(x):.3g} [{x.min():.3g}, {x.max():.3g}]")
    c = result.contest
    return (
        f"| {c.what} | {c.against} | ≤ {c.most:.3g} | {' | '.join(said)} | "
        f"{'yes' if result.met else 'no'} |"
    )


def machine(device: torch.device) -> dict[str, Any]:
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else platform.machine(),
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "torch": version("torch"),
    }


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="a file for the numbers, as JSON")
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    device, rows = torch.device(args.device), []
    print(HEAD, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), device)
        for name in args.only:
            for result in measure(SUBJECTS[name].contests(stage), args.rounds):
                print(line(result), flush=True)
                rows.append(result.to_dict())
    if args.out:
        told = {"machine": machine(device), "rows": rows}
        args.out.write_text(json.dumps(told, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
