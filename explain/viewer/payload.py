"""A run as the viewer reads it: a small description, and files of bytes beside it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core_models.clip import Clip, Stream
from core_models.layout import FrameGrid, SlotGrid, TimeGrid
from explain.analysis import Analysis
from explain.attention.maps import AttentionMap, maps
from explain.spectrogram import log_mel

STRIP_HEIGHT = 180
CLASSES: dict[Stream, str] = {
    "video-cls": "picture’s class token",
    "audio-cls": "sound’s class token",
}


@dataclass(frozen=True, eq=False)
class Payload:
    """strip: JPEG, all frames side by side; sound: PNG; tensor: uint8 maps, one after another."""

    meta: dict[str, Any]
    strip: bytes | None
    sound: bytes | None
    tensor: bytes


def payload(analysis: Analysis, run: str, video_start: float = 0.0) -> Payload:
    """Everything that the viewer shows of a run, under its id.

    video_start: where in the clip's file the video that it plays begins, in seconds.
    """
    clip, layout = analysis.clip, analysis.layout
    shown = maps(analysis)
    strip, size = _strip(clip)
    described, tensor = _tensor(shown)
    video, audio = layout.get("video"), layout.get("audio")
    frames = sound = None
    if isinstance(video, FrameGrid):
        frames = {"times": clip.times.tolist(), "rows": video.rows, "cols": video.cols, **size}
    if isinstance(audio, TimeGrid):
        sound = {"edges": audio.edges.tolist(), "top_hz": clip.rate // 2}
    meta = {
        "id": run,
        "name": clip.name,
        "start": clip.start,
        "duration": clip.duration,
        "video_start": video_start,
        "frames": frames,
        "sound": sound,
        "words": [{"text": w.text, "start": w.start, "end": w.end} for w in words(analysis)],
        "slots": slots(analysis),
        "streams": {
            m: {"there": m in analysis.inputs.values, "on": m in analysis.present}
            for m in analysis.model.modalities
        },
        "maps": described,
        "target": analysis.answer if analysis.caption is None else "the caption",
    }
    return Payload(meta, strip, _sound(clip), tensor)


def words(analysis: Analysis) -> tuple[Any, ...]:
    """The words that the model could read."""
    grid = analysis.layout.get("text")
    return grid.words if grid is not None and hasattr(grid, "words") else ()


def slots(analysis: Analysis) -> dict[str, list[dict[str, Any]]]:
    """The chips of the streams that have no place in the clip."""
    out: dict[str, list[dict[str, Any]]] = {}
    for stream, grid in analysis.layout.items():
        if isinstance(grid, SlotGrid):
            owner = CLASSES.get(stream)
            names = [f"B{i + 1}" if owner is None else owner for i in range(grid.size)]
            out[stream] = [{"text": name} for name in names]
    if analysis.caption is not None:
        words = analysis.caption.words
        out["caption"] = [{"text": w.text, "probability": w.probability} for w in words]
    return out


def quantise(weights: NDArray[np.float32]) -> tuple[NDArray[np.uint8], list[float], list[float]]:
    """(heads, Q, K) to bytes on a scale per head: value = low + byte / 255 * (high − low)."""
    low, high = weights.min(axis=(1, 2)), weights.max(axis=(1, 2))  # (heads,)
    span = np.where(high > low, high - low, 1)[:, None, None]
    scaled = np.rint((weights - low[:, None, None]) / span * 255).astype(np.uint8)
    return scaled, low.tolist(), high.tolist()


def _tensor(shown: tuple[AttentionMap, ...]) -> tuple[list[dict[str, Any]], bytes]:
    described, parts, offset = [], [], 0
    for m in shown:
        scaled, low, high = quantise(m.weights)
        heads, q, k = scaled.shape
        described.append(
            {
                "name": m.name,
                "group": m.group,
                "layer": m.layer,
                "query": m.query,
                "key": m.key,
                "heads": heads,
                "q": q,
                "k": k,
                "offset": offset,
                "low": low,
                "high": high,
                "focus": m.focus.tolist(),
                "cut": m.cut,
                "unplaced": m.unplaced.tolist(),
                "warning": m.warning,
            }
        )
        parts.append(scaled.tobytes())
        offset += scaled.size
    return described, b"".join(parts)


def _strip(clip: Clip) -> tuple[bytes | None, dict[str, int]]:
    if not len(clip.frames):
        return None, {}
    height, width = clip.frames.shape[1:3]
    scale = min(1.0, STRIP_HEIGHT / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = [np.asarray(Image.fromarray(f).resize(size)) for f in clip.frames]
    out = BytesIO()
    Image.fromarray(np.concatenate(small, axis=1)).save(out, "JPEG", quality=86)
    return out.getvalue(), {"width": size[0], "height": size[1]}


def _sound(clip: Clip) -> bytes | None:
    if not len(clip.waveform):
        return None
    picture = log_mel(clip.waveform, clip.rate)[::-1]  # (bands, columns), low frequency below
    out = BytesIO()
    Image.fromarray((picture * 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()
