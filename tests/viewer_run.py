"""A made-up run for the viewer, and what is seen of it in a browser."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from explain.viewer.standalone import data_url

WAIT = 30_000  # ms
FRAMES, ROWS, COLS, SPANS, HEADS = 4, 3, 3, 10, 2
WORDS = ["loud", "</script><b>drums</b>", "again"]
CAPTION = ["a", "man", "plays", "</script>the", "drums"]
PAIRS = ("video<-audio", "audio<-video", "audio<-text", "text<-audio", "text<-video", "video<-text")
BOTTLENECK = (
    "bottleneck<-video", "video-cls<-video", "video<-bottleneck", "video-cls<-bottleneck",
    "bottleneck<-audio", "audio-cls<-audio", "audio<-bottleneck", "audio-cls<-bottleneck",
)  # fmt: skip
Array = np.ndarray[Any, Any]


def encoded(pixels: Array, kind: str) -> dict[str, str]:
    out = BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return {"url": data_url(out.getvalue(), f"image/{kind.lower()}")}


def softmaxed(scores: Array) -> Array:
    weights: Array = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    return weights


def inside(tower: str, rng: np.random.Generator, frames: int) -> Array:
    """A layer of a tower: frames read their own patches, words read words; three heads."""
    if tower == "text":
        return softmaxed(rng.normal(size=(3, len(WORDS), len(WORDS))) * 2)
    own = softmaxed(rng.normal(size=(3, frames, 1, ROWS * COLS)) * 2)
    blocks: Array = own * np.eye(frames)[:, :, None]
    return blocks.reshape(3, frames, -1)


def earlier(rng: np.random.Generator, words: int) -> Array:
    """A caption that reads itself: every word the words before it, the first nothing."""
    before = np.tri(words, k=-1)
    weights = softmaxed(rng.normal(size=(HEADS, words, words)) * 2) * before
    scaled: Array = weights / np.maximum(weights.sum(-1, keepdims=True), 1e-9)
    return scaled


def packed(name: str, weights: Array, shared: bool, offset: int) -> tuple[dict[str, Any], bytes]:
    """A map as the viewer reads it: its description and its bytes."""
    group, layer, pair = name.split(".")
    query, key = pair.split("<-")
    number = 9 if layer == "all" else int(layer.split(">")[0])
    heads, q, k = weights.shape
    low, high = weights.min(axis=(1, 2)), weights.max(axis=(1, 2))
    span = np.where(high > low, high - low, 1)[:, None, None]
    data = np.rint((weights - low[:, None, None]) / span * 255).astype(np.uint8)
    described = {
        "name": name, "group": group, "layer": number, "query": query, "key": key,
        "heads": heads, "q": q, "k": k, "offset": offset,
        "low": low.tolist(), "high": high.tolist(), "focus": [0.2, 0.6, 0.1][:heads],
        "cut": -0.3 if (query, key) == ("audio", "video") else None,
        "unplaced": ([0.3, 0.5, 0.1] if shared else [0.0] * 3)[:heads],
        "warning": "One key takes nearly everything." if layer == "3" else "",
    }  # fmt: skip
    return described, data.tobytes()


def run_of(
    names: list[str],
    run: str,
    *,
    frames: int = FRAMES,
    shared: bool = False,
    slots: dict[str, list[dict[str, Any]]] | None = None,
    used: tuple[str, ...] = ("video", "audio", "text"),
    streams: tuple[str, ...] = ("video", "audio", "text"),
    target: str = "music",
) -> dict[str, Any]:
    """A run on 8 s of coloured noise: frames of 3 × 3 patches, 10 spans of sound, 3 words.

    names: `<group>.<layer>.<query><-<key>`. shared: an attention runs over several streams.
    used: the modalities that are on; streams: those that the model reads.
    """
    rng = np.random.default_rng(0)
    slots = slots or {}
    cells = {"video": frames * ROWS * COLS, "audio": SPANS, "text": len(WORDS)}
    sizes = cells | {stream: len(chips) for stream, chips in slots.items()}
    maps, parts, offset = [], [], 0
    for name in names:
        group, _, pair = name.split(".")
        query, key = pair.split("<-")
        heads = 1 if group == "route" else HEADS
        weights = softmaxed(rng.normal(size=(heads, sizes[query], sizes[key])) * 2)
        if group.endswith("tower"):
            weights = inside(query, rng, frames)
        elif query == key == "caption":
            weights = earlier(rng, sizes[query])
        partial = group.endswith("tower") or (shared and query != key)
        described, data = packed(name, weights, partial, offset)
        maps.append(described)
        parts.append(data)
        offset += len(data)
    words = WORDS if "text" in used else []
    return {
        "video": None,
        "strip": encoded(rng.integers(0, 255, (60, frames * 80, 3), np.uint8), "JPEG"),
        "sound": encoded(rng.integers(0, 255, (40, 200), np.uint8), "PNG"),
        "tensor": {"url": data_url(b"".join(parts), "application/octet-stream")},
        "meta": {
            "id": run, "name": "noise.mp4", "start": 2.0, "duration": 8.0,
            "frames": {
                "times": (2 + (np.arange(frames) + 0.5) * 8 / frames).tolist(),
                "width": 80, "height": 60, "rows": ROWS, "cols": COLS,
            },
            "sound": {"edges": np.linspace(2, 10, SPANS + 1).tolist(), "top_hz": 8000},
            "words": [{"text": w, "start": None, "end": None} for w in words],
            "slots": slots,
            "streams": {m: {"there": m != "text" or bool(words), "on": m in used} for m in streams},
            "maps": maps, "target": target,
        },
    }  # fmt: skip


def synthetic(
    pairs: tuple[str, ...] = PAIRS, run: str = "r1", towers: dict[str, int] | None = None
) -> dict[str, Any]:
    """Three modalities that read each other. towers: how many layers each tower shows."""
    names = [f"fusion.{i}.{pair}" for i, pair in enumerate(pairs)]
    for mod, depth in (towers or {}).items():
        names += [f"{mod} tower.{i}.{mod}<-{mod}" for i in range(depth)]
    used = {m for pair in pairs for m in pair.split("<-")} | {"video"}
    return run_of(names, run, used=tuple(used))


def through_bottleneck(frames: int = FRAMES) -> dict[str, Any]:
    """Picture and sound that meet in four bottleneck tokens, two layers of them."""
    names = [f"fusion.{layer}.{pair}" for layer in (0, 1) for pair in BOTTLENECK]
    names += ["route.0>1.video<-audio", "route.0>1.audio<-video", "route.all.video<-audio"]
    names += [f"video tower.{i}.video<-video" for i in (0, 1)]
    slots: dict[str, list[dict[str, Any]]] = {
        "bottleneck": [{"text": f"B{i + 1}"} for i in range(4)],
        "video-cls": [{"text": "picture’s class token"}],
        "audio-cls": [{"text": "sound’s class token"}],
    }
    both = ("video", "audio")
    return run_of(names, "b1", frames=frames, shared=True, slots=slots, used=both, streams=both)


def captioned(layers: int = 3) -> dict[str, Any]:
    """A caption written while looking at the picture and at the sound put into words."""
    names = [f"fusion.{i}.{pair}" for i in (0, 1) for pair in ("video<-text", "text<-video")]
    keys = ("video", "text", "caption")
    names += [f"decoder.{i}.caption<-{key}" for i in range(layers) for key in keys]
    names += [f"video tower.{i}.video<-video" for i in (0, 1)]
    slots = {"caption": [{"text": w, "probability": 0.2 + 0.15 * i} for i, w in enumerate(CAPTION)]}
    streams = ("video", "text")
    return run_of(
        names, "c1", shared=True, slots=slots, used=streams, streams=streams, target="the caption"
    )


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

    def chip(self, stream: str, cell: int) -> Locator:
        return self.tab.locator(f'.fs-slot[data-stream="{stream}"]').nth(cell)

    def away(self) -> None:
        """The pointer, off every chip."""
        self.tab.locator(".fs-foot").hover()
