"""A run: one analysed clip, what is shown of it, and what was asked of it since."""

from __future__ import annotations

import re
import secrets
import shlex
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from app.spare import noted
from app.storage import written
from core_models.checkpoint import weight_hashes
from core_models.clip import MODALITIES, Clip, Modality
from core_models.interface import Decoding
from core_models.media import LIMITS
from core_models.registry import find
from explain.analysis import Analysis, analyse, on, toggle
from explain.attribution import Attribution
from explain.cli.asking import trusts
from explain.export.bundle import Footage, bundle, copied, files, likely, report, watchable
from explain.modality.interventions import Effect
from explain.modality.report import ModalityReport, modalities
from explain.question import Question
from explain.targets import target as aimed
from explain.trust import Trust
from explain.viewer.payload import payload
from explain.viewer.scores import Scored, scored

KEPT = 8  # explanations of a run
TRIED = 12  # changes of it
KINDS = {"zip": "zip", "report": "html"}  # of exports, and how their names end


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
    owner: the session that made it, to which alone it is shown.
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
    owner: str = ""

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
        """Bytes that it holds in memory; what is held by two counts once."""
        full = self.full
        tensors = [*full.inputs.values.values(), *full.tokens.values.values()]
        arrays: list[NDArray[Any]] = [full.clip.frames, full.clip.waveform]
        for maps in (full.towers, full.attention, self.now.attention):
            arrays += maps.values()
        arrays += [x for r in self.reasons for x in r.found.scores.values()]
        held = {t.data_ptr(): t.nbytes for t in tensors}
        held |= {a.ctypes.data: a.nbytes for a in arrays}
        return sum(held.values()) + sum(len(r.drawn.content) for r in self.reasons)


def begin(
    model: Any,
    clip: Clip,
    path: Path,
    folder: Path,
    present: Collection[Modality],
    arguments: Mapping[str, Any],
    decoding: Decoding = Decoding(),
    owner: str = "",
    tick: Callable[[], None] = on,
) -> Run:
    """Analyse a clip with all that it has, then with what is switched on.

    owner: the session that asks. tick: called between the steps; it may raise.
    """
    full = analyse(model, clip, decoding=decoding, tick=tick)
    footage = likely(path, clip, folder, replace(LIMITS, tick=tick))
    run = Run(secrets.token_urlsafe(16), full, full, footage, folder, arguments, owner=owner)
    return switched(run, present, tick)


def switched(run: Run, present: Collection[Modality], tick: Callable[[], None] = on) -> Run:
    """The same run with other modalities switched on."""
    there = [m for m in run.full.present if m in present]
    if there != list(run.now.present):
        now = run.full if there == list(run.full.present) else toggle(run.full, there, tick)
        run = replace(run, now=replace(now, seconds=run.full.seconds), told=None)
    elif run.view:
        return run
    return replace(run, view=_view(run))


def film(run: Run, copy: bool = False, tick: Callable[[], None] = on) -> Footage:
    """What browsers play of a run to its end. copy: one could not play the file itself."""
    if run.footage.ours or (run.footage.sure and not copy):
        return run.footage
    find, limits = copied if copy else watchable, replace(LIMITS, tick=tick)
    return find(run.footage.path, run.full.clip, run.folder, limits)


def filmed(run: Run, footage: Footage) -> Run:
    """The run with this to play, unless it has a copy already."""
    if run.footage.ours:
        return run
    made = replace(run, footage=footage)
    return made if footage.path == run.footage.path else replace(made, view=_view(made))


def renoted(run: Run, notice: str) -> Run:
    """The run with a notice more, on the page and in every export; "": as it is."""
    if not notice:
        return run
    full, now = noted(run.full, notice), noted(run.now, notice)
    made = replace(run, full=full, now=full if run.now is run.full else now)
    return replace(made, view=_view(made))


def reasoned(run: Run, of: Analysis, found: Attribution, key: str) -> Run:
    """The run with an explanation; one of the same key gives way, and the oldest when too many."""
    others = tuple(r for r in run.reasons if r.id != key)
    return replace(run, reasons=(drawn(run, of, found, key), *others)[:KEPT])


def drawn(run: Run, of: Analysis, found: Attribution, key: str, title: str = "") -> Reason:
    """An explanation, its scores written into the folder of the run."""
    shown = scored(found, of, key, title)
    return Reason(key, of, found, shown, written(run.folder, f"{key}.bin", shown.content))


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
    stamp += "-copy" if run.footage.ours else ""
    made = payload(run.now, stamp, run.footage.start)
    value: dict[str, Any] = {"meta": made.meta, "video": str(run.footage.path)}
    parts = {"strip": (made.strip, "jpg"), "sound": (made.sound, "png")}
    for name, (content, kind) in {**parts, "tensor": (made.tensor, "bin")}.items():
        value[name] = None
        if content is not None:
            value[name] = str(written(run.folder, f"{stamp}.{name}.{kind}", content))
    return value


def exported(run: Run, kind: str, tick: Callable[[], None] = on) -> Path:
    """One file to download: ``zip`` (everything) or ``report`` (HTML).

    Both hold the explanations of what is switched on now, those that were stopped left out; the
    tests of a map that are not there yet are made. The name holds no more of the clip's than
    letters, digits, points and dashes.
    """
    stem = re.sub(r"[^\w.-]+", "-", Path(run.full.clip.name).stem)[:60].strip(".-") or "clip"
    target = run.folder / secrets.token_hex(8) / f"fusionscope-{stem}.{KINDS[kind]}"
    target.parent.mkdir()
    kept = [r for r in reversed(run.fitting) if r.found.done == 1]
    try:
        run = filmed(run, film(run, tick=tick))
        if kind == "report":
            told = report(run.now, run.footage, [r.found for r in kept])
            target.write_text(told, encoding="utf-8")
        else:
            bundle(_files(run, kept, tick), target)
    except BaseException:
        shutil.rmtree(target.parent, ignore_errors=True)
        raise
    return target


def _files(run: Run, kept: list[Reason], tick: Callable[[], None]) -> dict[str, bytes]:
    found = [r.found for r in kept]
    known = [r.trust for r in kept if r.trust is not None and r.trust.done == 1]
    tested = trusts(run.now, found, known=known, tick=tick)
    question = Question(run.now, aimed("auto", run.now), tick)
    whole = run.told or modalities(question)
    off = [m for m in MODALITIES if m not in run.now.present]
    arguments = {**run.arguments, "without": off, "target": whole.target.asked}
    hashes, limits = weight_hashes(find(arguments["model"])), replace(LIMITS, tick=tick)
    return files(run.now, arguments, hashes, run.footage, found, tested, whole, limits=limits)


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
