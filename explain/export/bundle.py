"""A run as files: prediction, attention, attributions, figures, film, report, and the manifest."""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from html import escape
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any

from core_models.clip import MODALITIES, Clip
from core_models.media import LIMITS, Limits, perhaps_playable, playable, preview
from explain.analysis import Analysis, Array, tower_path
from explain.attention.maps import NAMES
from explain.attribution import Attribution
from explain.export import record, tables
from explain.export.arrays import arrays, npz
from explain.export.record import stems
from explain.methods.registry import find
from explain.modality.report import ModalityReport
from explain.render.cards import CSS, first_look
from explain.render.draw import drawn, noted
from explain.render.figures import figures
from explain.render.video import of_attention, of_attribution, overlay
from explain.render.why_cards import facts
from explain.render.why_figures import why_figures
from explain.trust import Trust
from explain.viewer.payload import payload
from explain.viewer.scores import scored
from explain.viewer.standalone import data_url, page

MAX_VIDEO = 12_000_000  # bytes of a clip that a report carries inside
LOOK = 0.1  # seconds from one look at what is drawn to the next
# Matplotlib is not made for several threads, and keeps the fonts of each open.
DRAWING = ThreadPoolExecutor(1, "figures")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the date of every file in a bundle


@dataclass(frozen=True)
class Footage:
    """A file that browsers play; it begins at `start` seconds of the clip's own file.

    ours: our decoder made it, so it may be read outside the decoder. sure: it was looked through
    to its end, and browsers play it.
    """

    path: Path
    start: float = 0.0
    ours: bool = False
    sure: bool = True


def likely(path: Path, clip: Clip, folder: Path, limits: Limits = LIMITS) -> Footage:
    """As `watchable`, by the name of the file alone, which takes no time."""
    if perhaps_playable(path):
        return Footage(path, sure=False)
    return copied(path, clip, folder, limits)


def watchable(path: Path, clip: Clip, folder: Path, limits: Limits = LIMITS) -> Footage:
    """The file itself where browsers play it, else a preview of the window, made in folder."""
    return Footage(path) if playable(path, limits) else copied(path, clip, folder, limits)


def copied(path: Path, clip: Clip, folder: Path, limits: Limits = LIMITS) -> Footage:
    """A preview of the window, made in a folder of its own in folder: two may be made at once."""
    copy = Path(tempfile.mkdtemp(dir=folder)) / "preview.mp4"
    preview(path, copy, clip.start, clip.duration, limits)
    return Footage(copy, clip.start, ours=True)


def inline(kind: str, content: bytes | None) -> dict[str, str] | None:
    return None if content is None else {"url": data_url(content, kind)}


def report(analysis: Analysis, footage: Footage, attributions: Sequence[Attribution] = ()) -> str:
    """One HTML file with the viewer inside; the clip too where it is small enough to carry."""
    shown = payload(analysis, analysis.clip.key[:8], footage.start)
    video, kind = footage.path, "video/mp4"
    if video.suffix.lower() == ".webm":
        kind = "video/webm"
    small = video.stat().st_size <= MAX_VIDEO
    scores = [scored(a, analysis, f"a{i}") for i, a in enumerate(attributions)]
    value = {
        "video": inline(kind, video.read_bytes() if small else None),
        "strip": inline("image/jpeg", shown.strip),
        "sound": inline("image/png", shown.sound),
        "tensor": inline("application/octet-stream", shown.tensor),
        "scores": [inline("application/octet-stream", s.content) for s in scores],
        "meta": {**shown.meta, **({"scores": [s.meta for s in scores]} if scores else {})},
    }
    clip, model = analysis.clip, analysis.model.name
    read = ", ".join(NAMES[m] for m in MODALITIES if m in analysis.present)
    head = (
        f'<style>{CSS}</style><div class="fs"><p class="fc-note">{escape(model)} · read {read} · '
        f"{clip.duration:.1f} s · made with FusionScope</p></div>{first_look(analysis)}"
    )
    found = "".join(_reason(a) for a in attributions)
    foot = f'<div class="fs"><p class="fc-note">sha256 of the clip: {clip.key}</p></div>'
    return page(f"{clip.name} · FusionScope", head, found + foot, value)


def _reason(found: Attribution) -> str:
    """What is to be known of one explanation; the time that it took stands in the manifest."""
    title = escape(f"{find(found.method).title}: why {found.target.name}")
    told = facts(replace(found, seconds=0))
    return f'<div class="card"><div class="fs"><b>{title}</b></div>{told}</div>'


def towers(analysis: Analysis) -> dict[str, Array]:
    """The maps inside the towers that are on, and what special tokens took of each row."""
    named = {n: w for n, w in analysis.towers.items() if tower_path(n)[1] in analysis.present}
    return named | {n.replace("tower", "unplaced", 1): analysis.unplaced[n] for n in named}


def files(
    analysis: Analysis,
    arguments: Mapping[str, Any],
    hashes: Mapping[str, str],
    footage: Footage,
    attributions: Sequence[Attribution] = (),
    trusts: Sequence[Trust] = (),
    modalities: ModalityReport | None = None,
    limits: Limits = LIMITS,
) -> dict[str, bytes]:
    """Every file of the export by its relative name; the manifest comes first, and names all.

    trusts: of the attributions; modalities: what each modality did. With the same arguments every
    file but the manifest, which says how long it took, is the same byte for byte. limits: of the
    decoder; what its tick raises ends the export.
    """
    out = {
        "prediction.json": _json(record.prediction(analysis)),
        "predictions.csv": tables.predictions(analysis),
        "axes.json": _json(record.axes(analysis)),
        "attention.npz": npz(dict(analysis.attention)),
        "towers.npz": npz(dict(towers(analysis))),
        "report.html": report(analysis, footage, attributions).encode(),
    }
    if attributions or modalities:
        out["metrics.json"] = _json(record.metrics(analysis, attributions, trusts, modalities))
    if modalities:
        out["modalities.csv"] = tables.modalities(modalities)
    for stem, found in zip(stems(attributions), attributions, strict=True):
        out[f"attribution.{stem}.npz"] = npz(arrays(found, analysis.clip))
        out[f"attribution.{stem}.csv"] = tables.attribution(found, analysis.clip)
    halt = Event()
    still = DRAWING.submit(_figures, analysis, attributions, trusts, modalities, halt)
    try:
        films = dict(_films(analysis, footage, attributions, limits))  # leaves Python free to draw
        while not wait([still], LOOK).done:
            limits.tick()
        out |= films | still.result()
    finally:
        halt.set()
        still.cancel()
    made = record.manifest(analysis, arguments, hashes, attributions, trusts)
    made["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in out.items()}
    return {"manifest.json": _json(made), **out}


def _figures(
    analysis: Analysis,
    attributions: Sequence[Attribution],
    trusts: Sequence[Trust],
    modalities: ModalityReport | None,
    halt: Event,
) -> dict[str, bytes]:
    """All still figures, until told to halt."""
    out: dict[str, bytes] = {}
    named = dict(zip(stems(attributions), attributions, strict=True))
    for name, figure in chain(why_figures(analysis, named, trusts, modalities), figures(analysis)):
        if halt.is_set():
            break
        made = drawn(noted(figure, analysis.clip.notices))
        out |= {f"figures/{name}.{kind}": content for kind, content in made.items()}
    return out


def _films(
    analysis: Analysis, footage: Footage, attributions: Sequence[Attribution], limits: Limits
) -> Iterator[tuple[str, bytes]]:
    """The clip with each attribution laid over it; without any, with the last layer's attention."""
    clip = analysis.clip
    names = stems(attributions) or ["attention"]
    layers = [of_attribution(a) for a in attributions] or [of_attention(analysis)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = footage if footage.ours else copied(footage.path, clip, folder, limits)
        for stem, layer in zip(names, layers, strict=True):
            overlay(ours.path, clip, layer, folder / "film.mp4", ours.start, limits.tick)
            yield f"overlay.{stem}.mp4", (folder / "film.mp4").read_bytes()


def bundle(contents: Mapping[str, bytes], target: Path) -> Path:
    """The files of an export as one zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)
    return target


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
