"""The whole job without a browser: ``python -m explain CLIP --out DIR``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded

from core_models.checkpoint import CheckpointError, weight_hashes
from core_models.clip import MODALITIES, Clip
from core_models.interface import Decoding
from core_models.media import MediaError, file_key, load_clip
from core_models.registry import MODELS, find, load, pick_device
from explain.analysis import Analysis, NothingToReadError, analyse, captioned
from explain.export import files, watchable, write


class OneLineParser(argparse.ArgumentParser):
    """Bad arguments are one line on standard error, and exit 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"explain: {message}\n")


def parser() -> OneLineParser:
    out = OneLineParser(
        prog="python -m explain", description="What a model saw, heard and read in a clip."
    )
    out.add_argument("clip", nargs="?", help="a video file")
    out.add_argument(
        "--model", default=MODELS[0].name, help="a shipped model, a folder or a hub id"
    )
    out.add_argument("--text", default="", help="what is said or shown, typed")
    out.add_argument("--subtitles", help="an .srt or .vtt file")
    out.add_argument("--without", action="append", default=[], choices=MODALITIES)
    out.add_argument("--start", type=float, default=0.0, help="begin of the window in s")
    out.add_argument("--length", type=float, help="length of the window in s; default: all")
    out.add_argument("--frames", type=int, help="frames to sample; default: what the model wants")
    out.add_argument("--captioned-by", help="a captioner whose caption is read as the text")
    beam = out.add_argument_group("captions")
    beam.add_argument("--beams", type=int, default=4, help="how many the search keeps")
    beam.add_argument("--max-length", type=int, default=30, help="word pieces at most")
    beam.add_argument("--min-length", type=int, default=5, help="word pieces at least")
    beam.add_argument("--repetition", type=float, default=1.0, help="penalty; 1 is none")
    out.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    out.add_argument("--out", type=Path, default=Path("explained"), help="folder to write")
    out.add_argument("--replay", type=Path, help="the manifest.json of an earlier run")
    return out


def main(argv: list[str] | None = None) -> int:
    options = parser()
    given = options.parse_args(argv)
    try:
        if given.replay is not None:
            given = replayed(given)
        if given.clip is None:
            options.error("name a clip, for example: python -m explain clip.mp4")
        analysis, clip = run(given)
        hashes = weight_hashes(find(given.model))
        with tempfile.TemporaryDirectory() as folder:
            footage = watchable(Path(given.clip), clip, Path(folder))
            contents = files(analysis, arguments(given), hashes, footage)
        write(contents, given.out)
    except (MediaError, CheckpointError, NothingToReadError, ReplayError, OSError) as error:
        print(f"explain: {error}", file=sys.stderr)
        return 2
    print(f"{clip.name}: {said(analysis)}; {len(contents)} files in {given.out}")
    for notice in analysis.notices:
        print(f"  note: {notice}")
    return 0


def run(given: argparse.Namespace) -> tuple[Analysis, Clip]:
    """Decode, predict, record."""
    try:
        device = pick_device(given.device)
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    model = load(given.model, device)
    clip = load_clip(
        given.clip,
        text=given.text,
        subtitles=given.subtitles,
        frames=given.frames or model.frames,
        start=given.start,
        length=given.length,
    )
    if given.captioned_by:
        clip = captioned(load(given.captioned_by, device), clip)
    present = [m for m in MODALITIES if m not in given.without]
    decoding = Decoding(given.beams, given.min_length, given.max_length, given.repetition)
    return analyse(model, clip, present, decoding), clip


def said(analysis: Analysis) -> str:
    """The answer in a few words."""
    if analysis.caption is not None:
        return f"“{analysis.caption.text}”"
    label, probability = analysis.top[0]
    return f"{label} ({probability:.2f})"


class ReplayError(ValueError):
    """A manifest that cannot be replayed; the message says why."""


def arguments(given: argparse.Namespace) -> dict[str, Any]:
    """What the manifest keeps of the command line."""
    kept = {k: v for k, v in vars(given).items() if k not in ("out", "replay")}
    kept["clip"] = str(given.clip)
    return kept


def replayed(given: argparse.Namespace) -> argparse.Namespace:
    """The arguments of an earlier run; a clip named now stands in for one that has moved."""
    try:
        manifest = json.loads(given.replay.read_text())
        old = dict(manifest["arguments"])
        clip, weights = manifest["clip_sha256"], manifest["weights_sha256"]
    except (KeyError, TypeError, ValueError):
        raise ReplayError(f"{given.replay} is not a manifest of FusionScope.") from None
    old["clip"] = given.clip or old["clip"]
    again = argparse.Namespace(**{**vars(given), **old})
    if weight_hashes(find(again.model)) != weights:
        raise ReplayError(f"The weights of {again.model} have changed since this manifest.")
    if file_key(Path(again.clip)) != clip:
        raise ReplayError(f"{again.clip} is not the clip of this manifest: its sha256 differs.")
    return again


if __name__ == "__main__":
    sys.exit(main())
