"""How the tests of the page drive it."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

WAIT = 60_000  # ms
CALM = ("net::ERR_ABORTED",)  # a stream that the page closed itself


def viewer(tab: Page) -> Locator:
    return tab.locator("#viewer .fs-viewer")


def upload(tab: Page, path: Path) -> None:
    tab.locator("#clip input[type=file]").set_input_files(path)
    expect(tab.locator("#poster").locator("img, .problem")).to_be_visible(timeout=WAIT)


def analyse(tab: Page, path: Path, text: str = "") -> Locator:
    upload(tab, path)
    if text:
        tab.locator("#text textarea").fill(text)
    tab.locator("#analyse").click()
    root = viewer(tab)
    expect(root).to_have_attribute("data-ready", re.compile(".+"), timeout=WAIT)
    return root


def changed(root: Locator, name: str, before: str | None) -> str:
    expect(root).not_to_have_attribute(f"data-{name}", before or "", timeout=WAIT)
    return root.get_attribute(f"data-{name}") or ""


def report_opens(tab: Page, path: Path) -> None:
    """The report works from a file, with the same viewer."""
    other = tab.context.new_page()
    complaints: list[str] = []
    other.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    asked: list[str] = []
    other.on("request", lambda r: asked.append(r.url))
    other.goto(path.as_uri())
    root = other.locator(".fs-viewer")
    expect(root).to_have_attribute("data-ready", re.compile(".+"), timeout=WAIT)
    assert not complaints
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    other.close()
