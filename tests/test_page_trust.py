"""How far a map holds, on the real page: the tests beside it, and what it sounds like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from explain.methods import registry
from explain.methods.method import Method, Step
from explain.methods.registry import find
from explain.metrics.registry import METRICS
from explain.question import Question
from tests.page import WAIT, changed
from tests.test_page_why import QUICK, aim, asked, explain

CHEAP = "token-input-x-gradient"
WORDS = re.compile("(Better|Worse|No better) than random|cannot be told")


def choose(tab: Page, method: str) -> None:
    """By its title in the list."""
    title = find(method).title.removesuffix(" of tokens")
    box = tab.locator("#why-method")
    box.locator("input").click()
    box.get_by_role("option", name=re.compile(f"{title} · tokens")).first.click()
    expect(tab.locator("#why-about")).to_contain_text(find(method).about, timeout=WAIT)


def finished(tab: Page) -> Locator:
    """The card, once the quick tests are through."""
    expect(tab.locator("#trust .fc-track")).to_have_count(0, timeout=WAIT)
    expect(tab.locator("#why-test")).to_be_enabled(timeout=WAIT)
    return tab.locator("#trust")


def test_a_map_carries_its_verdict_and_can_be_tested_thoroughly(tab: Page, file: Path) -> None:
    asked(tab, file)
    choose(tab, CHEAP)
    explain(tab, CHEAP)
    expect(tab.locator("#trust .ft-verdict")).to_contain_text(WORDS, timeout=WAIT)
    card = finished(tab)
    expect(card.locator(".ft-curve svg")).not_to_have_count(0)
    slow = [metric for metric in METRICS if metric.cost == "slow"]
    expect(card.get_by_text("Not run yet")).to_have_count(len(slow))
    tab.locator("#why-test").click()
    expect(card.get_by_text("Not run yet")).to_have_count(0, timeout=2 * WAIT)
    expect(tab.locator("#why-test")).to_be_hidden(timeout=WAIT)
    expect(card.locator(".ft-verdict")).to_contain_text("when the weights are shuffled")
    assert "NaN" not in tab.locator("body").inner_text()


def test_two_maps_of_one_target_are_set_against_each_other(tab: Page, file: Path) -> None:
    asked(tab, file)
    explain(tab)
    finished(tab)
    choose(tab, CHEAP)
    explain(tab, CHEAP)
    figures = tab.locator("#trust .ft-matrix td:not(.ft-same)")
    expect(figures).to_have_count(2, timeout=WAIT)
    both = [float(text) for text in figures.all_inner_texts()]
    assert both[0] == both[1] and -1 <= both[0] <= 1
    expect(tab.locator("#trust")).to_contain_text("methods that agree may still all be wrong")


def test_a_map_can_be_heard(tab: Page, file: Path) -> None:
    root = asked(tab, file)
    explain(tab)
    tab.locator("#why-listen").click(timeout=WAIT)
    for name in ("marked", "rest"):
        player = tab.locator(f"#why-{name}")
        length = player.locator("#duration, .duration, time").last
        expect(length).to_have_text("0:03", timeout=WAIT)
    ready = root.get_attribute("data-ready")
    tab.locator("#use-sound label").click()
    changed(root, "ready", ready)
    aim(tab, "music")
    explain(tab)
    expect(tab.locator("#why-listen")).to_be_hidden(timeout=WAIT)
    expect(tab.locator("#why-players")).to_be_hidden()


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """The quick method, made to find nothing."""

    def run(question: Question, *, steps: int = 8) -> Iterator[Step]:
        yield Step(1, {s: torch.zeros(x.shape[:2]) for s, x in question.tokens.items()}, 0.0)

    def one(name: str) -> Method:
        return replace(find(QUICK), run=run) if name == QUICK else registry.find(name)

    monkeypatch.setattr("app.explaining.find", one)


@pytest.mark.usefixtures("blank")
def test_an_empty_map_is_one_sentence(tab: Page, file: Path) -> None:
    root = asked(tab, file)
    explain(tab)
    nothing = "This method found nothing for this target."
    expect(root.locator(".fs-faint")).to_have_text(nothing)
    expect(tab.locator("#why-facts")).to_contain_text(nothing)
    expect(tab.locator("#trust .ft-verdict")).to_contain_text("The map is empty", timeout=WAIT)
    expect(tab.locator("#trust svg")).to_have_count(0)
    for word in ("NaN", "Infinity", "undefined"):
        assert word not in tab.locator("body").inner_text()
