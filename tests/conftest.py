"""What the tests share: the shipped models, and a clip made here."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import shutil
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from app.dashboard import build
from app.launch import launch
from app.storage import Room
from core_models.caam import CAAM
from core_models.clip import Clip, Word
from core_models.interface import Model
from core_models.registry import MODELS, load
from explain.analysis import Analysis, analyse
from explain.render.draw import drawn
from explain.viewer.standalone import page
from tests import media_files
from tests.page import CALM, WAIT
from tests.viewer_run import Seen

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
WORDS = ("a", "man", "plays", "the", "bongos", "unbelievably", "fast")


def make_clip(
    seed: int = 0, frames: int = 3, seconds: float = 2.0, words: tuple[str, ...] = WORDS
) -> Clip:
    """Coloured noise with a bright square, a chirp, and words without times."""
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 120, (frames, 90, 160, 3), dtype=np.uint8)
    pictures[:, 20:60, 30:80] = rng.integers(120, 255, 3, dtype=np.uint8)
    rate = 22050
    time = np.arange(int(seconds * rate)) / rate
    sound = (0.4 * np.sin(2 * np.pi * (300 + 200 * seed + 300 * time) * time)).astype(np.float32)
    return Clip(
        name=f"made-{seed}.mp4",
        key=f"{seed:064x}",
        frames=pictures,
        times=(np.arange(frames) + 0.5) * seconds / max(frames, 1),
        waveform=sound,
        rate=rate,
        words=tuple(Word(w) for w in words),
        start=0.0,
        duration=seconds,
        file_duration=seconds,
        size=(160, 90),
        text_source="typed" if words else "none",
    )


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of exports as SVG alone, as drawing takes longest."""
    monkeypatch.setattr("explain.export.bundle.drawn", partial(drawn, kinds=("svg",)))


@pytest.fixture(scope="session")
def clip() -> Clip:
    return make_clip()


@pytest.fixture(scope="session", params=[info.name for info in MODELS])
def model(request: pytest.FixtureRequest) -> Model:
    """Every shipped model."""
    return load(request.param, torch.device("cpu"))


@pytest.fixture(scope="session")
def caam() -> CAAM:
    loaded = load("caam-msrvtt", torch.device("cpu"))
    assert isinstance(loaded, CAAM)
    return loaded


@pytest.fixture(scope="session")
def analysis(caam: CAAM, clip: Clip) -> Analysis:
    return analyse(caam, clip)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    path = next((name for name in found if name), None)
    with sync_playwright() as driver:
        try:
            launched = driver.chromium.launch(executable_path=path, args=FLAGS)
        except Error as error:
            if os.environ.get("CI") == "true":
                raise
            pytest.skip(f"no browser: {error.message.splitlines()[0]}")
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    """Opens a value in the viewer, from a file on disk, once per call."""
    tabs: list[Page] = []

    def open_value(value: dict[str, Any], dark: bool = False, width: int = 1240) -> Seen:
        path = tmp_path / "report.html"
        path.write_text(page("A <report>", "<p>before</p>", "", value), encoding="utf-8")
        tab = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        tabs.append(tab)
        complaints: list[str] = []
        asked: list[str] = []
        tab.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda e: complaints.append(str(e)))
        tab.on("request", lambda r: asked.append(r.url))
        tab.goto(path.as_uri(), wait_until="domcontentloaded")
        seen = Seen(tab, complaints, asked)
        expect(seen.root).to_have_attribute("data-ready", value["meta"]["id"], timeout=WAIT)
        return seen

    yield open_value
    for tab in tabs:
        tab.close()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = build(device="cpu", room=Room(memory=2**29))
    yield launch(page, port=port)
    page.close()


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "<b>made.mp4"
    return media_files.make_clip(
        path, media_files.even(3, 10), size=(160, 120), wave=media_files.tone(3, 44100)
    )


@pytest.fixture
def tab(browser: Browser, address: str) -> Iterator[Page]:
    """An open page; in the end it must have complained of nothing and asked nobody else."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.goto(address, wait_until="domcontentloaded")
    expect(page.locator("#analyse")).to_be_visible(timeout=WAIT)
    yield page
    context.close()
    assert not [c for c in complaints if not c.startswith(CALM)]
    inside = ("data:", "blob:", address)
    assert not [url for url in asked if not url.startswith(inside)]
