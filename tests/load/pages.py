"""A user with a real browser: the page's own way through an analysis, a toggle and a stop."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence

from playwright.sync_api import Error, Page, expect, sync_playwright

from tests.load.clips import Marker
from tests.load.speak import Answer
from tests.load.tally import Tally
from tests.page import viewer

WAIT = 180_000  # ms: others are before us
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def browse(
    address: str, mark: Marker, others: Sequence[Marker], tally: Tally, until: float
) -> None:
    """Until then: open the page, analyse, switch the sound off, look whose answer it is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        while time.monotonic() < until:
            tab = browser.new_page()
            begun = time.monotonic()
            try:
                _visit(tab, address, mark)
                seen = tab.locator("#content").inner_text() + tab.locator("#side").inner_text()
                if mark.tag not in seen:
                    tally.mix(f"the page of {mark.tag} does not show it")
                for other in others:
                    if other.tag != mark.tag and other.tag in seen:
                        tally.mix(f"the page of {mark.tag} shows {other.tag}")
                answer = Answer("finished", None, "", time.monotonic() - begun)
            except (Error, AssertionError) as error:
                answer = _failed(tab, error)
            tally.job("page", answer)
            tab.close()  # sometimes while explanations still come
        browser.close()


def _visit(tab: Page, address: str, mark: Marker) -> None:
    tab.goto(address, wait_until="domcontentloaded")
    tab.locator("#clip input[type=file]").set_input_files(mark.path)
    expect(tab.locator("#poster").locator("img, .problem")).to_be_visible(timeout=WAIT)
    tab.locator("#text textarea").fill(mark.text)
    tab.locator("#analyse").click()
    root = viewer(tab)
    expect(root).to_have_attribute("data-ready", re.compile(".+"), timeout=WAIT)
    ready = root.get_attribute("data-ready") or ""
    tab.locator("#use-sound label").click()
    expect(root).not_to_have_attribute("data-ready", ready, timeout=WAIT)


def _failed(tab: Page, error: Exception) -> Answer:
    """A sentence on the page, such as that it is full, or nothing: then it is lost."""
    shown = tab.locator("#message .problem, #poster .problem, .toast-body")
    said = " ".join(shown.all_inner_texts())[:200]
    if said:
        return Answer("refused" if "full" in said.lower() else "told", None, said)
    return Answer("lost", None, str(error).splitlines()[0][:200])
