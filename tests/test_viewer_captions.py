"""A caption in the viewer: pointing at a word shows at once what it looked at."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.viewer_run import CAPTION, captioned


def test_a_caption_opens_on_what_its_first_telling_word_looked_at(opened: Any) -> None:
    seen = opened(captioned())
    assert (seen.data("group"), seen.data("pair")) == ("decoder", "caption<-video")
    assert (seen.data("layer"), seen.data("head")) == ("2", "mean")
    assert (seen.data("pin"), seen.data("lanes")) == ("caption:1", "video text")
    expect(seen.tab.locator(".fs-sentence")).to_have_text(
        "Caption ← video, layer 3, mean of heads: where the word “man” looked in the picture"
    )
    expect(seen.tab.locator(".fs-remark")).to_have_text(
        "60% of this attention went to the picture, the rest to other tokens (mean of heads); "
        "shown scaled to 1. Also painted, each on its own scale: heard words (60%)."
    )
    assert seen.chip("caption", 3).text_content() == CAPTION[3]
    assert seen.chip("caption", 1).get_attribute("aria-label") == "man, probability 0.35"
    expect(seen.tab.locator(".fs-invite:visible")).to_contain_text("point at a word")
    assert seen.complaints == []
    assert [url for url in seen.asked if not url.startswith(("file:", "data:"))] == []


def test_pointing_at_a_word_paints_it_and_leaving_restores(opened: Any) -> None:
    seen = opened(captioned())
    first = seen.data("painted")
    painted = {first}
    for cell in (2, 4):
        seen.chip("caption", cell).hover()
        expect(seen.root).to_have_attribute("data-preview", f"caption:{cell}")
        painted.add(seen.data("painted"))
        assert (seen.data("pin"), seen.data("lanes")) == ("caption:1", "video text")
    assert len(painted) == 3
    expect(seen.tab.locator(".fs-sentence")).to_contain_text("where the word “drums” looked")
    expect(seen.tab.locator(".fs-tip")).to_have_text("The word “drums”, probability 0.80")
    seen.away()
    expect(seen.root).to_have_attribute("data-preview", "")
    assert seen.data("painted") == first


def test_a_click_pins_a_word_and_another_lets_go(opened: Any) -> None:
    seen = opened(captioned())
    seen.chip("caption", 4).click()
    expect(seen.root).to_have_attribute("data-pin", "caption:4")
    expect(seen.chip("caption", 4)).to_have_attribute("aria-pressed", "true")
    seen.away()
    assert seen.data("pin") == "caption:4"
    seen.chip("caption", 4).click()
    expect(seen.root).to_have_attribute("data-pin", "")
    expect(seen.tab.locator(".fs-sentence")).to_contain_text("averaged over all its words")


def test_arrows_walk_the_words_and_enter_pins(opened: Any) -> None:
    seen = opened(captioned())
    first = seen.data("painted")
    seen.chip("caption", 1).focus()
    seen.tab.keyboard.press("ArrowRight")
    expect(seen.chip("caption", 2)).to_be_focused()
    expect(seen.root).to_have_attribute("data-preview", "caption:2")
    assert seen.data("painted") != first
    seen.tab.keyboard.press("ArrowLeft")
    seen.tab.keyboard.press("ArrowLeft")
    seen.tab.keyboard.press("ArrowLeft")
    expect(seen.chip("caption", 0)).to_be_focused()
    seen.tab.keyboard.press("Enter")
    expect(seen.root).to_have_attribute("data-pin", "caption:0")
    assert seen.data("layer") == "2"
    seen.tab.keyboard.press("Escape")
    expect(seen.root).to_have_attribute("data-pin", "")


def test_a_layer_chosen_while_pointing_stays(opened: Any) -> None:
    seen = opened(captioned())
    seen.root.focus()
    seen.chip("caption", 4).hover()
    expect(seen.root).to_have_attribute("data-preview", "caption:4")
    seen.tab.keyboard.press("ArrowLeft")
    expect(seen.root).to_have_attribute("data-layer", "1")
    assert seen.data("preview") == "caption:4"
    seen.away()
    expect(seen.root).to_have_attribute("data-preview", "")
    assert (seen.data("layer"), seen.data("pin")) == ("1", "caption:1")


def test_from_another_group_a_word_still_shows_what_it_looked_at(opened: Any) -> None:
    seen = opened(captioned())
    for group in ("fusion", "video tower"):
        seen.tab.locator(f'.fs-groups [data-group="{group}"]').click()
        expect(seen.root).to_have_attribute("data-group", group)
        rows = seen.tab.locator(".fs-heads > label").all_text_contents()
        seen.chip("caption", 2).hover()
        expect(seen.root).to_have_attribute("data-group", "decoder")
        assert seen.tab.locator(".fs-heads > label").all_text_contents() == rows
        seen.away()
        expect(seen.root).to_have_attribute("data-group", group)
    seen.chip("caption", 2).click()
    expect(seen.root).to_have_attribute("data-pin", "caption:2")
    assert seen.data("group") == "decoder"
    seen.away()
    assert seen.data("group") == "decoder"
    assert seen.complaints == []


def test_a_picture_cell_shows_the_words_that_looked_at_it(opened: Any) -> None:
    seen = opened(captioned())
    seen.tab.locator(".fs-heat").click(position={"x": 5, "y": 5})
    expect(seen.tab.locator(".fs-sentence")).to_contain_text(
        "which words of the caption looked at the picture cell in row 1, column 1"
    )
    assert seen.data("lanes") == "caption"
    colours = {seen.chip("caption", i).evaluate("n => n.style.cssText") for i in range(5)}
    assert len(colours) > 1


def test_the_first_word_has_no_words_before_it(opened: Any) -> None:
    seen = opened(captioned())
    seen.tab.locator('.fs-pair[data-pair="caption<-caption"]').click()
    expect(seen.tab.locator(".fs-sentence")).to_contain_text("which earlier words the word “man”")
    expect(seen.tab.locator(".fs-even-t")).to_have_text("uniform would be 1/1 = 1.00")
    seen.chip("caption", 0).click()
    expect(seen.tab.locator(".fs-sentence")).to_contain_text(
        "the word “a” had nothing here to read"
    )
    assert seen.data("lanes") == "caption video text"
    seen.chip("caption", 0).click()
    expect(seen.tab.locator(".fs-sentence")).to_contain_text(
        "which earlier words each word of the caption read, averaged over all its words"
    )
    assert seen.complaints == []
