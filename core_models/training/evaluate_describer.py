"""What the sound describer gets right: verdicts on held-out sounds, and the tables of its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from core_models.describer import (
    PHRASES,
    UNCLEAR,
    Description,
    Tagger,
    interpret,
    listen,
)
from core_models.encoders import SoundTower
from core_models.prepare import SILENCE
from core_models.training.heard import LABELS
from core_models.training.sounds import waveform

VERDICTS = ("right", "partly", "unclear", "wrong")
THRESHOLDS = (0.5, 0.65, 0.8)


@dataclass(frozen=True, eq=False)
class Example:
    """A whole sound: its windows' features (M, 2 d), and what is heard in it (classes,)."""

    key: str
    kind: str
    fold: int
    pooled: Tensor
    truth: Tensor


def named(said: Description) -> set[str]:
    """The classes that a phrase names."""
    return {label for label, words in PHRASES.items() if words in said.text}


def verdict(said: Description, truth: Tensor) -> str:
    """right: all that is heard and nothing else; partly: something that is; wrong: nothing."""
    names = named(said)
    heard = {label for label, value in zip(LABELS, truth, strict=True) if value == 1}
    false = {label for label in names if truth[LABELS.index(label)] == 0}
    if not names:
        return "unclear" if heard else "right"
    if heard <= names and not false:
        return "right"
    return "partly" if heard & names else "wrong"


def calibration_error(chances: Sequence[float], true: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: the mean gap of confidence and share of truth (Guo et al. 2017,
    arXiv:1706.04599).
    """
    p, hit = np.asarray(chances), np.asarray(true, float)
    place = np.minimum((p * bins).astype(int), bins - 1)
    groups = [place == b for b in range(bins) if (place == b).any()]
    return float(sum(g.mean() * abs(p[g].mean() - hit[g].mean()) for g in groups))


Said = Sequence[tuple[Example, Description]]
Judges = Sequence[tuple[Example, Tagger]]


def say(judges: Judges, threshold: float | None = None) -> Said:
    """What each tagger says of its example, at another threshold where one is given."""
    said = []
    for example, tagger in judges:
        config = tagger.config
        tagger.config = replace(config, threshold=threshold or config.threshold)
        said.append((example, interpret(tagger, example.pooled)))
        tagger.config = config
    return said


def sweep(known: Judges, strange: Judges) -> str:
    """Where to set the threshold: known sounds, and those of a class that was never heard."""
    lines = [
        "| threshold | right | partly | unclear | wrong | never heard: unclear |",
        "|---|---|---|---|---|---|",
    ]
    for threshold in THRESHOLDS:
        found = [verdict(d, e.truth) for e, d in say(known, threshold)]
        shares = [found.count(v) / len(found) for v in VERDICTS]
        shares.append(float(np.mean([d.text == UNCLEAR for _, d in say(strange, threshold)])))
        lines.append(f"| {threshold} | " + " | ".join(f"{x:.1%}" for x in shares) + " |")
    return "\n".join(lines)


def tables(said: Said) -> str:
    """Verdicts by kind of sound, and how far the confidence can be believed."""
    lines = ["| sound | files | right | partly | unclear | wrong |", "|---|---|---|---|---|---|"]
    for kind in sorted({e.kind for e, _ in said}):
        found = [verdict(d, e.truth) for e, d in said if e.kind == kind]
        counts = [found.count(v) for v in VERDICTS]
        lines.append(f"| {kind} | {len(found)} | " + " | ".join(map(str, counts)) + " |")
    esc = [(e, d) for e, d in said if e.key.startswith("esc10")]
    top = np.mean([e.truth[LABELS.index(d.tags[0][0])] == 1 for e, d in esc])
    sure = [(e, d) for e, d in said if d.text != UNCLEAR]
    kept = [all(e.truth[LABELS.index(n)] != 0 for n in named(d)) for e, d in sure]
    error = calibration_error([d.confidence for _, d in sure], kept)
    return "\n".join(
        [
            *lines,
            f"ESC-10, surest class: {top:.1%} of {len(esc)}",
            f"phrases that name nothing false: {np.mean(kept):.1%} of {len(kept)}, at a mean "
            f"confidence of {np.mean([d.confidence for _, d in sure]):.1%}; "
            f"expected calibration error {error:.3f}",
        ]
    )


def of_clips(folder: Path, tower: SoundTower, last: Tagger, said: Said) -> str:
    """A phrase for each labelled clip: of a tagger that did not learn from it."""
    known = {e.key.removeprefix("clips/"): d for e, d in said if e.key.startswith("clips/")}
    lines = ["| clip | phrase | confidence |", "|---|---|---|"]
    for path in sorted(p for p in folder.iterdir() if p.suffix != ".csv"):
        wave = waveform(path, tower.rate)
        if np.abs(wave).max(initial=0) <= SILENCE:
            lines.append(f"| {path.name} | no sound | |")
            continue
        d = known.get(path.name) or interpret(last, listen(wave, tower, last))
        lines.append(f"| {path.name} | {d.text} | {d.confidence:.2f} |")
    return "\n".join(lines)
