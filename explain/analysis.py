"""One look at one clip: computed once, and everything else reuses it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from core_models.clip import Clip, Modality
from core_models.interface import FusionModel, Inputs, Output, Tokens, presence
from core_models.layout import Layout
from core_models.trace import Trace
from explain.towers import Gist, reduced

Array = NDArray[np.float32]


class NothingToReadError(ValueError):
    """Every modality of the clip is switched off or missing."""


@dataclass(frozen=True, eq=False)
class Analysis:
    """What a model answered for a clip, and the attention on the way to it.

    probabilities: (C,); votes: (C,) probabilities per pair that had a side to vote with.
    attention: (heads, Q, K) per map of the fusion, rows summing to 1, over present tokens.
    cuts: per map, the change of the top class's probability when that path is cut.
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

    @property
    def clip(self) -> Clip:
        return self.inputs.clip

    @property
    def top(self) -> tuple[tuple[str, float], ...]:
        """Every label with its probability, the most probable first."""
        order = np.argsort(-self.probabilities, kind="stable")
        return tuple((self.model.labels[i], float(self.probabilities[i])) for i in order)

    @property
    def notices(self) -> tuple[str, ...]:
        """All that was missing, cut or assumed, in plain sentences."""
        off = [m for m in self.inputs.values if m not in self.present]
        said = {"video": "The picture", "audio": "The sound", "text": "The text"}
        switched = tuple(f"{said[m]} is switched off for this run." for m in off)
        reads = self.model.modalities
        unread = [
            f"{said[m]} is not read by this model." for m in self.clip.modalities if m not in reads
        ]
        if "text" in reads and "text" not in self.inputs.values:
            unread.append("No text was given: the model read none.")
        return (*self.clip.notices, *self.inputs.notices, *unread, *switched)


def analyse(
    model: FusionModel, clip: Clip, present: Collection[Modality] | None = None
) -> Analysis:
    """Encode the clip once and fuse what may be used; None: all that the clip has."""
    begin = time.perf_counter()
    with torch.no_grad():
        inputs = model.prepare(clip)
        trace = Gist()
        tokens = model.encode(inputs, record=trace)
    layout, none = model.layout(inputs), np.zeros(0, np.float32)
    towers, unplaced = reduced(trace, layout)
    blank = Analysis(model, inputs, tokens, layout, (), none, {}, {}, {}, 0.0, towers, unplaced)
    return replace(toggle(blank, present), seconds=time.perf_counter() - begin)


def toggle(analysis: Analysis, present: Collection[Modality] | None) -> Analysis:
    """The same clip with other modalities present: the fusion alone runs again."""
    begin = time.perf_counter()
    model, tokens = analysis.model, analysis.tokens
    there = tuple(m for m in model.modalities if m in analysis.inputs.values)
    on = there if present is None else tuple(m for m in there if m in present)
    if not on:
        raise NothingToReadError(
            "Nothing is left for the model to read; switch on a modality that the clip has."
        )
    with torch.no_grad():
        rows = presence(tokens, [on])
        trace = Trace()
        output = model.fuse(tokens, rows, record=trace)
        attention = _kept(trace, on)
        top = int(output.logits[0].argmax())
        base = _probabilities(output)[top]
        cuts = {
            name: float(_probabilities(model.fuse(tokens, rows, cut=(name,)))[top] - base)
            for name in attention
        }
    votes = {
        pair: vote.softmax(-1)[0].float().cpu().numpy()
        for pair, vote in output.votes.items()
        if bool(vote.isfinite().all())
    }
    return replace(
        analysis,
        present=on,
        probabilities=_probabilities(output),
        votes=votes,
        attention=attention,
        cuts=cuts,
        seconds=time.perf_counter() - begin,
    )


def _probabilities(output: Output) -> Array:
    return output.logits.softmax(-1)[0].float().cpu().numpy()


def _kept(trace: Trace, on: Collection[Modality]) -> dict[str, Array]:
    """The recorded maps between modalities that are on."""
    return {
        name: weights[0].float().cpu().numpy()
        for name, weights in trace.items()
        if all(m in on for m in path(name)[1:])
    }


def path(name: str) -> tuple[int, Modality, Modality]:
    """``fusion.<layer>.<query><-<key>`` taken apart."""
    _, layer, pair = name.split(".", 2)
    query, key = pair.split("<-")
    return int(layer), cast(Modality, query), cast(Modality, key)


def tower_path(name: str) -> tuple[int, Modality]:
    """``tower.<modality>.<layer>`` taken apart."""
    _, modality, layer = name.split(".")
    return int(layer), cast(Modality, modality)
