"""Runs kept on the server, by id, bounded in bytes; the page holds the id alone."""

from __future__ import annotations

import secrets
import shlex
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from core_models.checkpoint import weight_hashes
from core_models.clip import MODALITIES, Clip, Modality
from core_models.interface import Decoding
from core_models.registry import find
from explain.analysis import Analysis, analyse, toggle
from explain.attribution import Attribution
from explain.cli.asking import trusts
from explain.export.bundle import Footage, bundle, files, report, watchable
from explain.modality.interventions import Effect
from explain.modality.report import ModalityReport, modalities
from explain.question import Question
from explain.targets import target as aimed
from explain.trust import Trust
from explain.viewer.payload import payload
from explain.viewer.scores import Scored, scored

KEPT = 8  # explanations of a run
TRIED = 12  # changes of it


@dataclass(frozen=True, eq=False)
class Reason:
    """An explanation that a run keeps.

    of: what was asked. drawn, path: as the viewer reads it. trust: how far it holds.
    """

    id: str
    of: Analysis
    found: Attribution
    drawn: Scored
    path: Path
    trust: Trust | None = None


@dataclass(frozen=True, eq=False)
class Run:
    """One analysed clip. full: with all that the clip has; now: with what is switched on.

    view: the value of the viewer but for the explanations; reasons: these, the newest first.
    told: what each modality did, for the target asked last. tried: what became of changes, with
    what was on, the newest first.
    """

    id: str
    full: Analysis
    now: Analysis
    footage: Footage
    folder: Path
    arguments: Mapping[str, Any] = field(default_factory=dict)
    view: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    told: ModalityReport | None = None
    tried: tuple[tuple[tuple[Modality, ...], Effect], ...] = ()

    @property
    def fitting(self) -> tuple[Reason, ...]:
        """The explanations of what is switched on now."""
        return tuple(r for r in self.reasons if r.of.present == self.now.present)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What became of changes to what is switched on now."""
        return tuple(effect for present, effect in self.tried if present == self.now.present)

    def reason(self, name: str) -> Reason | None:
        """The explanation of this id, where it is kept."""
        return next((r for r in self.reasons if r.id == name), None)

    @property
    def before(self) -> Analysis | None:
        """What to compare with: the full run, if this is not it."""
        return None if self.now.present == self.full.present else self.full

    @property
    def size(self) -> int:
        """Bytes that it holds in memory."""
        tensors = [*self.full.inputs.values.values(), *self.full.tokens.values.values()]
        arrays = [*self.full.attention.values(), *self.now.attention.values()]
        arrays += self.full.towers.values()
        arrays += [x for r in self.reasons for x in r.found.scores.values()]
        clip = self.full.clip
        held = sum(t.nbytes for t in tensors) + sum(a.nbytes for a in arrays)
        return held + clip.frames.nbytes + clip.waveform.nbytes


class Runs:
    """The runs of all sessions; the oldest go first when the memory allowed is full."""

    def __init__(self, limit: int = 2 * 2**30) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()
        self._limit = limit
        self._lock = threading.Lock()
        self._root = tempfile.TemporaryDirectory(prefix="fusionscope-")  # gone with the process

    def folder(self) -> Path:
        """A new folder for the files of one run."""
        return Path(tempfile.mkdtemp(dir=self._root.name))

    def close(self) -> None:
        """Remove the files of all runs."""
        self._root.cleanup()

    def put(self, run: Run) -> None:
        with self._lock:
            self._runs[run.id] = run
            self._runs.move_to_end(run.id)
            while len(self._runs) > 1 and sum(r.size for r in self._runs.values()) > self._limit:
                _, old = self._runs.popitem(last=False)
                if all(r.folder != old.folder for r in self._runs.values()):
                    shutil.rmtree(old.folder, ignore_errors=True)

    def keep(self, key: str) -> str:
        """Keep a run as it is now, under a key of its own that is returned; "" where it is gone."""
        run = self.get(key)
        if run is None:
            return ""
        kept = f"{run.id}:{''.join(m[0] for m in run.now.present)}"
        self.put(replace(run, id=kept))
        self.put(run)  # the one on the page goes last
        return kept

    def kept(self, key: str) -> Run | None:
        """A run that was kept, with the explanations that were asked of it since."""
        run, later = self.get(key), self.get(key.partition(":")[0])
        return run if run is None or later is None else replace(run, reasons=later.reasons)

    def change(self, key: str, how: Callable[[Run], Run]) -> Run | None:
        """The run changed, where it is still kept."""
        with self._lock:
            if key in self._runs:
                self._runs[key] = how(self._runs[key])
            return self._runs.get(key)

    def get(self, key: str | None) -> Run | None:
        with self._lock:
            return self._runs.get(key or "")


def begin(
    model: Any,
    clip: Clip,
    path: Path,
    folder: Path,
    present: Collection[Modality],
    arguments: Mapping[str, Any],
    decoding: Decoding = Decoding(),
) -> Run:
    """Analyse a clip with all that it has, then with what is switched on."""
    full = analyse(model, clip, decoding=decoding)
    footage = watchable(path, clip, folder)
    run = Run(secrets.token_urlsafe(12), full, full, footage, folder, arguments)
    return switched(run, present)


def switched(run: Run, present: Collection[Modality]) -> Run:
    """The same run with other modalities switched on."""
    there = [m for m in run.full.present if m in present]
    if there != list(run.now.present):
        now = run.full if there == list(run.full.present) else toggle(run.full, there)
        run = replace(run, now=replace(now, seconds=run.full.seconds), told=None)
    elif run.view:
        return run
    return replace(run, view=_view(run))


def reasoned(run: Run, of: Analysis, found: Attribution, key: str) -> Run:
    """The run with an explanation; one of the same key gives way, and the oldest when too many."""
    others = tuple(r for r in run.reasons if r.id != key)
    return replace(run, reasons=(drawn(run, of, found, key), *others)[:KEPT])


def drawn(run: Run, of: Analysis, found: Attribution, key: str, title: str = "") -> Reason:
    """An explanation, its scores written into the folder of the run."""
    shown, path = scored(found, of, key, title), run.folder / f"{key}.bin"
    path.write_bytes(shown.content)
    return Reason(key, of, found, shown, path)


def judged(run: Run, key: str, trust: Trust) -> Run:
    """The run with what is known of one of its explanations."""
    told = tuple(replace(r, trust=trust) if r.id == key else r for r in run.reasons)
    return replace(run, reasons=told)


def told(run: Run, of: Analysis, found: ModalityReport) -> Run:
    """The run with what each modality did in it, if it is the same still."""
    return replace(run, told=found) if run.now is of else run


def tried(run: Run, of: Analysis, effect: Effect) -> Run:
    """The run with what became of one more change; the oldest gives way when too many."""
    return replace(run, tried=((of.present, effect), *run.tried)[:TRIED])


def untried(run: Run) -> Run:
    """The run as if nothing was tried with what is switched on now."""
    return replace(run, tried=tuple(x for x in run.tried if x[0] != run.now.present))


def shown(run: Run) -> dict[str, Any]:
    """What the viewer is given: a description, and the files that it fetches."""
    return _with(run, run.fitting, asks=True)


def beside(run: Run, reasons: Collection[Reason], opens: str) -> dict[str, Any]:
    """The same for a viewer that follows another, with these explanations, open on one of them."""
    return _with(run, reasons, follows=True, opens=opens)


def _with(run: Run, reasons: Collection[Reason], **told: bool | str) -> dict[str, Any]:
    meta = {**run.view["meta"], "scores": [r.drawn.meta for r in reasons], **told}
    return {**run.view, "scores": [str(r.path) for r in reasons], "meta": meta}


def _view(run: Run) -> dict[str, Any]:
    """All of it but the explanations, written into the folder of the run."""
    stamp = f"{run.id[:6]}-{''.join(m[0] for m in run.now.present)}"
    made = payload(run.now, stamp, run.footage.start)
    value: dict[str, Any] = {"meta": made.meta, "video": str(run.footage.path)}
    parts = {"strip": (made.strip, "jpg"), "sound": (made.sound, "png")}
    for name, (content, kind) in {**parts, "tensor": (made.tensor, "bin")}.items():
        value[name] = None
        if content is not None:
            target = run.folder / f"{stamp}.{name}.{kind}"
            target.write_bytes(content)
            value[name] = str(target)
    return value


def exported(run: Run, kind: str) -> Path:
    """One file to download: ``zip`` (everything) or ``report`` (HTML).

    Both hold the explanations of what is switched on now, those that were stopped left out; the
    tests of a map that are not there yet are made.
    """
    stem = Path(run.full.clip.name).stem[:60] or "clip"
    off = [m for m in MODALITIES if m not in run.now.present]
    arguments = {**run.arguments, "without": off}
    target = run.folder / f"fusionscope-{stem}.{'zip' if kind == 'zip' else 'html'}"
    kept = [r for r in reversed(run.fitting) if r.found.done == 1]
    found = [r.found for r in kept]
    if kind == "report":
        target.write_text(report(run.now, run.footage, found), encoding="utf-8")
        return target
    known = [r.trust for r in kept if r.trust is not None and r.trust.done == 1]
    tested = trusts(run.now, found, known=known)
    whole = run.told or modalities(Question(run.now, aimed("auto", run.now)))
    arguments["target"] = whole.target.asked
    hashes = weight_hashes(find(arguments["model"]))
    return bundle(files(run.now, arguments, hashes, run.footage, found, tested, whole), target)


def command(run: Run) -> str:
    """The command line that does the same as the page did."""
    given = run.arguments
    words = ["python", "-m", "explain", given["clip"], "--model", given["model"]]
    for option in ("text", "subtitles", "start", "length", "captioned_by"):
        if given.get(option):
            words += [f"--{option.replace('_', '-')}", str(given[option])]
    if run.full.caption is not None:
        for option, value in asdict(run.full.decoding).items():
            if value != getattr(Decoding(), option):
                words += [f"--{option.replace('_', '-')}", str(value)]
    for m in run.full.present:
        if m not in run.now.present:
            words += ["--without", m]
    return shlex.join([*words, "--out", "explained"])
