"""What is shown of a clip as soon as it was chosen: a picture or a strip of it, and its facts."""

from __future__ import annotations

import base64
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from app.ahead import Ahead
from core_models.media import ClipInfo, Limits, glance

HIGH = 180  # pixels of the picture of a clip


def seen(path: str, limits: Limits, ahead: Ahead, frames: int = 0) -> tuple[ClipInfo, str]:
    """What a clip is, and one picture of it, or five of a long one.

    frames: of the model that is likely to be asked; for it a short clip is read ahead.
    """
    found = glance(path, short=(1, HIGH), long=(5, 72), limits=limits, frames=frames)
    if found.read is not None:
        ahead.put(path, found.read)
    return found.info, picture(found.pictures)


def picture(frames: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    """Frames (N, H, W, 3) side by side, as an image that carries its bytes."""
    out, image = BytesIO(), Image.fromarray(np.concatenate(list(frames), axis=1))
    image.thumbnail((image.width, HIGH))
    image.save(out, "JPEG", quality=82)
    code = base64.b64encode(out.getvalue()).decode()
    return f'<img alt="frames of the clip" src="data:image/jpeg;base64,{code}">'


def facts(path: str, info: ClipInfo) -> str:
    """``bongo.mp4 · 10.0 s · 640×360 · stereo 44.1 kHz``."""
    sound = "no sound"
    if info.has_audio:
        many = f"{info.audio_channels} channels"
        kind = {1: "mono", 2: "stereo"}.get(info.audio_channels, many)
        sound = f"{kind} {info.audio_rate / 1000:g} kHz"
    width, height = info.size
    parts = (Path(path).name, f"{info.duration:.1f} s", f"{width}×{height}", sound)
    return f"<p>{' · '.join(escape(p) for p in parts)}</p>"
