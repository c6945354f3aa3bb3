"""Methods × models × measures over clips: ``python -m explain.benchmark --out DIR``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded

from core_models import planted
from core_models.checkpoint import CheckpointError
from core_models.clip import MODALITIES, Modality
from core_models.registry import WEIGHTS, load, pick_device
from explain.benchmark.baselines import BASELINES
from explain.benchmark.cases import BenchmarkError, Case, folder_cases, grid_cases, planted_cases
from explain.benchmark.measures import MEASURES, Measure
from explain.benchmark.rows import read
from explain.benchmark.run import Failure, Job, Report, benchmark
from explain.benchmark.summary import summary
from explain.benchmark.tables import BELIEVED, as_csv, as_markdown
from explain.cli.command import OneLineParser
from explain.methods.method import Method
from explain.methods.registry import METHODS
from explain.render.benchmark_figures import found

OURS = tuple(f"planted/{fusion}" for fusion in ("bottleneck", "latent", "late"))
EVERY: tuple[Method, ...] = (*BASELINES, *METHODS)


def parser() -> OneLineParser:
    out = OneLineParser(
        prog="python -m explain.benchmark",
        description="Which method finds what a model really read: a table and a plot. A run that "
        "was stopped goes on when it is started again with the same --out.",
    )
    out.add_argument(
        "--models",
        default=",".join(OURS),
        help="shipped models or folders, by commas; planted/NAME are made for the planted clips",
    )
    out.add_argument(
        "--methods",
        default="fast",
        help="all, fast, or names by commas; the baselines are always there",
    )
    known = ", ".join(x.name for x in MEASURES)
    out.add_argument("--metrics", default="all", help=f"all, or some of: {known}")
    out.add_argument(
        "--data", type=Path, help="a folder of clips, or GRID with labels.csv and words.csv"
    )
    out.add_argument("--words", default="colour", help="of GRID: colour, digit or colour,digit")
    out.add_argument("--clips", type=int, default=60, help="how many for each model")
    out.add_argument("--without", action="append", default=[], choices=MODALITIES)
    out.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    out.add_argument("--out", type=Path, default=Path("benchmark"), help="folder to write")
    out.add_argument("--seed", type=int, default=0)
    return out


def main(argv: Sequence[str] | None = None) -> int:
    given = parser().parse_args(argv)
    try:
        methods, measures = chosen(given.methods), measured(given.metrics)
        jobs = [job(name, given) for name in given.models.split(",")]
        given.out.mkdir(parents=True, exist_ok=True)
        failures = benchmark(
            jobs, methods, measures, given.out / "results.csv", seed=given.seed, report=say
        )
        write(given.out, given.seed)
    except (BenchmarkError, CheckpointError, OSError, ValueError) as error:
        print(f"explain.benchmark: {error}", file=sys.stderr)
        return 2
    say(f"results.csv, summary.csv, summary.md and plot.png are in {given.out}.")
    return told(failures, say)


def say(line: str) -> None:
    print(line, flush=True)


def told(failures: Sequence[Failure], report: Report) -> int:
    """What failed, in the end; starting again tries just that."""
    if failures:
        report(f"{len(failures)} failed; start again to try these alone:")
        for x in failures:
            report(f"  {x.model}, {x.clip}, {x.method or 'the clip'}: {x.why}")
    return 1 if failures else 0


def chosen(names: str) -> tuple[Method, ...]:
    """The baselines, and the methods asked for."""
    if names == "all":
        return EVERY
    if names == "fast":
        return (*BASELINES, *(method for method in METHODS if not method.slow))
    wanted = _checked(names, _names(EVERY), "method")
    return tuple(x for x in EVERY if x.name in wanted or x in BASELINES)


def measured(names: str) -> tuple[Measure, ...]:
    if names == "all":
        return MEASURES
    wanted = _checked(names, _names(MEASURES), "metric")
    return tuple(x for x in MEASURES if x.name in wanted)


def job(name: str, given: argparse.Namespace) -> Job:
    """A model and its clips: planted ones where its labels are theirs, else those of --data."""
    shipped = WEIGHTS / name
    place = str(shipped) if name in OURS else name
    model = load(place, pick_device(given.device))
    cases = clips_of(getattr(model, "labels", ()), given)[: given.clips]
    present: Collection[Modality] | None = None
    title = name if name in OURS else model.name
    if given.without:
        present = [m for m in model.modalities if m not in given.without]
        title += f" without {' and '.join(given.without)}"
    return Job(title, model, cases, present)


def clips_of(labels: Sequence[str], given: argparse.Namespace) -> tuple[Case, ...]:
    if tuple(labels) == planted.LABELS:
        return planted_cases(given.clips)
    if given.data is None:
        raise BenchmarkError("Name a folder of clips with --data; only planted/NAME need none.")
    if not (given.data / "labels.csv").is_file():
        return folder_cases(given.data)
    words = _checked(given.words, ("colour", "digit"), "word")
    return grid_cases(given.data, words)


def write(out: Path, seed: int) -> None:
    """The summary of all rows that there are."""
    rows = read(out / "results.csv")
    cells = summary(rows, seed)
    (out / "summary.csv").write_text(as_csv(cells))
    (out / "summary.md").write_text(as_markdown(cells, rows, seed))
    found(cells, *BELIEVED).savefig(out / "plot.png", dpi=130)


def _names(table: Sequence[Method] | Sequence[Measure]) -> tuple[str, ...]:
    return tuple(x.name for x in table)


def _checked(given: str, known: Sequence[str], what: str) -> list[str]:
    names = [name.strip() for name in given.split(",")]
    for name in names:
        if name not in known:
            raise BenchmarkError(f"There is no {what} “{name}”; name some of: {', '.join(known)}.")
    return names


if __name__ == "__main__":
    sys.exit(main())
