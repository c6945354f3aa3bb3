"""A run in plain values, ready for JSON: what was answered, where things lie, and why."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np

from core_models.layout import WordGrid
from explain.analysis import Analysis
from explain.attribution import Attribution
from explain.modality.report import ModalityReport
from explain.question import Question
from explain.trust import Trust
from explain.viewer.payload import words

PACKAGES = ("torch", "timm", "transformers", "captum", "av", "numpy", "matplotlib")


def prediction(analysis: Analysis) -> dict[str, Any]:
    """The answer and what it rests on."""
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


def stems(attributions: Sequence[Attribution]) -> list[str]:
    """What the files of each are called: the method, and a number where it was asked again."""
    names = [found.method for found in attributions]
    before = [names[:i].count(name) for i, name in enumerate(names)]
    return [f"{name}.{n + 1}" if n else name for name, n in zip(names, before, strict=True)]


def metrics(
    analysis: Analysis,
    attributions: Sequence[Attribution] = (),
    trusts: Sequence[Trust] = (),
    report: ModalityReport | None = None,
) -> dict[str, Any]:
    """What each method found, in numbers, and how far it can be trusted; what each modality did.

    trusts: of some of the attributions.
    """
    out: dict[str, Any] = {}
    for stem, found in zip(stems(attributions), attributions, strict=True):
        out[stem] = measured(found, analysis)
        for tested in trusts:
            if tested.attribution is found:
                said = tested.to_dict()
                out[stem]["trust"] = {k: v for k, v in said.items() if k != "seconds"}
    return {"methods": out, "modalities": None if report is None else report.to_dict()}


def measured(found: Attribution, analysis: Analysis) -> dict[str, Any]:
    """value: the target's score of this clip; change: less that of nothing, where the scores are
    to sum to it; residual: what their sum has too much. nets: sums of scores; shares: of |scores|.
    """
    return {
        "method": found.method,
        "target": {"name": found.target.name, "asked": found.target.asked},
        "value": Question(analysis, found.target).value,
        "level": found.level,
        "signed": found.signed,
        "settings": dict(found.settings),
        "change": found.change,
        "residual": found.residual,
        "shares": found.shares,
        "nets": found.nets,
        "loose": dict(found.loose),
        "notices": [
            *found.notices,
            *([f"{found.method} found nothing: every score is 0."] if found.blank else []),
        ],
    }


def manifest(
    analysis: Analysis,
    arguments: Mapping[str, Any],
    hashes: Mapping[str, str],
    attributions: Sequence[Attribution] = (),
    trusts: Sequence[Trust] = (),
) -> dict[str, Any]:
    """What is needed to do it again, and how long it took, which stands in no other file.

    The analysis itself has no random step; what has one names its seed.
    """
    device = next(iter(analysis.tokens.values.values())).device
    names = stems(attributions)
    return {
        "fusionscope": 1,
        "arguments": dict(arguments),
        "explanations": [
            {
                "method": a.method,
                "target": a.target.asked,
                "settings": dict(a.settings),
                "tests": next((t.tests for t in trusts if t.attribution is a), "none"),
            }
            for a in attributions
        ],
        "seeds": {
            name: a.settings["seed"]
            for name, a in zip(names, attributions, strict=True)
            if "seed" in a.settings
        },
        "clip_sha256": analysis.clip.key,
        "weights_sha256": dict(hashes),
        "versions": {"python": platform.python_version(), **{p: version(p) for p in PACKAGES}},
        "device": str(device),
        "seconds": {
            "analysis": analysis.seconds,
            "methods": {n: a.seconds for n, a in zip(names, attributions, strict=True)},
            "trust": {t.attribution.method: dict(t.seconds) for t in trusts},
        },
    }
