"""Sets of paths that are cut together: what two streams read of each other, in all layers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from core_models.clip import MODALITIES, Modality, Stream
from core_models.trace import path
from explain.analysis import SAID, Analysis
from explain.attention.blocks import parts
from explain.attention.streams import live

SLOTS: dict[Stream, str] = {
    "bottleneck": "the bottleneck",
    "caption": "the caption",
    "video-cls": f"the class token of {SAID['video']}",
    "audio-cls": f"the class token of {SAID['audio']}",
}
READ: dict[Stream, str] = {**SLOTS, **{m: SAID[m] for m in MODALITIES}}


class PathError(ValueError):
    """A path that this run does not have; the message says which it has."""


@dataclass(frozen=True)
class Pathway:
    """Paths as `fuse` cuts them. said: what they are, to go after “Cut”."""

    name: str
    said: str
    paths: tuple[str, ...]


def pathways(analysis: Analysis) -> tuple[Pathway, ...]:
    """Of each pair of modalities, of each modality into the bottleneck, and into the caption."""
    found, on = known(analysis), analysis.present
    out = [_between(a, b, found) for a, b in combinations(on, 2)]
    shared = [_into("bottleneck", m, found) for m in on]
    whole = tuple(name for way in shared for name in way.paths)
    if len(on) > 1:
        shared.append(Pathway("bottleneck", "all that passes through the bottleneck", whole))
    out += [*shared, *(_into("caption", m, found) for m in on)]
    return tuple(way for way in out if way.paths)


def single(analysis: Analysis, name: str) -> Pathway:
    """One path of one layer; PathError where there is none of this name."""
    check(analysis, [name])
    part = path(name)
    (query,), (key,) = part.queries, part.keys
    who = f"{READ[query]} reads of {READ[key]}"
    return Pathway(name, f"what {who} in layer {part.layer + 1} of the {part.group}", (name,))


def check(analysis: Analysis, paths: Collection[str]) -> None:
    """PathError for a path that nothing passes in this run."""
    have = known(analysis)
    if not paths:
        raise PathError("No path is named; name at least one to cut.")
    for name in paths:
        if name not in have:
            some = ", ".join(have[:6]) + (" and others" if len(have) > 6 else "")
            raise PathError(f"There is no path “{name}” in this run; there are {some}.")


def known(analysis: Analysis) -> tuple[str, ...]:
    """Every path between two single streams that the fusion or the decoder took."""
    return tuple(
        str(block)
        for name in analysis.attention
        for block in path(name).blocks
        if live(block.keys[0], analysis.present) and live(block.queries[0], analysis.present)
    )


def attended(analysis: Analysis, paths: Collection[str]) -> float:
    """The share of all attention of the readers that these paths take, mean over heads and layers.

    Where a layer reads one stream alone it is 1.
    """
    taken: dict[tuple[str, Stream], float] = {}
    for name, weights in analysis.attention.items():
        for part, block in parts(path(name), weights, analysis.layout):
            if str(part) in paths and block.size:
                share = float(block.sum(axis=-1).mean())
                reader = name, part.queries[0]
                taken[reader] = taken.get(reader, 0.0) + share
    return float(np.mean(list(taken.values()))) if taken else 0.0


def _between(a: Modality, b: Modality, found: tuple[str, ...]) -> Pathway:
    both = {f"{a}<-{b}", f"{b}<-{a}"}
    paths = tuple(name for name in found if name.split(".", 2)[2] in both)
    return Pathway(f"{a}-{b}", f"what {SAID[a]} and {SAID[b]} read of each other", paths)


def _into(reader: Stream, m: Modality, found: tuple[str, ...]) -> Pathway:
    """A class token of the modality tells of it too."""
    both = {f"{reader}<-{m}", f"{reader}<-{m}-cls"}
    paths = tuple(name for name in found if name.split(".", 2)[2] in both)
    return Pathway(f"{reader}<-{m}", f"what {READ[reader]} reads of {SAID[m]}", paths)
