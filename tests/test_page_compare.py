"""Two runs side by side on the real page: one is kept, the other is what the page shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from app.session import Run
from app.store import Runs
from core_models.registry import MODELS
from explain.analysis import Analysis
from explain.export.bundle import watchable
from tests.page import WAIT, changed
from tests.test_page_why import aim, asked, explain

WRITERS = [info.name for info in MODELS if info.writes]


def beside(tab: Page) -> Locator:
    """The viewer of the run that is kept."""
    return tab.locator("#compare-viewer .fs-viewer")


def to(tab: Page, name: str) -> None:
    tab.get_by_role("tab", name=name).click()


def keep(tab: Page) -> None:
    to(tab, "Compare")
    tab.locator("#compare-keep").click()
    expect(tab.locator("#compare-sides")).to_contain_text("kept as A", timeout=WAIT)


def step(root: Locator, control: str, key: str) -> None:
    slider = root.locator(control)
    slider.focus()
    slider.press(key)


def test_a_run_beside_the_same_without_sound(tab: Page, file: Path) -> None:
    root = asked(tab, file, "a man plays the drums")
    keep(tab)
    ready = root.get_attribute("data-ready")
    tab.locator("#use-sound label").click()
    ready = changed(root, "ready", ready)
    sides, other = tab.locator("#compare-sides"), beside(tab)
    expect(sides.locator(".fc-side")).to_have_count(2, timeout=WAIT)
    expect(sides.locator(".fc-side").nth(0)).to_contain_text("video + sound + text")
    expect(sides.locator(".fc-side").nth(1)).to_contain_text("video + text")
    assert sides.locator("tr").count() == 9
    figures = sides.locator("tr").nth(1).locator("td.fc-num").all_inner_texts()
    before, after, delta = (float(f.replace("−", "-")) for f in figures)
    assert abs(after - before - delta) < 0.0015 and delta != 0
    expect(tab.locator("#compare .fc-compare tr")).to_have_count(21)  # before and after, as ever

    expect(other).to_have_attribute("data-ready", re.compile(".+"), timeout=WAIT)
    assert other.get_attribute("data-ready") != ready
    for name in ("time", "layer", "head", "group"):  # A takes over what B shows
        expect(other).to_have_attribute(f"data-{name}", root.get_attribute(f"data-{name}") or "")
    for mover, follower in ((root, other), (other, root)):
        time = mover.get_attribute("data-time")
        step(mover, ".fs-scrub", "Home" if time != "0.00" else "End")
        time = changed(mover, "time", time)
        expect(follower).to_have_attribute("data-time", time)
    layer = root.get_attribute("data-layer")
    step(root, ".fs-layer", "ArrowLeft" if layer == "5" else "ArrowRight")
    expect(other).to_have_attribute("data-layer", changed(root, "layer", layer))
    root.locator("[data-mode=max]").click()
    expect(other).to_have_attribute("data-head", "max")


def test_two_explanations_of_one_run_and_their_difference(tab: Page, file: Path) -> None:
    root = asked(tab, file, "a man plays the drums")
    first = explain(tab)
    keep(tab)
    to(tab, "Why")
    aim(tab, "people")
    second = explain(tab)
    to(tab, "Compare")
    other = beside(tab)
    expect(other).to_have_attribute("data-scored", first, timeout=WAIT)
    assert root.get_attribute("data-scored") == second

    # Other targets share their scale by shares; the same explanation in its own units.
    expect(other.locator(".fs-faint")).to_contain_text("the same share")
    painted = other.get_attribute("data-painted")
    tab.locator("#compare-painted").get_by_text("Difference").click()
    expect(other).to_have_attribute("data-scored", f"{first}-{second}", timeout=WAIT)
    expect(other.locator(".fs-about")).to_contain_text("B less A")
    assert changed(other, "painted", painted)

    # The same explanation on both sides has no difference, and says so.
    root.locator(f".fs-reason[data-id='{first}']").click()
    note = tab.locator("#compare-note")
    expect(note).to_contain_text("show the same explanation", timeout=WAIT)
    expect(other).to_have_attribute("data-scored", first)
    expect(other.locator(".fs-faint")).to_contain_text("the same score")

    tab.locator("#compare-drop").click()
    expect(other).to_be_hidden(timeout=WAIT)
    expect(root.locator(".fs-faint")).not_to_contain_text("A and B")


def test_one_scale_where_the_method_and_the_target_are_the_same(tab: Page, file: Path) -> None:
    root = asked(tab, file, "a man plays the drums")
    aim(tab, "music")
    explain(tab)
    alone = float(root.get_attribute("data-scale") or 0)
    keep(tab)
    ready = root.get_attribute("data-ready")
    tab.locator("#use-sound label").click()
    changed(root, "ready", ready)
    to(tab, "Why")
    expect(tab.locator("#why-facts")).to_contain_text("is kept", timeout=WAIT)
    aim(tab, "music")
    explain(tab)
    now = float(root.get_attribute("data-scale") or 0)
    assert now != alone
    to(tab, "Compare")
    most = f"{max(now, alone):.4g}"
    for shown in (root, beside(tab)):
        expect(shown.locator(".fs-faint")).to_contain_text("the same score", timeout=WAIT)
        assert float(shown.get_attribute("data-scale") or 0) == float(most)
    tab.locator("#compare-painted").get_by_text("Difference").click()
    expect(beside(tab).locator(".fs-about")).to_contain_text("B less A", timeout=WAIT)
    expect(beside(tab)).to_have_attribute("data-lanes", "video text")  # what both were told


@pytest.mark.skipif(not WRITERS, reason="no captioner is shipped")
def test_two_models_side_by_side(tab: Page, file: Path) -> None:
    root = asked(tab, file, "a man plays the drums")
    first = explain(tab)
    keep(tab)
    tab.locator("#model input").click()
    tab.get_by_role("option", name=WRITERS[0]).click()
    expect(tab.locator("#decoding")).to_be_visible(timeout=WAIT)
    ready = root.get_attribute("data-ready")
    tab.locator("#analyse").click()
    changed(root, "ready", ready)
    to(tab, "Why")
    expect(tab.locator("#why-target input")).to_have_value("the whole caption", timeout=WAIT)
    explain(tab)
    to(tab, "Compare")
    sides = tab.locator("#compare-sides")
    expect(sides.locator(".fc-side").nth(0)).to_contain_text("caam-msrvtt", timeout=WAIT)
    expect(sides.locator(".fc-side").nth(1)).to_contain_text(WRITERS[0])
    expect(sides).to_contain_text("there is no change per label")
    expect(sides.locator(".fc-bar")).to_have_count(5)
    expect(sides.locator(".fc-said")).to_have_count(1)
    other = beside(tab)
    expect(other).to_have_attribute("data-scored", first, timeout=WAIT)
    tab.locator("#compare-painted").get_by_text("Difference").click()
    expect(tab.locator("#compare-note")).to_contain_text("no difference to show", timeout=WAIT)
    expect(other).to_have_attribute("data-scored", first)


def test_nothing_to_keep_yet(tab: Page) -> None:
    to(tab, "Compare")
    tab.locator("#compare-keep").click()
    expect(tab.locator("#compare-sides")).to_contain_text("Analyse a clip first", timeout=WAIT)
    expect(tab.locator("#compare-body")).to_be_hidden()


@pytest.fixture
def made() -> Iterator[Callable[[int], Runs]]:
    """Makes a store of this many bytes; its files are gone after the test."""
    stores: list[Runs] = []

    def make(limit: int) -> Runs:
        stores.append(Runs(limit))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def test_what_is_kept_stays_as_it_was(
    made: Callable[[int], Runs], analysis: Analysis, tmp_path: Path, file: Path
) -> None:
    runs = made(1 << 40)
    run = Run("run", analysis, analysis, watchable(file, analysis.clip, tmp_path), runs.folder())
    assert runs.keep("run") == ""
    runs.put(run)
    key = runs.keep("run")
    runs.change("run", lambda now: replace(now, now=replace(now.now, present=("video",))))
    kept, now = runs.kept(key), runs.get("run")
    assert kept is not None and now is not None
    assert kept.now is analysis and now.now.present == ("video",)


def test_files_go_with_the_last_that_shows_them(
    made: Callable[[int], Runs], analysis: Analysis, tmp_path: Path, file: Path
) -> None:
    runs = made(1)  # room for one run alone, and the one on the page is it
    run = Run("run", analysis, analysis, watchable(file, analysis.clip, tmp_path), runs.folder())
    runs.put(run)
    assert runs.kept(runs.keep("run")) is None
    assert runs.get("run") is run and run.folder.exists()
    runs.put(replace(run, id="other", folder=runs.folder()))
    assert runs.get("run") is None and not run.folder.exists()
