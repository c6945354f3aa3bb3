"""The towers in the viewer: the way in, what is painted, and the way back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.viewer_run import FRAMES, synthetic

TOWERS = {"video": 10, "text": 2}


def test_without_towers_there_is_no_choice_of_groups(opened: Any) -> None:
    seen = opened(synthetic())
    assert seen.data("group") == "fusion"
    expect(seen.tab.locator(".fs-groups")).to_be_hidden()
    expect(seen.tab.locator(".fs-into")).to_have_count(0)


def test_the_picture_tower_repaints_everything(opened: Any) -> None:
    seen = opened(synthetic(towers=TOWERS))
    groups = seen.tab.locator(".fs-groups button")
    assert groups.all_text_contents() == ["Fusion", "Picture tower", "Text tower"]
    before = seen.data("painted")
    groups.nth(1).click()
    after = seen.changed("painted", before)
    assert (seen.data("group"), seen.data("layer")) == ("video tower", "9")
    expect(seen.tab.locator(".fs-sentence")).to_have_text(
        "Picture tower, layer 10, mean of heads: what each frame's summary reads in that frame"
    )
    expect(seen.tab.locator(".fs-even-t")).to_have_text("uniform would be 1/9 = 0.11")
    expect(seen.tab.locator(".fs-layer-out")).to_have_text("10 of 10")
    expect(seen.tab.locator(".fs-thumb")).to_have_count(10 * (2 + 3))
    expect(seen.tab.locator(".fs-mx")).to_be_hidden()
    expect(seen.tab.locator(".fs-mx-note")).to_contain_text("Special tokens took 30%")
    seen.root.focus()
    seen.tab.keyboard.press("ArrowLeft")
    after = seen.changed("painted", after)
    assert (seen.data("group"), seen.data("layer")) == ("video tower", "8")
    groups.nth(0).click()
    seen.changed("painted", after)
    assert (seen.data("pair"), seen.data("layer")) == ("audio<-video", "1")
    groups.nth(1).click()
    expect(seen.root).to_have_attribute("data-layer", "8")  # where one was
    assert seen.complaints == []


def test_a_tile_seeks_and_the_overlay_is_that_frame(opened: Any) -> None:
    seen = opened(synthetic(towers=TOWERS))
    seen.tab.locator('.fs-groups [data-group="video tower"]').click()
    tiles = seen.tab.locator(".fs-tile")
    expect(tiles).to_have_count(FRAMES)
    tiles.nth(0).click()
    expect(seen.root).to_have_attribute("data-time", "3.00")
    before = seen.data("painted")
    tiles.nth(2).click()
    seen.changed("painted", before)
    expect(seen.root).to_have_attribute("data-time", "7.00")
    expect(tiles.nth(2)).to_have_attribute("aria-current", "true")
    expect(tiles.nth(2)).to_have_attribute(
        "aria-label", re.compile(r"^Frame at 7\.0 s, strongest cell in row \d, column \d: 0\.")
    )


def test_the_diagonal_opens_a_tower_and_pins_read_words(opened: Any) -> None:
    seen = opened(synthetic(towers=TOWERS))
    ways = seen.tab.locator(".fs-into")
    assert ways.all_text_contents() == ["tower", "tower"]
    assert ways.nth(1).get_attribute("aria-label") == (
        "Inside the text tower: which words each word reads"
    )
    before = seen.data("painted")
    ways.nth(1).focus()
    seen.tab.keyboard.press("Enter")
    seen.changed("painted", before)
    assert (seen.data("group"), seen.data("layer")) == ("text tower", "1")
    expect(seen.tab.locator('.fs-into[aria-pressed="true"]')).to_be_focused()
    expect(seen.tab.locator(".fs-sentence")).to_have_text(
        "Text tower, layer 2, mean of heads: which words each word reads, averaged over all words"
    )
    seen.tab.locator(".fs-word").first.click()
    expect(seen.tab.locator(".fs-sentence")).to_contain_text("which words the word “loud” reads")
    seen.tab.locator('.fs-thumb[data-map="16"][data-head="2"]').click()
    expect(seen.tab.locator(".fs-sentence")).to_contain_text("Text tower, layer 1, head 3")
    seen.tab.locator('.fs-pair[data-pair="text<-audio"]').click()
    expect(seen.root).to_have_attribute("data-group", "fusion")
    assert seen.data("head") == "mean"  # the fusion has no third head


def test_one_modality_alone_shows_its_own_tower(opened: Any) -> None:
    seen = opened(synthetic((), towers={"video": 2}))
    assert seen.data("group") == "video tower"
    expect(seen.tab.locator(".fs-why")).to_contain_text("inside its own tower is shown")
    expect(seen.tab.locator(".fs-drill")).to_be_visible()
    assert seen.complaints == []


@pytest.mark.parametrize("width", [720, 1024, 1300])
def test_the_towers_fit(opened: Any, width: int) -> None:
    seen = opened(synthetic(towers={"video": 10, "text": 6}), width=width)
    for group in ("video tower", "text tower"):
        seen.tab.locator(f'.fs-groups [data-group="{group}"]').click()
        expect(seen.root).to_have_attribute("data-group", group)
        assert seen.tab.evaluate("document.documentElement.scrollWidth") <= width
        wide, high = seen.tab.locator(".fs-heads").evaluate(
            "n => [n.scrollWidth - n.clientWidth, n.scrollHeight - n.clientHeight]"
        )
        assert wide <= 0 and high <= 0
