"""The page in a real browser: how soon there is a heatmap, and what a change of view costs."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, expect, sync_playwright

from app.dashboard import build
from app.launch import launch
from core_models.interface import Captioner
from core_models.media import load_clip
from core_models.training.cost import spent
from explain.viewer.payload import payload
from tests.bench.measure import Contest
from tests.bench.scenes import scene
from tests.bench.stage import TEXT, Stage, full
from tests.page import WAIT, viewer

MODEL = "caam-msrvtt"
VIEWED = (MODEL, "mbt-grid", "micap-msrvtt")  # pairs, a bottleneck, a caption
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
CHANGES, TAIL = 60, 90  # how often a view is changed; the percentile that counts
FRAME, PER_CELL = 20.0, 1.1  # ms; bytes
CONTROLS = {"layer": ".fs-layer", "head": ".fs-head", "pair": ".fs-pair[data-pair]:enabled"}
# Asked at every frame of the page.
NAMED = "(name) => document.querySelector('#poster')?.textContent.includes(name)"
PAINTED = """(before) =>
  (document.querySelector("#viewer .fs-viewer")?.dataset.ready ?? before) !== before"""
# One press, until the frame with its map is drawn;
PRESS = """([pick, turn]) => new Promise((done) => {
  const all = document.querySelectorAll("#viewer .fs-viewer " + pick);
  const one = all[turn % all.length];
  if (one.type === "range") {
    const [low, high] = [Number(one.min), Number(one.max)];
    one.value = low + (turn % (high - low + 1));
    one.dispatchEvent(new Event("input", { bubbles: true }));
  } else one.click();
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => done(document.querySelector("#viewer .fs-viewer").dataset.painted);
    port2.postMessage(0);
  });
})"""


def contests(stage: Stage) -> Iterator[Contest]:
    model, file = stage.model(MODEL), scene(stage.folder / "page.mp4", 10, sound=True)
    assert not isinstance(model, Captioner)

    def forward() -> None:
        full(model, model.prepare(load_clip(file, TEXT, frames=model.frames)))

    with served() as address, browsing() as browser:
        tab = opened(browser, address)
        yield Contest("from the upload to the first heatmap on the page",
                      "decoding and one forward", partial(first_look, tab, file), forward, 1.3,
                      ahead=partial(rest, tab))  # fmt: skip
    for name in VIEWED:
        yield from changes(name, file)
    shown = payload(stage.analysis(MODEL), "run")
    cells = sum(m["heads"] * m["q"] * m["k"] for m in shown.meta["maps"])
    yield Contest("bytes that the page is sent for the maps", "their cells",
                  lambda: len(shown.tensor), lambda: cells, PER_CELL, unit="B")  # fmt: skip


def changes(name: str, file: Path) -> Iterator[Contest]:
    """Of the view that the page opens on, for one model."""
    with served(name) as address, browsing() as browser:
        tab = opened(browser, address)
        first_look(tab, file)
        quiet()
        for what, pick in CONTROLS.items():
            yield Contest(f"a change of {what} in {name}, {TAIL}th percentile of its CPU time",
                          f"a frame of {FRAME:g} ms", partial(change, tab, pick),
                          lambda: FRAME, 1, unit="ms")  # fmt: skip


@contextmanager
def served(name: str = MODEL) -> Iterator[str]:
    """The address of a page in this process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = build(name, device="cpu")
    yield launch(page, port=port)
    page.close()


@contextmanager
def browsing() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def opened(browser: Browser, address: str) -> Page:
    tab = browser.new_page(viewport={"width": 1440, "height": 1000})
    tab.goto(address, wait_until="domcontentloaded")
    tab.locator("#text textarea").fill(TEXT)
    return tab


def first_look(tab: Page, path: Path) -> None:
    """From the choice of a clip until its map is painted."""
    before = viewer(tab).get_attribute("data-ready") or ""
    tab.locator("#clip input[type=file]").set_input_files(path)
    tab.wait_for_function(NAMED, arg=path.name, timeout=WAIT)
    tab.locator("#analyse").click()
    tab.wait_for_function(PAINTED, arg=before, timeout=3 * WAIT)


def rest(tab: Page, used: Callable[[], float] = spent) -> None:
    """No clip is chosen, and nothing goes on."""
    button = tab.locator("#clip").get_by_label("Clear")
    if button.count():
        button.click()
    expect(tab.locator("#poster")).to_have_text("", timeout=WAIT)
    quiet(used)


def quiet(used: Callable[[], float] = spent) -> None:
    """Until a process has nothing to do: what follows an analysis by itself is over.

    used: the CPU seconds that it has taken so far.
    """
    calm = 0
    while calm < 3:
        begun = used()
        time.sleep(0.4)
        calm = calm + 1 if used() - begun < 0.04 else 0


def change(tab: Page, pick: str) -> float:
    """Milliseconds that a change costs the page's own thread; the server must not be asked."""
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    chrome = tab.context.new_cdp_session(tab)
    chrome.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        told = chrome.send("Performance.getMetrics")["metrics"]
        return 1e3 * next(float(m["value"]) for m in told if m["name"] == "TaskDuration")

    took, painted = [], set()
    for turn in range(CHANGES):
        begun = busy()
        painted.add(tab.evaluate(PRESS, [pick, turn]))
        took.append(busy() - begun)
    if len(painted) < 2 or [url for url in asked if not url.startswith(("data:", "blob:"))]:
        raise RuntimeError(f"{pick}: {len(painted)} maps were painted and {asked} asked for")
    return float(np.percentile(took, TAIL))
