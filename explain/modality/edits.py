"""Changes to a clip, each a new clip that a model reads as if it were the file.

Spans are seconds of the file; a box is left, top, right and bottom as parts of the picture's width
and height; words count from 1. EditError says what cannot be done.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from core_models.clip import Clip, Modality, Word
from core_models.describer import resample
from explain.analysis import SAID, WHAT

Box = tuple[float, float, float, float]
GREY = 128  # of 255: what is shown where the picture is blanked
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
SLACK = 1e-3  # seconds by which a span may stand out, as a rounded figure on screen does


class EditError(ValueError):
    """A change that cannot be made; the message says why."""


@dataclass(frozen=True, eq=False)
class Edit:
    """A changed clip. said: what was done, in one sentence; modality: the one that was changed."""

    said: str
    modality: Modality
    clip: Clip


def silence(clip: Clip, start: float | None = None, end: float | None = None) -> Edit:
    """No sound from start to end; by default in the whole clip."""
    has(clip, "audio")
    first, last = span(clip, start, end)
    a, b = (round((t - clip.start) * clip.rate) for t in (first, last))
    if not len(clip.waveform[a:b]):
        raise EditError(f"There is no sound from {seconds(first, last)}; choose another span.")
    wave = clip.waveform.copy()
    wave[a:b] = 0
    when = "" if start is None and end is None else f" from {seconds(first, last)}"
    return _edit(f"The sound is silenced{when}.", "audio", replace(clip, waveform=wave))


def blank(
    clip: Clip, box: Box | None = None, start: float | None = None, end: float | None = None
) -> Edit:
    """Grey in place of the box, by default of the whole picture, in the frames of a span."""
    has(clip, "video")
    first, last = span(clip, start, end)
    inside = (clip.times >= first - SLACK) & (clip.times <= last + SLACK)  # (T,)
    if not inside.any():
        times = ", ".join(f"{t:.1f}" for t in clip.times[:12])
        raise EditError(
            f"No frame that the model looks at lies from {seconds(first, last)}; they lie at "
            f"{times} s."
        )
    rows, columns = _area(clip, WHOLE if box is None else box)
    frames = clip.frames.copy()
    frames[np.flatnonzero(inside), rows, columns] = GREY
    what = "The picture is" if box is None else f"A box of the picture ({_percents(box)}) is"
    when = "" if start is None and end is None else f" from {seconds(first, last)}"
    return _edit(f"{what} blanked{when}.", "video", replace(clip, frames=frames))


def leave_out(clip: Clip, words: Collection[int]) -> Edit:
    """Without some of its words."""
    has(clip, "text")
    count = len(clip.words)
    for i in words:
        if not 1 <= i <= count:
            raise EditError(f"The text has the words 1 to {count}; {i} is not among them.")
    if not words:
        raise EditError("No word is marked; mark those to leave out.")
    kept = tuple(word for i, word in enumerate(clip.words, 1) if i not in words)
    if not kept:
        raise EditError("No word would be left; switch the text off instead.")
    gone = " ".join(clip.words[i - 1].text for i in sorted(set(words)))
    verb = "is" if len(set(words)) == 1 else "are"
    return _edit(f"“{gone}” {verb} left out of the text.", "text", replace(clip, words=kept))


def reword(clip: Clip, text: str) -> Edit:
    """Another text; as many words keep the times of those before them."""
    has(clip, "text")
    said = text.split()
    if not said:
        raise EditError("No word would be left; type a text, or switch the text off instead.")
    old = clip.words if len(said) == len(clip.words) else (Word(""),) * len(said)
    words = tuple(replace(word, text=new) for word, new in zip(old, said, strict=True))
    changed = replace(clip, words=words, text_source="typed")
    return _edit(f"The text is “{' '.join(said)}”.", "text", changed)


def swap(clip: Clip, modality: Modality, other: Clip) -> Edit:
    """One modality is that of another clip, laid over the time of this one.

    Frames keep their order and relative times; the sound is cut, or followed by silence, where it
    is longer or shorter.
    """
    has(clip, modality)
    if modality not in other.modalities:
        raise EditError(f"“{other.name}” has no {_bare(modality)}; choose another clip.")
    said = f"{_upper(SAID[modality])} is that of “{other.name}”"
    if modality == "video":
        at = (other.times - other.start) / max(other.duration, 1e-6)  # (T,)
        times = clip.start + at * clip.duration
        changed = replace(clip, frames=other.frames, times=times, size=other.size)
        return _edit(f"{said}.", "video", changed)
    if modality == "audio":
        wave, fit = _fitted(resample(other, clip.rate), len(clip.waveform))
        return _edit(f"{said}{fit}.", "audio", replace(clip, waveform=wave))
    words = tuple(Word(word.text) for word in other.words)
    text = " ".join(word.text for word in words)
    changed = replace(clip, words=words, text_source=other.text_source)
    return _edit(f"{said}: “{text}”.", "text", changed)


def span(clip: Clip, start: float | None, end: float | None) -> tuple[float, float]:
    """The span itself, where it lies in the clip and is longer than nothing."""
    begin, stop = clip.start, clip.start + clip.duration
    first, last = begin if start is None else start, stop if end is None else end
    if not first < last:
        raise EditError(f"The span from {seconds(first, last)} is empty; let it end later.")
    if not begin - SLACK <= first < last <= stop + SLACK:
        raise EditError(
            f"The clip was read from {seconds(begin, stop)}; the span from {seconds(first, last)} "
            "is not inside it."
        )
    return max(first, begin), min(last, stop)


def has(clip: Clip, modality: Modality) -> None:
    """EditError where the clip has nothing to change."""
    if modality not in clip.modalities:
        raise EditError(f"The clip has no {_bare(modality)} to change; choose something it has.")


def seconds(first: float, last: float) -> str:
    """``0.5 to 1.2 s``."""
    return f"{round(first, 2):g} to {round(last, 2):g} s"


def _area(clip: Clip, box: Box) -> tuple[slice, slice]:
    """The pixels of a box: rows and columns."""
    left, top, right, bottom = box
    if not all(0 <= x <= 1 for x in box):
        raise EditError(
            "A box lies inside the picture: left, top, right and bottom are parts of it, 0 to 1."
        )
    height, width = clip.frames.shape[1:3]
    rows = slice(round(top * height), round(bottom * height))
    columns = slice(round(left * width), round(right * width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        raise EditError("The box is empty; draw it from its left top to its right bottom.")
    return rows, columns


def _fitted(wave: NDArray[np.float32], samples: int) -> tuple[NDArray[np.float32], str]:
    """A sound of so many samples, and what had to be done for it."""
    short = samples - len(wave)
    if short > 0:
        return np.pad(wave, (0, short)), ", then silence"
    return wave[:samples], ", cut to the length of this clip" if short else ""


def _edit(said: str, modality: Modality, clip: Clip) -> Edit:
    return Edit(said, modality, replace(clip, notices=(*clip.notices, said)))


def _percents(box: Box) -> str:
    left, top, right, bottom = (f"{x:.0%}".rstrip("%") for x in box)
    return f"{left}–{right}% across, {top}–{bottom}% down"


def _bare(modality: Modality) -> str:
    return WHAT[modality].removeprefix("a ")


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]
