"""A made-up run for the viewer, and what is seen of it in a browser."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Page, expect

from explain.viewer.standalone import data_url

WAIT = 30_000  # ms
FRAMES, ROWS, COLS, SPANS, HEADS = 4, 3, 3, 10, 2
WORDS = ["loud", "</script><b>drums</b>", "again"]
PAIRS = ("video<-audio", "audio<-video", "audio<-text", "text<-audio", "text<-video", "video<-text")


def encoded(pixels: np.ndarray[Any, Any], kind: str) -> dict[str, str]:
    out = BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return {"url": data_url(out.getvalue(), f"image/{kind.lower()}")}


def softmaxed(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    weights: np.ndarray[Any, Any] = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    return weights


def inside(tower: str, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    """A layer of a tower: frames read their own patches, words read words; three heads."""
    if tower == "text":
        return softmaxed(rng.normal(size=(3, len(WORDS), len(WORDS))) * 2)
    own = softmaxed(rng.normal(size=(3, FRAMES, 1, ROWS * COLS)) * 2)
    blocks: np.ndarray[Any, Any] = own * np.eye(FRAMES)[:, :, None]
    return blocks.reshape(3, FRAMES, -1)


def synthetic(
    pairs: tuple[str, ...] = PAIRS, run: str = "r1", towers: dict[str, int] | None = None
) -> dict[str, Any]:
    """A run on 8 s of coloured noise: 4 frames of 3 × 3 patches, 10 spans of sound, 3 words.

    towers: how many layers each tower shows.
    """
    rng = np.random.default_rng(0)
    cells = {"video": FRAMES * ROWS * COLS, "audio": SPANS, "text": len(WORDS)}
    used = {m for pair in pairs for m in pair.split("<-")} | {"video"}
    maps, parts, offset = [], [], 0
    layers: list[tuple[str, str, int, str, str]] = []
    for i, (query, key) in enumerate(pair.split("<-") for pair in pairs):
        layers.append((f"fusion.{i}.{query}<-{key}", "fusion", i, query, key))
    for mod, depth in (towers or {}).items():
        layers += [(f"tower.{mod}.{i}", f"{mod} tower", i, mod, mod) for i in range(depth)]
    for name, group, layer, query, key in layers:
        weights = softmaxed(rng.normal(size=(HEADS, cells[query], cells[key])) * 2)
        if group != "fusion":
            weights = inside(query, rng)
        heads, q, k = weights.shape
        low, high = weights.min(axis=(1, 2)), weights.max(axis=(1, 2))
        span = (high - low)[:, None, None]
        data = np.rint((weights - low[:, None, None]) / span * 255).astype(np.uint8)
        maps.append(
            {
                "name": name, "group": group, "layer": layer, "query": query, "key": key,
                "heads": heads, "q": q, "k": k, "offset": offset,
                "low": low.tolist(), "high": high.tolist(), "focus": [0.2, 0.6, 0.1][:heads],
                "cut": -0.3 if (query, key) == ("audio", "video") else None,
                "unplaced": [0.3, 0.5, 0.1][:heads],
                "warning": "One key takes nearly everything." if layer == 3 else "",
            }
        )  # fmt: skip
        parts.append(data.tobytes())
        offset += data.size
    words = WORDS if "text" in used else []
    return {
        "video": None,
        "strip": encoded(rng.integers(0, 255, (60, FRAMES * 80, 3), np.uint8), "JPEG"),
        "sound": encoded(rng.integers(0, 255, (40, 200), np.uint8), "PNG"),
        "tensor": {"url": data_url(b"".join(parts), "application/octet-stream")},
        "meta": {
            "id": run, "name": "noise.mp4", "start": 2.0, "duration": 8.0,
            "frames": {
                "times": [3, 5, 7, 9], "width": 80, "height": 60, "rows": ROWS, "cols": COLS,
            },
            "sound": {"edges": np.linspace(2, 10, SPANS + 1).tolist(), "top_hz": 8000},
            "words": [{"text": w, "start": None, "end": None} for w in words],
            "streams": {m: {"there": m != "text" or bool(words), "on": m in used} for m in cells},
            "maps": maps, "target": "music",
        },
    }  # fmt: skip


class Seen:
    """An open document, what it complained of and what it asked for."""

    def __init__(self, tab: Page, complaints: list[str], asked: list[str]) -> None:
        self.tab, self.complaints, self.asked = tab, complaints, asked
        self.root = tab.locator(".fs-viewer")

    def data(self, name: str) -> str | None:
        return self.root.get_attribute(f"data-{name}")

    def changed(self, name: str, before: str | None) -> str | None:
        expect(self.root).not_to_have_attribute(f"data-{name}", before or "", timeout=WAIT)
        return self.data(name)
