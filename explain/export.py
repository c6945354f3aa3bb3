"""A run as files: prediction, attention, figures, report, and the manifest to replay it."""

from __future__ import annotations

import json
import platform
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from html import escape
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np

from core_models.clip import MODALITIES, Clip
from core_models.layout import WordGrid
from core_models.media import playable, preview
from explain.analysis import Analysis, Array, tower_path
from explain.maps import NAMES
from explain.render.cards import CSS, first_look
from explain.render.figures import figures
from explain.viewer.payload import payload, words
from explain.viewer.standalone import data_url, page

PACKAGES = ("torch", "timm", "transformers", "av", "numpy", "matplotlib")
MAX_VIDEO = 12_000_000  # bytes of a clip that a report carries inside


@dataclass(frozen=True)
class Footage:
    """A file that browsers play; it begins at `start` seconds of the clip's own file."""

    path: Path
    start: float = 0.0


def watchable(path: Path, clip: Clip, folder: Path) -> Footage:
    """The file itself where browsers play it, else a preview of the window, made in folder."""
    if playable(path):
        return Footage(path)
    copy = folder / "preview.mp4"
    preview(path, copy, start=clip.start, length=clip.duration)
    return Footage(copy, clip.start)


def prediction(analysis: Analysis) -> dict[str, Any]:
    """The answer and what it rests on, ready for JSON."""
    clip = analysis.clip
    labels = analysis.model.labels
    return {
        "model": analysis.model.name,
        "clip": {
            "name": clip.name,
            "sha256": clip.key,
            "duration_s": clip.duration,
            "start_s": clip.start,
            "frame_times": clip.times.tolist(),
            "audio": bool(len(clip.waveform)),
            "words": [w.text for w in words(analysis)],
            "text_source": clip.text_source,
        },
        "present": list(analysis.present),
        **_answer(analysis),
        "pairs": {
            pair: dict(zip(labels, vote.tolist(), strict=True))
            for pair, vote in analysis.votes.items()
        },
        "cuts": dict(analysis.cuts),
        "familiar": {m: asdict(place) for m, place in analysis.familiar.items()},
        "alignment": {pair: asdict(close) for pair, close in analysis.close.items()},
        "notices": list(analysis.notices),
    }


def _answer(analysis: Analysis) -> dict[str, Any]:
    """The categories, or the caption with the beams that were considered."""
    said = analysis.caption
    if said is None:
        return {
            "top": [{"label": label, "probability": p} for label, p in analysis.top[:5]],
            "probabilities": dict(analysis.top),
        }
    return {
        "caption": {
            "text": said.text,
            "words": [{"word": w.text, "probability": w.probability} for w in said.words],
            "beams": [asdict(beam) for beam in said.beams],
        },
        "decoding": asdict(analysis.decoding),
    }


def axes(analysis: Analysis) -> dict[str, Any]:
    """The place of every token: frame times and cells, edges in seconds, words."""
    return {
        m: {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in vars(grid).items()}
        for m, grid in analysis.layout.items()
        if not isinstance(grid, WordGrid)
    } | {
        m: {"words": [asdict(w) for w in grid.words], "owner": grid.owner.tolist()}
        for m, grid in analysis.layout.items()
        if isinstance(grid, WordGrid)
    }


def manifest(analysis: Analysis, arguments: Mapping[str, Any], hashes: Mapping[str, str]) -> Any:
    """What is needed to do it again. No step of a run is random: the seed is null."""
    device = next(iter(analysis.tokens.values.values())).device
    return {
        "fusionscope": 1,
        "arguments": dict(arguments),
        "clip_sha256": analysis.clip.key,
        "weights_sha256": dict(hashes),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
        "device": str(device),
        "seed": None,
        "seconds": analysis.seconds,
    }


def inline(kind: str, content: bytes | None) -> dict[str, str] | None:
    return None if content is None else {"url": data_url(content, kind)}


def report(analysis: Analysis, footage: Footage) -> str:
    """One HTML file with the viewer inside; the clip too where it is small enough to carry."""
    shown = payload(analysis, analysis.clip.key[:8], footage.start)
    video, kind = footage.path, "video/mp4"
    if video.suffix.lower() == ".webm":
        kind = "video/webm"
    small = video.stat().st_size <= MAX_VIDEO
    value = {
        "video": inline(kind, video.read_bytes() if small else None),
        "strip": inline("image/jpeg", shown.strip),
        "sound": inline("image/png", shown.sound),
        "tensor": inline("application/octet-stream", shown.tensor),
        "meta": shown.meta,
    }
    clip, model = analysis.clip, analysis.model.name
    read = ", ".join(NAMES[m] for m in MODALITIES if m in analysis.present)
    head = (
        f'<style>{CSS}</style><div class="fs"><p class="fc-note">{escape(model)} · read {read} · '
        f"{clip.duration:.1f} s · made with FusionScope</p></div>{first_look(analysis)}"
    )
    foot = f'<div class="fs"><p class="fc-note">sha256 of the clip: {clip.key}</p></div>'
    return page(f"{clip.name} · FusionScope", head, foot, value)


def towers(analysis: Analysis) -> dict[str, Array]:
    """The maps inside the towers that are on, and what special tokens took of each row."""
    named = {n: w for n, w in analysis.towers.items() if tower_path(n)[1] in analysis.present}
    return named | {n.replace("tower", "unplaced", 1): analysis.unplaced[n] for n in named}


def files(
    analysis: Analysis,
    arguments: Mapping[str, Any],
    hashes: Mapping[str, str],
    footage: Footage,
) -> dict[str, bytes]:
    """Every file of the export by its relative name."""
    out = {
        "prediction.json": _json(prediction(analysis)),
        "manifest.json": _json(manifest(analysis, arguments, hashes)),
        "axes.json": _json(axes(analysis)),
        "report.html": report(analysis, footage).encode(),
    }
    for name, held in (("attention", analysis.attention), ("towers", towers(analysis))):
        arrays = BytesIO()
        np.savez_compressed(arrays, **cast(dict[str, Any], held))
        out[f"{name}.npz"] = arrays.getvalue()
    for name, figure in figures(analysis):
        for kind in ("png", "svg"):
            drawn = BytesIO()
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(drawn, format=kind, dpi=200, metadata=metadata)
            out[f"figures/{name}.{kind}"] = drawn.getvalue()
    return out


def write(contents: Mapping[str, bytes], folder: Path) -> None:
    """The files of an export into a folder."""
    for name, content in contents.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def bundle(contents: Mapping[str, bytes], target: Path) -> Path:
    """The files of an export as one zip."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return target


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
