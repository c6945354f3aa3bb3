"""What a model hands out has the shapes, names and places of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import numpy as np
import torch

from core_models.checks.finding import Finding, counted, described, encoded, listed, recorded
from core_models.checks.sample import only, subsets
from core_models.clip import MODALITIES, Clip, Modality, Stream
from core_models.interface import FusionModel, presence
from core_models.layout import FrameGrid, Grid, SlotGrid, TimeGrid, WordGrid
from core_models.trace import path

DIMENSIONS: Mapping[Modality, int] = {"video": 5, "audio": 2, "text": 3}
GRIDS: Mapping[Stream, type[Grid]] = {
    "video": FrameGrid,
    "audio": TimeGrid,
    "text": WordGrid,
    "caption": WordGrid,
}
ROUNDING = 1e-6  # seconds


def prepare(model: FusionModel, clip: Clip) -> Finding:
    """prepare: a float tensor per modality of the clip, batch first"""

    def faults() -> Iterator[str]:
        values = model.prepare(clip).values
        if set(values) != set(model.modalities):
            yield f"there is {listed(values)}, not {listed(model.modalities)}"
        for m, x in values.items():
            if x.ndim != DIMENSIONS[m] or len(x) != 1 or not x.is_floating_point():
                yield f"{m} is {described(x)}, not float, {DIMENSIONS[m]}-dimensional, batch of 1"
            elif m == "video" and tuple(x.shape[1:3]) != (len(clip.frames), 3):
                yield f"video is {described(x)}, not (1, {len(clip.frames)}, 3, H, W)"

    return counted(faults())


def encode(model: FusionModel, clip: Clip) -> Finding:
    """encode: float tokens (1, N, d) and a bool keep (1, N) per modality, in their order"""

    def faults() -> Iterator[str]:
        tokens = encoded(model, clip)[1]
        for what, held in (("values", tokens.values), ("keep", tokens.keep)):
            if tuple(held) != tuple(model.modalities):
                yield f"{what} has {listed(held)}, not {listed(model.modalities)}"
        for m, x in tokens.values.items():
            keep = tokens.keep[m]
            if x.ndim != 3 or len(x) != 1 or not x.shape[1] or not x.is_floating_point():
                yield f"{m} is {described(x)}, not float (1, N, d)"
            elif keep.shape != x.shape[:2] or keep.dtype != torch.bool:
                yield f"keep of {m} is {described(keep)}, not bool (1, {x.shape[1]})"

    return counted(faults())


def fuse(model: FusionModel, clip: Clip) -> Finding:
    """fuse: a finite logit per label and row; votes of the same shape"""

    def faults() -> Iterator[str]:
        tokens = encoded(model, clip)[1]
        for rows, present in ((1, None), (2, presence(tokens, [model.modalities] * 2))):
            out, want = model.fuse(tokens, present), (rows, len(model.labels))
            for what, x in {"logits": out.logits, **out.votes}.items():
                if tuple(x.shape) != want or not x.is_floating_point():
                    yield f"{what}: {described(x)}, not float {want}"
            if not out.logits.isfinite().all():
                yield "the logits are not finite"

    return counted(faults())


def sizes(model: FusionModel, clip: Clip) -> Finding:
    """layout: as many places as tokens"""

    def faults() -> Iterator[str]:
        inputs, tokens = encoded(model, clip)
        layout = model.layout(inputs)
        if {m for m in layout if m in MODALITIES} != set(inputs.values):
            yield f"there is {listed(layout)}, not {listed(inputs.values)}"
        made = {**tokens.extra, **{cast(Stream, m): x for m, x in tokens.values.items()}}
        for m, grid in layout.items():
            if m in made and grid.size != made[m].shape[1]:
                yield f"{m} has {grid.size} places for {made[m].shape[1]} tokens"

    return counted(faults())


def places(model: FusionModel, clip: Clip) -> Finding:
    """layout: frames, edges and words in order and inside the clip"""

    def faults() -> Iterator[str]:
        for m, grid in model.layout(model.prepare(clip)).items():
            kind = GRIDS.get(m, SlotGrid)
            if not isinstance(grid, kind):
                yield f"{m} has a {type(grid).__name__}, not a {kind.__name__}"
            elif isinstance(grid, WordGrid):
                yield from _misread(m, grid, clip)
            elif not isinstance(grid, SlotGrid):
                yield from _misplaced(m, grid, clip)

    return counted(faults())


def _misplaced(m: Stream, grid: FrameGrid | TimeGrid, clip: Clip) -> Iterator[str]:
    at = grid.times if isinstance(grid, FrameGrid) else grid.edges
    if (np.diff(at) <= 0).any():
        yield f"the seconds of {m} do not increase"
    low, high = clip.start, clip.start + clip.duration
    if at.min() < low - ROUNDING or at.max() > high + ROUNDING:
        inside = f"the window is {low:.2f} to {high:.2f} s of the file"
        yield f"{m} lies at {at.min():.2f} to {at.max():.2f} s, {inside}"


def _misread(m: Stream, grid: WordGrid, clip: Clip) -> Iterator[str]:
    rest = iter(clip.words)
    if m == "text" and not all(word in rest for word in grid.words):
        yield "the words are not those of the clip, in their order"
    owner = grid.owner[:-1] if m == "caption" else grid.owner  # its end belongs to no word
    if (np.diff(owner) < 0).any():
        yield f"the pieces of words of {m} are out of order"
    if owner.min(initial=0) < 0 or owner.max(initial=0) >= len(grid.words):
        yield f"a piece of {m} belongs to word {owner.max()} of {len(grid.words)}"


def names(model: FusionModel, clip: Clip) -> Finding:
    """record: maps (1, heads, queries, keys) named <group>.<layer>.<queries><-<keys>"""

    def faults() -> Iterator[str]:
        inputs, tokens = encoded(model, clip)
        places = {s: grid.size for s, grid in model.layout(inputs).items()}
        places |= {cast(Stream, m): size for m, size in tokens.sizes.items()}
        trace = recorded(model, tokens)[1]
        if not trace:
            yield "nothing is recorded: call attend(..., record=record, name=...)"
        for name, weights in trace.items():
            want = _map_shape(name, places)
            if want is None:
                yield f"{name!r} is not such a name"
            elif weights.ndim != 4 or (len(weights), *weights.shape[2:]) != want:
                yield f"{name} is {described(weights)}, not (1, heads, {want[1]}, {want[2]})"

    return counted(faults())


def _map_shape(name: str, places: Mapping[Stream, int]) -> tuple[int, int, int] | None:
    """(1, Q, K) of a map with such a name; None where the name is not of the contract."""
    try:
        _, _, queries, keys = path(name)
        return 1, sum(places[s] for s in queries), sum(places[s] for s in keys)
    except (ValueError, KeyError):
        return None


def baseline(model: FusionModel, clip: Clip) -> Finding:
    """baseline: the same shapes with nothing in them; the inputs stay as they were"""

    def faults() -> Iterator[str]:
        inputs = model.prepare(clip)
        before = {m: x.clone() for m, x in inputs.values.items()}
        blank = model.baseline(inputs)
        if set(blank.values) != set(before):
            yield f"there is {listed(blank.values)}, not {listed(before)}"
        for m, x in blank.values.items():
            if x.shape != before[m].shape or x.dtype != before[m].dtype:
                yield f"{m} is {described(x)}, not {described(before[m])}"
            if not torch.equal(inputs.values[m], before[m]):
                yield f"{m} of the inputs was changed"
        if not model.fuse(model.encode(blank)).logits.isfinite().all():
            yield "its logits are not finite"

    return counted(faults())


def kinds_of_clip(model: FusionModel, clip: Clip) -> Finding:
    """every kind of clip: any modalities may be missing, not all"""

    def faults() -> Iterator[str]:
        for some in subsets(model)[1:]:
            inputs, tokens = encoded(model, only(clip, some))
            held = [m for m, n in tokens.sizes.items() if n]
            for what, there in (("inputs", inputs.values), ("tokens", held)):
                if set(there) != set(some):
                    yield f"with {listed(some)} there are {what} of {listed(there)}"
            if not model.fuse(tokens).logits.isfinite().all():
                yield f"with {listed(some)} the logits are not finite"

    return counted(faults())
