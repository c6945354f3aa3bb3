"""One look at one clip: computed once, and everything else reuses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_models.clip import Clip, Modality, Word
from core_models.interface import (
    Caption,
    Captioner,
    Decoding,
    FusionModel,
    Inputs,
    Model,
    Output,
    Tokens,
    presence,
)
from core_models.layout import Layout
from core_models.reference import OUTSIDE, Closeness, Place, closeness, familiarity, joint
from core_models.trace import Trace
from explain.attention.streams import crossings, kept
from explain.attention.towers import Gist, reduced

Array = NDArray[np.float32]


SAID: Mapping[Modality, str] = {
    "video": "the picture",
    "audio": "the sound",
    "text": "the text",
}
NEAR = Place(0.0, 0.0)
SILENT = Caption("", (), (), ())  # before a caption is written
WHAT = {"video": "a picture", "audio": "sound", "text": "text"}
GIVE = {
    "video": "choose a clip with a video track.",
    "audio": "choose a clip with a sound track.",
    "text": "type some text.",
}


def on() -> None:
    """A tick that never stops."""


class NothingToReadError(ValueError):
    """What the model cannot do without is switched off or missing."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """What a model answered for a clip, and the attention on the way to it.

    model: of a captioner, the model that reads this caption; its labels are the words.
    probabilities: (C,); votes: (C,) probabilities per pair that had a side to vote with.
    attention: (heads, Q, K) per recorded map, rows summing to 1, over present tokens.
    cuts: per path between two streams, the change of `chance` when it is cut.
    familiar, close: the place of the clip among held-out ones, where the model has such a
    reference: how far it lies from what the model knows, how near its modalities to each other.
    towers: (heads, Q, K) per layer of a tower, rows summing to 1, on cells; of all that the clip
    has. unplaced: (heads, Q) per layer of a tower, the share that special tokens took.
    """

    model: FusionModel
    inputs: Inputs
    tokens: Tokens
    layout: Layout
    present: tuple[Modality, ...]
    probabilities: Array
    votes: Mapping[str, Array]
    attention: Mapping[str, Array]
    cuts: Mapping[str, float]
    seconds: float
    towers: Mapping[str, Array] = field(default_factory=dict)
    unplaced: Mapping[str, Array] = field(default_factory=dict)
    captioner: Captioner | None = None
    caption: Caption | None = None
    decoding: Decoding = Decoding()
    familiar: Mapping[Modality, Place] = field(default_factory=dict)
    close: Mapping[str, Closeness] = field(default_factory=dict)

    @property
    def clip(self) -> Clip:
        return self.inputs.clip

    @property
    def top(self) -> tuple[tuple[str, float], ...]:
        """Every label with its probability, the most probable first; of a caption, nothing."""
        if self.caption is not None:
            return ()
        order = np.argsort(-self.probabilities, kind="stable")
        return tuple((self.model.labels[i], float(self.probabilities[i])) for i in order)

    @property
    def answer(self) -> str:
        """The top label, or the caption."""
        return self.top[0][0] if self.caption is None else self.caption.text

    @property
    def notices(self) -> tuple[str, ...]:
        """All that was missing, cut or assumed, in plain sentences."""
        off = [m for m in self.inputs.values if m not in self.present]
        said = {m: words.capitalize() for m, words in SAID.items()}
        switched = tuple(f"{said[m]} is switched off for this run." for m in off)
        reads = self.model.modalities
        spoken = ("audio",) if self.clip.text_source == "generated" else ()  # read as words
        unread = [
            f"{said[m]} is not read by this model."
            for m in self.clip.modalities
            if m not in (*reads, *spoken)
        ]
        if "text" in reads and "text" not in self.inputs.values:
            unread.append("No text was given: the model read none.")
        return (*self.clip.notices, *self.inputs.notices, *unread, *switched, *self._outside())

    def _outside(self) -> tuple[str, ...]:
        """What of the clip lies farther out than nearly all that the model was tried on."""
        far = [said for m, said in SAID.items() if self.familiar.get(m, NEAR).rank >= OUTSIDE]
        if not far:
            return ()
        what = " and ".join(far)
        what = what[0].upper() + what[1:]
        verb = "lie" if len(far) > 1 else "lies"
        return (
            f"{what} of this clip {verb} outside what this model knows, farther out than "
            f"{OUTSIDE:.0%} of held-out clips: do not rely on the answer.",
        )


def analyse(
    model: Model,
    clip: Clip,
    present: Collection[Modality] | None = None,
    decoding: Decoding = Decoding(),
    tick: Callable[[], None] = on,
) -> Analysis:
    """Encode the clip once and fuse what may be used; None: all that the clip has.

    tick: called between the steps, at every layer of a tower and at every word; it may raise.
    """
    begin = time.perf_counter()
    with torch.no_grad():
        inputs = model.prepare(clip)
        tick()
        for m in model.needs:
            if m not in inputs.values:
                raise NothingToReadError(f"{model.name} cannot answer without {WHAT[m]}; {GIVE[m]}")
        trace = Gist(tick)
        tokens = model.encode(inputs, record=trace)
        tick()
        reference, here = getattr(model, "reference", None), joint(model, tokens)
        captioner = None
        if isinstance(model, Captioner):
            captioner, model = model, model.given(SILENT)
    layout, none = model.layout(inputs), np.zeros(0, np.float32)
    towers, unplaced = reduced(trace, layout)
    blank = Analysis(
        model, inputs, tokens, layout, (), none, {}, {}, {}, 0.0,
        towers, unplaced, captioner, None, decoding,
        familiarity(reference, here) if reference else {},
        closeness(reference, here) if reference else {},
    )  # fmt: skip
    return replace(toggle(blank, present, tick), seconds=time.perf_counter() - begin)


def toggle(
    analysis: Analysis, present: Collection[Modality] | None, tick: Callable[[], None] = on
) -> Analysis:
    """The same clip with other modalities present: the fusion alone runs again.

    A captioner writes a new caption.
    """
    begin = time.perf_counter()
    tokens = analysis.tokens
    there = tuple(m for m in analysis.model.modalities if m in analysis.inputs.values)
    used = there if present is None else tuple(m for m in there if m in present)
    if not used:
        raise NothingToReadError(
            "Nothing is left for the model to read; switch on a modality that the clip has."
        )
    with torch.no_grad():
        rows, trace = presence(tokens, [used]), Trace()
        if analysis.captioner is not None and used != analysis.present:
            analysis, output = _captioned(analysis, analysis.captioner, rows, trace, tick)
        else:
            output = analysis.model.fuse(tokens, rows, record=trace)
        model = analysis.model
        attention = kept(trace, used)
        top = int(output.logits[0].argmax())
        base = chance(output, top)
        cuts = {}
        for name in crossings(attention, used):
            tick()
            cuts[name] = chance(model.fuse(tokens, rows, cut=(name,)), top) - base
    votes = {
        pair: vote.softmax(-1)[0].float().cpu().numpy()
        for pair, vote in output.votes.items()
        if bool(vote.isfinite().all())
    }
    return replace(
        analysis,
        present=used,
        probabilities=output.probabilities[0].float().cpu().numpy(),
        votes=votes,
        attention=attention,
        cuts=cuts,
        seconds=time.perf_counter() - begin,
    )


def _captioned(
    analysis: Analysis,
    captioner: Captioner,
    rows: Tensor,
    record: Trace,
    tick: Callable[[], None],
) -> tuple[Analysis, Output]:
    """With the caption that is written from what is present, and what is said of its words."""

    def stop() -> bool:
        tick()
        return False

    caption = captioner.generate(analysis.tokens, rows, analysis.decoding, stop, record)
    model = captioner.given(caption)
    layout = model.layout(analysis.inputs)
    return replace(analysis, model=model, caption=caption, layout=layout), caption.output


def captioned(model: Model, clip: Clip, tick: Callable[[], None] = on) -> Clip:
    """The clip with what a captioner says of it in place of its text."""
    if not isinstance(model, Captioner):
        raise NothingToReadError(f"{model.name} writes no captions; name a captioner.")
    caption = analyse(model, clip, tick=tick).answer
    notice = f"The text is a caption that {model.name} wrote: “{caption}”."
    words = tuple(Word(word) for word in caption.split())
    return replace(clip, words=words, text_source="generated", notices=(*clip.notices, notice))


def chance(output: Output, label: int) -> float:
    """The probability of a label; of a caption, the (geometric) mean over its words."""
    if output.independent:
        return float(output.logits[0].mean().exp())
    return float(output.probabilities[0, label])


def reread(analysis: Analysis, present: Collection[Modality]) -> Array:
    """The probabilities of the labels, or of the words of the caption as it is, when only the
    given modalities are present: (C,).
    """
    with torch.no_grad():
        rows = presence(analysis.tokens, [present])
        return analysis.model.fuse(analysis.tokens, rows).probabilities[0].float().cpu().numpy()


def tower_path(name: str) -> tuple[int, Modality]:
    """``tower.<modality>.<layer>`` taken apart."""
    _, modality, layer = name.split(".")
    return int(layer), cast(Modality, modality)
