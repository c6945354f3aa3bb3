"""Asking why on the real page: methods, targets, stopping, and what is kept."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from app import controls
from app.why import named, suited, targets
from explain.analysis import Analysis
from explain.methods import registry
from explain.methods.method import Method, Step
from explain.methods.registry import METHODS, find
from explain.question import Question
from tests.page import WAIT, analyse, changed, viewer

QUICK = "token-integrated-gradients"


def asked(tab: Page, file: Path, text: str = "a man plays the drums") -> Locator:
    """A clip that is analysed, and the tab that is filled for it."""
    root = analyse(tab, file, text)
    expect(tab.locator("#why-target input")).not_to_have_value("", timeout=WAIT)
    return root


def aim(tab: Page, target: str) -> None:
    field = tab.locator("#why-target input")
    field.fill(target)
    field.press("Enter")


def explain(tab: Page, method: str = QUICK) -> str:
    """Explain, to the end; the id of the explanation."""
    root = viewer(tab)
    before = root.get_attribute("data-scored") or "none"
    tab.locator("#why-run").click()
    expect(root).to_have_attribute("data-scored", re.compile(f"^(?!{before})"), timeout=WAIT)
    name = root.get_attribute("data-scored") or ""
    expect(root).to_have_attribute("data-why", re.compile(f":{method}:1.00$"), timeout=WAIT)
    expect(tab.locator("#why-run")).to_be_enabled(timeout=WAIT)
    return name


def test_explaining_paints_the_clip_and_says_what_it_is(tab: Page, file: Path) -> None:
    root = asked(tab, file)
    attention = root.get_attribute("data-painted")
    run, time = root.get_attribute("data-ready"), root.get_attribute("data-time")
    explain(tab)
    assert root.get_attribute("data-look") == "scores"
    assert root.get_attribute("data-painted") != attention
    assert root.get_attribute("data-lanes") == "video audio text"
    assert [root.get_attribute("data-ready"), root.get_attribute("data-time")] == [run, time]
    expect(root.locator(".fs-shares b")).to_have_text(["video", "sound", "text"])
    facts = tab.locator("#why-facts")
    expect(facts).to_contain_text("on tokens, after the towers have mixed the cells")
    expect(facts).to_contain_text(re.compile(r"sum to -?\d+\.\d\d of .* residual \d+\.\d%"))
    expect(facts).to_contain_text("steps 32")
    assert "NaN" not in tab.locator("body").inner_text()


def test_another_target_another_map_and_chips_switch_back(tab: Page, file: Path) -> None:
    root = asked(tab, file)
    first = explain(tab)
    painted, target = root.get_attribute("data-painted"), root.get_attribute("data-target")
    aim(tab, "people rather than music")
    second = explain(tab)
    assert root.get_attribute("data-target") == "people rather than music" != target
    assert root.get_attribute("data-painted") != painted
    chips = root.locator(".fs-reason")
    expect(chips).to_have_count(2)
    assert [chip.get_attribute("data-id") for chip in chips.all()] == [second, first]
    chips.nth(1).click()
    expect(root).to_have_attribute("data-painted", painted or "")
    assert root.get_attribute("data-target") == target


def test_explanations_belong_to_what_was_switched_on(tab: Page, file: Path) -> None:
    root = asked(tab, file)
    name = explain(tab)
    ready = root.get_attribute("data-ready")
    tab.locator("#use-sound label").click()
    ready = changed(root, "ready", ready)
    expect(tab.locator("#why-facts")).to_contain_text("1 explanation is kept", timeout=WAIT)
    expect(root.locator(".fs-ask")).to_be_visible()
    assert root.get_attribute("data-scored") is None
    tab.locator("#use-sound label").click()
    expect(root).to_have_attribute("data-scored", name, timeout=WAIT)
    assert root.get_attribute("data-ready") != ready


def test_an_unknown_target_is_one_sentence(tab: Page, file: Path) -> None:
    root = asked(tab, file)
    aim(tab, "quantum gravity")
    tab.locator("#why-run").click()
    said = tab.locator("#why-progress .problem")
    expect(said).to_contain_text("This model has no label “quantum gravity”", timeout=WAIT)
    assert root.get_attribute("data-scored") is None
    aim(tab, "music")
    explain(tab)
    expect(said).to_have_count(0)


def test_a_method_that_does_not_fit_says_why_and_cannot_be_asked(tab: Page, file: Path) -> None:
    root = asked(tab, file)
    ready = root.get_attribute("data-ready")
    for name in ("video", "sound"):
        tab.locator(f"#use-{name} label").click()
        ready = changed(root, "ready", ready)
    box = tab.locator("#why-method")
    box.locator("input").click()
    box.get_by_role("option", name="Grad-CAM · not for this run").click(timeout=WAIT)
    expect(tab.locator("#why-about")).to_contain_text("both are off; switch one on", timeout=WAIT)
    expect(tab.locator("#why-run")).to_be_disabled()
    tab.locator("#use-sound label").click()
    changed(root, "ready", ready)
    expect(tab.locator("#why-run")).to_be_enabled(timeout=WAIT)
    expect(tab.locator("#why-about")).not_to_contain_text("both are off")


def test_nothing_to_explain_yet(tab: Page) -> None:
    tab.locator("#why-run").click()
    expect(tab.locator("#why-progress")).to_contain_text("Analyse a clip first", timeout=WAIT)


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The quick method, made to go on until it is stopped; set once it was."""
    ended = threading.Event()

    def run(question: Question, *, steps: int = 8) -> Iterator[Step]:
        try:
            for i in range(100_000):
                question.tick()
                ended.wait(0.05)
                ones = {s: torch.ones(x.shape[:2]) for s, x in question.tokens.items()}
                yield Step(min(0.9, (i + 1) / 100), ones)
        finally:
            ended.set()

    slow = replace(find(QUICK), run=run)

    def one(name: str) -> Method:
        return slow if name == QUICK else registry.find(name)

    monkeypatch.setattr("app.explaining.find", one)
    return ended


def test_a_method_streams_and_stops_within_a_second(
    tab: Page, file: Path, endless: threading.Event
) -> None:
    root = asked(tab, file)
    tab.locator("#why-run").click()
    expect(root).to_have_attribute("data-look", "scores", timeout=WAIT)
    first = root.get_attribute("data-why")
    second = changed(root, "why", first)
    assert float((first or "").split(":")[2]) < float(second.split(":")[2]) < 1
    expect(tab.locator("#why-progress")).to_contain_text(re.compile(r"\d+% · about \d+ s left"))
    tab.locator("#why-stop").click()
    expect(tab.locator("#why-progress")).to_contain_text("what it had found is kept", timeout=5000)
    assert endless.wait(5)
    expect(tab.locator("#why-facts")).to_contain_text("This is what it had found after")
    expect(root.locator(".fs-reason")).to_contain_text("% done")
    expect(tab.locator("#why-run")).to_be_enabled()


def test_a_new_analysis_ends_the_explanation(
    tab: Page, file: Path, endless: threading.Event
) -> None:
    root = asked(tab, file)
    tab.locator("#why-run").click()
    expect(root).to_have_attribute("data-look", "scores", timeout=WAIT)
    ready = root.get_attribute("data-ready")
    tab.locator("#analyse").click()
    changed(root, "ready", ready)
    assert endless.wait(5)
    expect(tab.locator("#why-run")).to_be_enabled(timeout=WAIT)
    assert root.get_attribute("data-scored") is None


def test_settings_follow_the_method(tab: Page, file: Path) -> None:
    asked(tab, file)
    steps = tab.locator("#why-slider-0 input[type=number]")
    steps.fill("8")
    steps.press("Tab")
    explain(tab)
    expect(tab.locator("#why-facts")).to_contain_text("steps 8")
    box = tab.locator("#why-method")
    box.locator("input").click()
    box.get_by_role("option", name="Gradient: Saliency · input").click()
    expect(tab.locator("#why-about")).to_contain_text("their units differ")
    expect(tab.locator("#why-settings input:visible")).to_have_count(0)


def test_modalities_are_told_apart(tab: Page, file: Path) -> None:
    asked(tab, file)
    tab.get_by_role("tab", name="Modalities").click()
    panel = tab.locator("#modalities .fm-panel")
    expect(panel).to_be_visible(timeout=WAIT)
    expect(panel).to_contain_text("nothing: its prior")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_every_method_has_its_settings_on_the_page(method: Method) -> None:
    shown = {c.name: c for c in controls.placed(method) if c is not None}
    assert set(shown) == {control.name for control in method.controls}
    usual = [c.default if c else None for c in controls.placed(method)]
    assert controls.settings(method, usual) == {c.name: c.default for c in method.controls}
    empty = [None for _ in controls.SLOTS]
    assert controls.settings(method, empty) == {}


def test_what_does_not_fit_says_so(analysis: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    never = replace(METHODS[0], unfit=lambda analysis: "It needs a <drum>.")
    monkeypatch.setattr("app.why.METHODS", (never, *METHODS[1:]))
    assert named(analysis)[0][0].endswith("· not for this run")
    assert all("not for this run" not in title for title, _ in named(None))
    said, button, *_ = suited(never, analysis)
    assert "It needs a &lt;drum&gt;." in said and button.interactive is False


def test_targets_offer_a_contrast(analysis: Analysis) -> None:
    first, contrast, second = [asked for _, asked in targets(analysis)][:3]
    assert contrast == f"{first} rather than {second}"
