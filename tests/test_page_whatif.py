"""What if, on the real page: the clip is changed, a path is cut, and the target moves."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.page import WAIT, analyse

MOVED = re.compile(r"[+−]?\d+\.\d\d")


def asked(tab: Page, file: Path) -> Locator:
    """A clip that is analysed, its panel filled, and the card of what was tried."""
    analyse(tab, file, "a man plays the drums")
    tab.get_by_role("tab", name="Modalities").click()
    expect(tab.locator("#modalities .fm-panel")).to_be_visible(timeout=WAIT)
    expect(tab.locator("#whatif-what input")).to_be_visible(timeout=WAIT)
    return tab.locator("#effects")


def choose(tab: Page, what: str) -> None:
    box = tab.locator("#whatif-what")
    box.locator("input").click()
    box.get_by_role("option", name=what).click()


def number(tab: Page, name: str, value: str) -> None:
    tab.locator(f"#whatif-{name} input").fill(value)
    tab.locator(f"#whatif-{name} input").press("Tab")


def attempt(tab: Page) -> None:
    tab.locator("#whatif-go").click()
    expect(tab.locator("#whatif-go")).to_be_enabled(timeout=WAIT)


def row(effects: Locator, said: str) -> Locator:
    return effects.locator("tr", has_text=said).first


def test_a_silence_a_bad_span_and_undo(tab: Page, file: Path) -> None:
    effects = asked(tab, file)
    number(tab, "start", "0")
    number(tab, "end", "1")
    attempt(tab)
    tried = row(effects, "The sound is silenced from 0 to 1 s.")
    expect(tried.locator("td").nth(2)).to_have_text(MOVED, timeout=WAIT)
    number(tab, "end", "90")
    attempt(tab)
    expect(tab.locator("#whatif-progress")).to_contain_text("is not inside it", timeout=WAIT)
    tab.locator("#whatif-undo").click()
    expect(effects).not_to_contain_text("silenced")
    expect(tab.locator("#whatif-progress")).not_to_contain_text("is not inside it")
    expect(tab.locator("#whatif-undo")).to_be_hidden()
