"""What is asked of every clip, and the function that all engines map over them."""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import torch

from core_models.checkpoint import weight_hashes
from core_models.clip import Clip, Modality
from core_models.interface import Captioner, Decoding, Model
from core_models.media import LIMITS, MediaError, load_clip
from core_models.registry import find, load
from explain.analysis import SAID, Analysis, NothingToReadError, analyse, captioned
from explain.cli.asking import attributions, trusts
from explain.cli.command import Asked
from explain.dataset.columns import Origin, Row, Seconds
from explain.dataset.listing import DatasetError, Entry
from explain.dataset.quick import quick
from explain.dataset.rows import failed, row
from explain.export.record import PACKAGES
from explain.methods.registry import MethodError
from explain.modality.report import modalities
from explain.question import Question, Stopped
from explain.targets import TargetError, target

KNOWN = (MediaError, NothingToReadError, TargetError, MethodError, DatasetError)


@dataclass(frozen=True)
class Job:
    """asked: method, target and settings. present: the modalities to use. threads: of one process,
    on which the last digits of a result depend.
    """

    model: str
    device: str = "cpu"
    asked: tuple[Asked, ...] = ()
    target: str = "auto"
    present: tuple[Modality, ...] = ("video", "audio", "text")
    frames: int | None = None
    start: float = 0.0
    length: float | None = None
    trust: Literal["none", "quick", "cheap", "all"] = "quick"
    captioned_by: str | None = None
    decoding: Decoding = Decoding()
    threads: int = 1

    @property
    def arguments(self) -> dict[str, Any]:
        """All that rows depend on, as JSON reads it back."""
        told: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return told

    @property
    def origin(self) -> Origin:
        """Reads the weights to name them by their sha256."""
        names = [self.model] + ([self.captioned_by] if self.captioned_by else [])
        weights: Mapping[str, str] = {}
        for name in names:
            weights = {**weights, **weight_hashes(find(name))}
        versions = {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}}
        told = (json.dumps(x, sort_keys=True) for x in (weights, self.arguments, versions))
        return Origin(self.model, *told)


@dataclass(frozen=True)
class Read:
    """A clip that was read ahead, or why it could not be."""

    clip: Clip | None
    why: str
    seconds: float


def explained(job: Job, origin: Origin, root: Path, entries: Sequence[Entry]) -> Iterator[Row]:
    """A row for each clip, in order; whatever is wrong with one stands in its row.

    The next clip is read by its decoder while the model looks at this one.
    """
    gone = threading.Event()
    with threads(job.threads), ThreadPoolExecutor(1) as beside:
        model = load(job.model, torch.device(job.device))
        try:
            ahead: Future[Read] | None = None
            since = spent()
            for entry, coming in zip_longest(entries, entries[1:]):
                taken = (ahead or beside.submit(read, job, model, root, entry, gone)).result()
                ahead = None
                if coming is not None:
                    ahead = beside.submit(read, job, model, root, coming, gone)
                made = _row(job, origin, model, entry, taken)
                since, before = spent(), since
                yield replace(made, seconds=replace(made.seconds, cpu=since - before))
        finally:
            gone.set()


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many of torch's inside; as before outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def spent() -> float:
    """CPU seconds of this process and of decoders that have ended."""
    return sum(os.times()[:4])


def said(error: BaseException) -> str:
    """An error as one sentence; those that nobody foresaw with their kind."""
    first = " ".join(str(error).split())[:300]
    return first if isinstance(error, KNOWN) else f"{type(error).__name__}: {first}"


def read(job: Job, model: Model, root: Path, entry: Entry, gone: threading.Event) -> Read:
    """gone: set when nobody wants it any more."""

    def tick() -> None:
        if gone.is_set():
            raise Stopped

    begin = time.perf_counter()
    subtitles = root / entry.subtitles if entry.subtitles else None
    clip, why = None, ""
    try:
        clip = load_clip(
            root / entry.file,
            text=entry.text,
            subtitles=subtitles,
            frames=job.frames or model.frames,
            start=job.start,
            length=job.length,
            limits=replace(LIMITS, tick=tick),
        )
    except Exception as error:
        why = said(error)
    return Read(clip, why, time.perf_counter() - begin)


def look(job: Job, model: Model, clip: Clip) -> Analysis:
    """What the model makes of a clip: the same whenever it is asked."""
    if job.captioned_by:
        clip = captioned(load(job.captioned_by, torch.device(job.device)), clip)
    return analyse(model, only(clip, job.present), decoding=job.decoding)


def _row(job: Job, origin: Origin, model: Model, entry: Entry, taken: Read) -> Row:
    """One clip after another: nothing of one is left in the next."""
    if taken.clip is None:
        return failed(entry, origin, taken.why)
    try:
        begin = time.perf_counter()
        analysis = look(job, model, taken.clip)
        question = Question(analysis, target(job.target, analysis))
        report = modalities(question)
        looked = time.perf_counter()
        found = attributions(analysis, job.asked)
        tested = (
            quick(question, found) if job.trust == "quick" else trusts(analysis, found, job.trust)
        )
        end = time.perf_counter()
        spent = Seconds(taken.seconds, looked - begin, end - looked)
        return row(entry, origin, analysis, found, tested, report, spent)
    except TargetError as error:
        if not isinstance(model, Captioner):  # no clip of this model has it
            raise
        return failed(entry, origin, said(error))
    except Exception as error:
        return failed(entry, origin, said(error))


def only(clip: Clip, present: Collection[Modality]) -> Clip:
    """As if the file had nothing else: what is left out takes no part in any combination."""
    gone = [m for m in clip.modalities if m not in present]
    notices = tuple(f"{SAID[m].capitalize()} was left out." for m in gone)
    return replace(
        clip,
        frames=clip.frames[:0] if "video" in gone else clip.frames,
        times=clip.times[:0] if "video" in gone else clip.times,
        waveform=clip.waveform[:0] if "audio" in gone else clip.waveform,
        words=() if "text" in gone else clip.words,
        text_source="none" if "text" in gone else clip.text_source,
        notices=(*clip.notices, *notices),
    )
