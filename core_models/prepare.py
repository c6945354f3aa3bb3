"""From a clip to what frozen towers read, and back to its places: what the models share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from core_models.clip import Clip, Modality, Stream
from core_models.encoders import SoundTower, TextTower, Tower, VisionTower
from core_models.interface import Inputs
from core_models.layout import FrameGrid, Grid, TimeGrid, WordGrid
from core_models.trace import Trace, in_parts

KINDS: Mapping[Modality, type[Tower]] = {
    "video": VisionTower,
    "audio": SoundTower,
    "text": TextTower,
}
SILENCE = 1e-4  # of full scale: a track that never gets louder says nothing
Values = dict[Modality, Tensor]
M = TypeVar("M")


def misfit(towers: nn.ModuleDict, sources: Mapping[Modality, str], widths: Sequence[int]) -> str:
    """Which tower does not fit a config, as a clause; empty where all do."""
    for (m, source), width in zip(sources.items(), widths, strict=True):
        tower = towers[m]
        if not isinstance(tower, KINDS[m]):
            return f"the tower {source!r} does not read {m}"
        if tower.width != width:
            return f"feature_widths gives {m} {width}, but its tower {source!r} has {tower.width}"
    return ""


def silent(clip: Clip) -> bool:
    """Whether there is nothing to hear: no sound, or a track that never gets louder."""
    return not np.abs(clip.waveform).max(initial=0) > SILENCE  # also where it is no number


def sound(clip: Clip, device: torch.device) -> tuple[Values, list[str]]:
    """The waveform (1, S) where there is something to hear, and what is to be said."""
    if not silent(clip):
        return {"audio": torch.from_numpy(clip.waveform).to(device)[None]}, []
    return {}, ["The model takes the silent sound as missing."] if len(clip.waveform) else []


def words(
    clip: Clip, tower: TextTower, device: torch.device, whose: str = ""
) -> tuple[Values, tuple[int, ...], list[str]]:
    """Word embeddings (1, L, d), the word of each piece, and what is to be said.

    whose: the words, as the notice calls them: "the audio caption's ".
    """
    ids, owner = tower.pieces([word.text for word in clip.words])
    read, notices = len(set(owner)), []
    if read < len(clip.words):
        notices.append(
            f"The model read the first {read} of {whose}{len(clip.words)} words: "
            f"it takes {tower.max_pieces} word pieces at most."
        )
    values: Values = {"text": tower.embed(torch.tensor([ids], device=device))} if ids else {}
    return values, tuple(owner), notices


def watch(
    tower: VisionTower, frames: Tensor, record: Trace | None = None, at_once: int | None = None
) -> Tensor:
    """Frames (B, T, 3, S, S) through the tower, so many at once: (B, T * cells, d)."""
    cells = in_parts(tower, frames.flatten(0, 1), record, at_once)  # (B * T, cells, d)
    return cells.unflatten(0, frames.shape[:2]).flatten(1, 2)


def when(clip: Clip, device: torch.device) -> Tensor:
    """Relative times of the frames in [0, 1]: (1, T)."""
    times = (clip.times - clip.start) / max(clip.duration, 1e-6)
    return torch.from_numpy(times).float().to(device)[None]


def places(
    inputs: Inputs, towers: nn.ModuleDict, audio: TimeGrid | None = None
) -> dict[Stream, Grid]:
    """Cells of frames, spans of sound, words."""
    out: dict[Stream, Grid] = {}
    if "video" in inputs.values:
        tower = towers["video"]
        assert isinstance(tower, VisionTower)
        out["video"] = FrameGrid(inputs.clip.times, tower.grid, tower.grid)
    if audio is not None:
        out["audio"] = audio
    if "text" in inputs.values:
        owner = np.asarray(inputs.owner)
        out["text"] = WordGrid(inputs.clip.words[: owner.max() + 1], owner)
    return out


def blank(inputs: Inputs, tower: TextTower) -> Inputs:
    """Grey frames (the towers' mean), silence, and the embedding of padding."""
    values = {m: torch.zeros_like(x) for m, x in inputs.values.items()}
    if (text := values.get("text")) is not None:
        pad = torch.full(text.shape[:2], tower.tokenizer.pad_token_id, device=text.device)
        values["text"] = tower.embed(pad)
    return replace(inputs, values=values)


def sparing(model: M) -> M | None:
    """The same model, its weights shared, that looks at one frame at a time where it can; None
    where it looks at all of them together.
    """
    if not hasattr(model, "at_once"):
        return None
    made: Any = copy(model)
    made.at_once = 1
    return made
