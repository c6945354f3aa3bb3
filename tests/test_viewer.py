"""The viewer in a browser, from a file on disk: what it paints follows what is chosen."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from explain import viewer
from tests.viewer_run import PAIRS, SPANS, WORDS, synthetic


def test_opens_on_the_map_that_paints_the_picture_and_mattered(opened: Any) -> None:
    seen = opened(synthetic())
    assert seen.data("pair") == "audio<-video"
    assert seen.data("head") == "mean"
    expect(seen.tab.locator(".fs-sentence")).to_have_text(
        "Sound ← video, layer 2, mean of heads: where the sound looked in the picture, "
        "averaged over the whole sound"
    )
    assert seen.tab.locator(".fs-word").nth(1).text_content() == WORDS[1]
    assert seen.complaints == []
    assert [url for url in seen.asked if not url.startswith(("file:", "data:"))] == []


def test_keys_move_through_layers_and_heads(opened: Any) -> None:
    seen = opened(synthetic())
    seen.root.focus()
    before = seen.data("painted")
    seen.tab.keyboard.press("ArrowRight")
    after = seen.changed("painted", before)
    assert (seen.data("layer"), seen.data("pair")) == ("2", "audio<-text")
    seen.tab.keyboard.press("ArrowDown")
    after = seen.changed("painted", after)
    assert seen.data("head") == "max"
    seen.tab.keyboard.press("ArrowDown")
    seen.changed("painted", after)
    assert seen.data("head") == "0"


def test_a_slider_keeps_its_own_keys(opened: Any) -> None:
    seen = opened(synthetic())
    before = seen.data("painted")
    seen.tab.locator(".fs-layer").focus()
    seen.tab.keyboard.press("ArrowRight")
    after = seen.changed("painted", before)
    assert seen.data("layer") == "2"
    seen.tab.locator(".fs-head").focus()
    seen.tab.keyboard.press("ArrowRight")
    seen.changed("painted", after)
    assert (seen.data("layer"), seen.data("head")) == ("2", "1")


def test_pairs_and_thumbnails_choose(opened: Any) -> None:
    seen = opened(synthetic())
    before = seen.data("painted")
    seen.tab.locator('.fs-pair[data-pair="text<-audio"]').click()
    after = seen.changed("painted", before)
    assert seen.data("layer") == "3"
    expect(seen.tab.locator(".fs-warning")).to_have_text("One key takes nearly everything.")
    seen.tab.locator('.fs-thumb[data-map="4"][data-head="1"]').click()
    seen.changed("painted", after)
    assert (seen.data("pair"), seen.data("head")) == ("text<-video", "1")
    chosen = seen.tab.locator('.fs-thumb[aria-pressed="true"]')
    expect(chosen).to_have_count(1)
    assert chosen.get_attribute("data-map") == "4"


def test_a_matrix_cell_pins_its_row_and_seeks(opened: Any) -> None:
    seen = opened(synthetic())
    before = seen.data("painted")
    matrix = seen.tab.locator(".fs-mx")
    box = matrix.bounding_box()
    matrix.click(position={"x": box["width"] - 20, "y": 6})  # first span, last frame
    after = seen.changed("painted", before)
    assert seen.data("pin") == "audio:0"
    assert float(seen.data("time")) == pytest.approx(2.4, abs=0.01)
    expect(seen.tab.locator(".fs-sentence")).to_contain_text("where the sound 2.0–2.8 s looked")
    seen.tab.keyboard.press("Escape")
    seen.changed("painted", after)
    assert seen.data("pin") == ""


def test_patch_span_and_word_pin(opened: Any) -> None:
    seen = opened(synthetic())
    picture = seen.tab.locator(".fs-heat")
    picture.click(position={"x": 5, "y": 5})  # of the modality that is read
    expect(seen.tab.locator(".fs-sentence")).to_contain_text(
        "which moments of the sound looked at the picture cell in row 1, column 1"
    )
    sound = seen.tab.locator(".fs-sound")
    box = sound.bounding_box()
    sound.click(position={"x": box["width"] - 3, "y": 10})
    expect(seen.root).to_have_attribute("data-pin", f"audio:{SPANS - 1}")
    assert float(seen.data("time")) == pytest.approx(10, abs=0.1)
    seen.tab.locator(".fs-word").first.click()
    expect(seen.tab.locator(".fs-sentence")).to_contain_text("not part of this pair")
    seen.tab.locator('.fs-pair[data-pair="text<-video"]').click()
    expect(seen.tab.locator(".fs-sentence")).to_contain_text("where the word “loud” looked")
    seen.tab.locator(".fs-unpin").click()
    expect(seen.root).to_have_attribute("data-pin", "")


def test_space_plays_and_stops(opened: Any) -> None:
    seen = opened(synthetic())
    seen.root.focus()
    before = seen.data("time")
    seen.tab.keyboard.press("Space")
    seen.changed("time", before)
    expect(seen.tab.get_by_role("button", name="Pause")).to_be_visible()
    seen.tab.keyboard.press("Space")
    expect(seen.tab.get_by_role("button", name="Play")).to_be_visible()


def test_a_shared_scale_reaches_further(opened: Any) -> None:
    seen = opened(synthetic())
    high = float(seen.tab.locator(".fs-hi").text_content())
    seen.tab.locator(".fs-scale").select_option("all")
    expect(seen.tab.locator(".fs-hi")).not_to_have_text(str(high))
    assert float(seen.tab.locator(".fs-hi").text_content()) > high


def test_one_modality_alone_says_why_there_is_nothing(opened: Any) -> None:
    seen = opened(synthetic(()))
    expect(seen.tab.locator(".fs-why")).to_contain_text("Cross-attention needs two modalities")
    expect(seen.tab.locator(".fs-drill")).to_be_hidden()
    expect(seen.tab.locator(".fs-stage")).to_be_visible()
    assert seen.complaints == []


def test_missing_pairs_say_why(opened: Any) -> None:
    seen = opened(synthetic(PAIRS[:2]))
    cells = seen.tab.locator(".fs-pairs > span")
    assert cells.all_text_contents() == ["–", "none", "–", "none", "none", "none", "–"]


def test_dark_and_narrow_fits(opened: Any) -> None:
    seen = opened(synthetic(), dark=True, width=760)
    expect(seen.tab.locator("body")).to_have_class("dark")
    assert seen.tab.evaluate("document.documentElement.scrollWidth") <= 760
    seen.tab.locator("#theme").click()
    expect(seen.tab.locator("body")).not_to_have_class("dark")


def test_every_layer_is_painted_without_asking_anybody(opened: Any) -> None:
    seen = opened(synthetic())
    asked: list[str] = []
    seen.tab.on("request", lambda request: asked.append(request.url))
    seen.root.focus()
    painted = {seen.data("painted")}
    first = int(seen.data("layer"))
    for key in ["ArrowLeft"] * first + ["ArrowRight"] * (len(PAIRS) - 1):
        before = seen.data("layer")
        seen.tab.keyboard.press(key)
        seen.changed("layer", before)
        painted.add(seen.data("painted"))
    assert seen.data("layer") == str(len(PAIRS) - 1)
    assert len(painted) == len(PAIRS) and asked == []


def test_the_markup_and_style_hold_no_template_marks() -> None:
    for text in (viewer.html(), viewer.css()):
        assert not any(mark in text for mark in ("${", "{{", "}}", "`", "\\"))
