"""The whole job without a browser: ``python -m explain CLIP --out DIR``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded

from core_models.checkpoint import CheckpointError, weight_hashes
from core_models.clip import MODALITIES, Clip
from core_models.hub_describer import described_by
from core_models.interface import Decoding
from core_models.media import MediaError, load_clip
from core_models.registry import find, load, pick_device
from explain.analysis import Analysis, NothingToReadError, analyse, captioned
from explain.cli.asking import attributions, trusts
from explain.cli.command import asked, listed, parser
from explain.cli.replay import ReplayError, arguments, differing, replayed
from explain.export.bundle import files, watchable
from explain.export.folder import writable, write
from explain.methods.registry import MethodError
from explain.modality.report import modalities
from explain.question import Question
from explain.targets import TargetError, target

KNOWN = (
    MediaError, CheckpointError, NothingToReadError, TargetError, MethodError, ReplayError, OSError,
)  # fmt: skip
STOPPED = 130  # the exit status of what was interrupted


def main(argv: list[str] | None = None) -> int:
    options = parser()
    given = options.parse_args(argv)
    try:
        if given.list_methods:
            print(listed(run(given)[0] if given.clip else None))
            return 0
        given.asked = asked(given.method, given.target, given.set)
        given.tests = [given.trust] * len(given.asked)
        if given.replay is not None:
            given = replayed(given)
        if given.clip is None:
            options.error("name a clip, for example: python -m explain clip.mp4")
        writable(given.out)
        analysis, contents = explained(given)
        changed = [] if given.replay is None else differing(given.replay, contents)
        write(contents, given.out)
    except KNOWN as error:
        tell("")
        print(f"explain: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        tell("")
        print("explain: Stopped; nothing half-done was kept.", file=sys.stderr)
        return STOPPED
    print(f"{analysis.clip.name}: {said(analysis)}; {len(contents)} files in {given.out}")
    notes = [f"{name} is not what it was, byte for byte." for name in changed]
    for note in (*analysis.notices, *notes):
        print(f"  note: {note}")
    return 0


def run(given: argparse.Namespace) -> tuple[Analysis, Clip]:
    """Decode, predict, record."""
    try:
        device = pick_device(given.device)
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    tell("Loading the model")
    model = load(given.model, device)
    tell("Reading the clip")
    clip = load_clip(
        given.clip,
        text=given.text,
        subtitles=given.subtitles,
        frames=given.frames or model.frames,
        start=given.start,
        length=given.length,
    )
    if given.described_by:
        clip = described_by(given.described_by, clip)
    if given.captioned_by:
        clip = captioned(load(given.captioned_by, device), clip)
    present = [m for m in MODALITIES if m not in given.without]
    decoding = Decoding(given.beams, given.min_length, given.max_length, given.repetition)
    tell("Looking at the clip")
    return analyse(model, clip, present, decoding), clip


def explained(given: argparse.Namespace) -> tuple[Analysis, dict[str, bytes]]:
    """The run, what its methods found, and all its files."""
    analysis, clip = run(given)
    question = Question(analysis, target(given.target, analysis))
    found = attributions(analysis, given.asked, tell)
    tested = trusts(analysis, found, given.tests, tell)
    whole = modalities(question)
    tell("Drawing")
    hashes = weight_hashes(find(given.model))
    with tempfile.TemporaryDirectory() as folder:
        footage = watchable(Path(given.clip), clip, Path(folder))
        contents = files(analysis, arguments(given), hashes, footage, found, tested, whole)
    tell("")
    return analysis, contents


def tell(doing: str, done: float | None = None) -> None:
    """One line that is written over, where somebody watches; nothing clears it."""
    if sys.stderr.isatty():
        share = "" if done is None else f" {done:.0%}"
        print(f"\r\x1b[K{doing}{share}", end="", file=sys.stderr, flush=True)


def said(analysis: Analysis) -> str:
    """The answer in a few words."""
    if analysis.caption is not None:
        return f"“{analysis.caption.text}”"
    label, probability = analysis.top[0]
    return f"{label} ({probability:.2f})"


if __name__ == "__main__":
    sys.exit(main())
