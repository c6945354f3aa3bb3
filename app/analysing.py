"""One analysis as a job: its stages, from a file to a run."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from app.ahead import Ahead
from app.jobs import Job
from app.session import Run, begin, renoted
from app.spare import spared_on
from app.store import Runs
from core_models.clip import Modality
from core_models.interface import Decoding, Model
from core_models.media import LIMITS, load_clip
from core_models.registry import load
from explain.analysis import captioned


class Stage(NamedTuple):
    """How far an analysis is, and what it does now."""

    done: float
    doing: str


@dataclass(frozen=True)
class Asked:
    """What an analysis is asked with. length 0: to the end."""

    path: str
    text: str
    subtitles: str | None
    model: str
    start: float
    length: float
    decoding: Decoding
    streams: tuple[Modality, ...]
    captioned_by: str | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """As the manifest keeps them, but for the frames and the device."""
        return {
            "clip": Path(self.path).name,
            "model": self.model,
            "text": self.text,
            "subtitles": Path(self.subtitles).name if self.subtitles else None,
            "start": self.start,
            "length": self.length or None,
            "captioned_by": self.captioned_by,
            **asdict(self.decoding),
        }


def stages(job: Job[Any], runs: Runs, device: torch.device, asked: Asked) -> Iterator[Stage | Run]:
    """What is done, as it is done, and in the end the run, which is kept."""
    folder = runs.folder()
    given = [Path(path) for path in (asked.path, asked.subtitles) if path]
    runs.bring(job.session, *given)
    with runs.leases.hold(folder, *given):
        try:
            run = yield from _made(job, device, asked, folder, runs.ahead)
        except BaseException:
            runs.leases.remove(folder)
            raise
        runs.put(run)  # from here on its files are the store's
        yield run


def _made(
    job: Job[Any], device: torch.device, asked: Asked, folder: Path, ahead: Ahead
) -> Generator[Stage, None, Run]:
    yield Stage(0.05, "Loading the model")
    with job.aside():
        model = load(asked.model, device, job.check)
        yield Stage(0.15, "Reading the clip")
        whole = not asked.start and not asked.length
        clip = load_clip(
            asked.path, asked.text, asked.subtitles, model.frames, asked.start,
            asked.length or None, replace(LIMITS, tick=job.check),
            known=ahead.take(asked.path, model.frames) if whole else None,
        )  # fmt: skip
    if asked.captioned_by:
        yield Stage(0.3, f"{asked.captioned_by} writes a caption")
        clip = captioned(load(asked.captioned_by, device, job.tick), clip, job.tick)
    yield Stage(0.4, f"Looking at {len(clip.frames)} frames")
    kept = {**asked.arguments, "frames": model.frames}

    def begun(read: Model, place: torch.device) -> Run:
        return begin(
            read, clip, Path(asked.path), folder, asked.streams, {**kept, "device": place.type},
            asked.decoding, job.session, job.tick,
        )  # fmt: skip

    run, notice = spared_on(device, asked.model, begun)
    return renoted(run, notice)
