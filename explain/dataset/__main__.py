"""Many clips: ``python -m explain.dataset FOLDER|LIST --method relevance --out DIR``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded

from core_models.checkpoint import CheckpointError
from core_models.clip import MODALITIES
from core_models.interface import Decoding
from core_models.media import MAX_FRAMES
from core_models.registry import MODELS, pick_device
from explain.cli.command import OneLineParser, asked
from explain.dataset.job import Job
from explain.dataset.listing import DatasetError, listing
from explain.export.folder import writable
from explain.methods.registry import MethodError
from explain.targets import TargetError

KNOWN = (CheckpointError, DatasetError, MethodError, TargetError, OSError)
STOPPED = 130  # the exit status of what was interrupted


def parser() -> OneLineParser:
    out = OneLineParser(
        prog="python -m explain.dataset",
        description="Explain every clip of a folder or a list. A run that was stopped goes on when "
        "it is started again with the same --out.",
    )
    out.add_argument(
        "clips", type=Path, metavar="FOLDER|LIST",
        help="a folder with clips anywhere below it, a file with a path a line, or a .csv with "
        "columns file and, where wanted, label (several with | between), text, subtitles",
    )  # fmt: skip
    out.add_argument(
        "--model", default=MODELS[0].name, help="a shipped model, a folder or a hub id"
    )
    out.add_argument("--method", default="relevance", metavar="NAME[,NAME...]")
    out.add_argument("--target", default="auto", help="as in python -m explain")
    out.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    out.add_argument("--without", action="append", default=[], choices=MODALITIES)
    out.add_argument("--frames", type=int, help="frames to sample; default: what the model wants")
    out.add_argument("--start", type=float, default=0.0, help="begin of the window in s")
    out.add_argument("--length", type=float, help="length of the window in s; default: all")
    out.add_argument("--captioned-by", help="a captioner whose captions are read as the text")
    out.add_argument(
        "--trust",
        default="quick",
        choices=("none", "quick", "cheap", "all"),
        help="tests of each map; quick: deletion and insertion of everything at once",
    )
    out.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    out.add_argument(
        "--threads", type=int, default=1, help="of one process; the last digits depend on it"
    )
    out.add_argument("--engine", default="local", choices=("local", "ray"))
    out.add_argument("--workers", type=int, help="of ray: processes at once; default: all cores")
    out.add_argument("--address", help="of ray: a cluster that runs; default: this machine alone")
    out.add_argument("--again", action="store_true", help="try the clips again that were errors")
    out.add_argument("--out", type=Path, default=Path("dataset"), help="folder to write")
    return out


def job(given: argparse.Namespace) -> Job:
    """What is asked of every clip; MethodError, CheckpointError for what cannot be."""
    try:
        device = pick_device(given.device)
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    return Job(
        given.model,
        device.type,
        tuple(asked(given.method, given.target, given.set)),
        given.target,
        tuple(m for m in MODALITIES if m not in given.without),
        given.frames,
        given.start,
        given.length,
        given.trust,
        given.captioned_by,
        Decoding(),
        given.threads,
    )


def main(argv: Sequence[str] | None = None) -> int:
    options = parser()
    given = options.parse_args(argv)
    for name in ("threads", "workers"):
        if (count := getattr(given, name)) is not None and count < 1:
            options.error(f"--{name} must be at least 1.")
    if given.frames is not None and not 1 <= given.frames <= MAX_FRAMES:
        options.error(f"--frames must lie between 1 and {MAX_FRAMES}.")
    if given.start < 0 or (given.length is not None and given.length <= 0):
        options.error("Choose a window that starts at 0 s or later and is longer than 0 s.")
    try:
        if find_spec("pyarrow") is None:
            raise DatasetError(
                "pyarrow, which writes Parquet, is not installed; install "
                "explain/dataset/requirements.txt."
            )
        return explained(given)
    except KNOWN as error:
        print(f"explain.dataset: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nexplain.dataset: Stopped; the same command goes on from there.", file=sys.stderr)
        return STOPPED


def explained(given: argparse.Namespace) -> int:
    """The run and its report, which has its pictures last."""
    from explain.dataset.cases import draw, kept, swept
    from explain.dataset.engines import Cluster
    from explain.dataset.report import show, write
    from explain.dataset.run import Plan, run
    from explain.dataset.summary import summary

    clips = listing(given.clips)
    writable(given.out)
    cluster = Cluster(given.workers, given.address)
    asks = job(given)
    rows = run(Plan(asks, clips, given.out, given.engine, cluster, given.again))
    found = summary(rows)
    there = kept(found, given.out)
    names = write(found, clips, given.out, there)
    try:
        fresh = draw(found, clips, asks, given.out, there)
    except KeyboardInterrupt:
        print(
            f"\nexplain.dataset: Stopped; {names} are there, and the same command draws the "
            "pictures that are missing in the report.", file=sys.stderr,
        )  # fmt: skip
        return STOPPED
    if fresh:
        show(found, clips, given.out, {**there, **fresh})
    if swept(found, given.out):
        names += ", cases/"
    wrong = len(rows) - len(found.good)
    print(f"{len(found.good)} clips explained, {wrong} could not be; in {given.out}: {names}")
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    sys.exit(main())
