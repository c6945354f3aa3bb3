"""What can be asked under "What if": a change of the clip, or a path that is cut."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from core_models.clip import Clip, Modality
from core_models.media import LIMITS, Limits, load_clip
from explain.analysis import Analysis, NothingToReadError
from explain.modality import edits
from explain.modality.edits import Edit, EditError
from explain.modality.interventions import Effect, cut, effect
from explain.modality.pathways import PathError, Pathway, known, pathways, single
from explain.question import Question

SOUND, PICTURE, OUT, OTHER = "silence", "blank", "leave out", "reword"
SWAP, CUT = "swap", "cut"
NAMES: dict[str, str] = {
    SOUND: "Silence the sound",
    PICTURE: "Blank the picture",
    OUT: "Leave words out",
    OTHER: "Use other words",
    SWAP: "Swap with another clip",
    CUT: "Cut a path",
}


@dataclass(frozen=True)
class Wish:
    """What was set in the form, in the order of its fields; box: in percent."""

    what: str
    start: float | None = None
    end: float | None = None
    left: float = 0
    top: float = 0
    right: float = 100
    bottom: float = 100
    words: tuple[int, ...] | list[int] = ()
    text: str = ""
    other: str | None = None
    which: Modality | None = None
    path: str | None = None


def offered(analysis: Analysis) -> list[str]:
    """What can be done to what the model reads in this run."""
    on = analysis.present
    out = [SOUND] if "audio" in on else []
    out += [PICTURE] if "video" in on else []
    out += [OUT, OTHER] if "text" in on else []
    return [*out, SWAP, *([CUT] if paths(analysis) else [])]


def paths(analysis: Analysis) -> list[tuple[str, str]]:
    """Paths to cut: those of all layers together, then each layer's."""
    ways = [(f"All layers: {way.said}", way.name) for way in pathways(analysis)]
    return ways + [(_layer(single(analysis, name)), name) for name in known(analysis)]


def _layer(way: Pathway) -> str:
    what, where = way.said.rsplit(" in ", 1)
    return f"{where[0].upper()}{where[1:]}: {what}"


def way(analysis: Analysis, name: str | None) -> Pathway:
    """The path, or paths, of this name."""
    if not name:
        raise PathError("No path is chosen; choose one to cut.")
    return next((w for w in pathways(analysis) if w.name == name), None) or single(analysis, name)


def edit(analysis: Analysis, wish: Wish, limits: Limits = LIMITS) -> Edit:
    """The changed clip."""
    clip, span = analysis.clip, (wish.start, wish.end)
    if wish.what == SOUND:
        return edits.silence(clip, *span)
    if wish.what == PICTURE:
        left, top, right, bottom = wish.left, wish.top, wish.right, wish.bottom
        box = (left / 100, top / 100, right / 100, bottom / 100)
        return edits.blank(clip, None if box == edits.WHOLE else box, *span)
    if wish.what == OUT:
        return edits.leave_out(clip, wish.words)
    if wish.what == OTHER:
        return edits.reword(clip, wish.text)
    if not wish.other:
        raise EditError("Choose another clip first; then what to take from it.")
    if wish.which not in analysis.present:
        raise EditError("Choose what to take from the other clip.")
    return edits.swap(clip, wish.which, _other(analysis, wish.other, wish.which, limits))


def _other(analysis: Analysis, path: str, which: Modality, limits: Limits) -> Clip:
    """Another clip, with the words that the model would make of its sound, if it does."""
    clip = load_clip(path, frames=analysis.model.frames, limits=limits)
    if which == "text" and not clip.words and "audio" not in analysis.model.modalities:
        try:
            return analysis.model.prepare(clip).clip
        except NothingToReadError:
            return clip
    return clip


def found(question: Question, wish: Wish) -> Iterator[Effect]:
    """What becomes of the target; the one result of the work."""
    question.tick()
    if wish.what == CUT:
        yield cut(question, way(question.analysis, wish.path))
    else:
        limits = replace(LIMITS, tick=question.tick)  # another clip may have to be read
        yield effect(question, edit(question.analysis, wish, limits))
