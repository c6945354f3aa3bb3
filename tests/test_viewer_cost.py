"""What a change of view costs the page: each drawing is drawn once, and few layouts are made."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.viewer_run import captioned, synthetic, through_bottleneck

# At most: of the words, of the matrix and its canvas where its height changes, and of the frame.
LAYOUTS = {".fs-layer": 4, ".fs-head": 2, ".fs-pair[data-pair]": 4}
# Counts how often each canvas is wiped, and keeps every node that must stay.
WATCH = """() => {
  const wipe = CanvasRenderingContext2D.prototype.clearRect;
  window.wiped = new Map();
  CanvasRenderingContext2D.prototype.clearRect = function (...area) {
    window.wiped.set(this.canvas, (window.wiped.get(this.canvas) || 0) + 1);
    return wipe.apply(this, area);
  };
  window.kept = [...document.querySelectorAll(".fs canvas, .fs button, .fs label, .fs h3, .fs p")];
}"""
# One press, then two frames: what comes of it by itself is over.
PRESS = """([pick, turn]) => new Promise((done) => {
  window.wiped.clear();
  const all = document.querySelectorAll(".fs-viewer " + pick);
  const one = all[turn % all.length];
  if (one.type === "range") {
    one.value = Number(one.min) + turn % (Number(one.max) - Number(one.min) + 1);
    one.dispatchEvent(new Event("input", { bubbles: true }));
  } else one.click();
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
})"""
WIPED = "[...window.wiped.values()]"
GONE = "window.kept.filter((node) => !node.isConnected).length"


def layouts(tab: Page, pick: str, turns: int) -> list[int]:
    """How often the page is laid out for each of some changes of view."""
    chrome = tab.context.new_cdp_session(tab)
    chrome.send("Performance.enable")

    def count() -> int:
        told = chrome.send("Performance.getMetrics")["metrics"]
        return next(int(m["value"]) for m in told if m["name"] == "LayoutCount")

    made: list[int] = []
    painted = set()
    for turn in range(turns):
        before = count()
        tab.evaluate(PRESS, [pick, turn])
        made.append(count() - before)
        painted.add(tab.locator(".fs-viewer").get_attribute("data-painted"))
        wiped = tab.evaluate(WIPED)
        assert max(wiped, default=1) == 1, f"{pick}, change {turn}: {wiped}"
    assert len(painted) > 1
    return made


@pytest.mark.parametrize("value", [synthetic, captioned, through_bottleneck])
@pytest.mark.parametrize("pick", LAYOUTS)
def test_a_change_of_view_is_painted_once(opened: Any, value: Any, pick: str) -> None:
    seen = opened(value())
    seen.tab.evaluate(WATCH)
    made = layouts(seen.tab, pick, 7)
    assert max(made) <= LAYOUTS[pick], made


@pytest.mark.parametrize("pick", LAYOUTS)
def test_a_change_of_view_keeps_what_stands(opened: Any, pick: str) -> None:
    seen = opened(synthetic())
    seen.tab.evaluate(WATCH)
    layouts(seen.tab, pick, 7)
    assert seen.tab.evaluate(GONE) == 0
