"""The viewer beyond three modalities: bottlenecks, class tokens and the ways between them."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.viewer_run import Seen, captioned, synthetic, through_bottleneck


def sides(seen: Seen) -> tuple[list[str], list[str]]:
    """The streams that read, and those that are read."""
    heads = seen.tab.locator(".fs-pairs > b:not(.row)").all_text_contents()
    return seen.tab.locator(".fs-pairs > b.row").all_text_contents(), heads


def test_the_pairs_are_those_of_the_group(opened: Any) -> None:
    seen = opened(captioned())
    assert sides(seen) == (["caption"], ["video", "heard words", "caption"])
    seen.tab.locator('.fs-groups [data-group="fusion"]').click()
    expect(seen.root).to_have_attribute("data-group", "fusion")
    assert sides(seen) == (["video", "heard words"], ["video", "heard words"])
    expect(seen.tab.locator(".fs-into")).to_have_text("tower")
    seen.tab.locator(".fs-into").click()
    expect(seen.root).to_have_attribute("data-group", "video tower")
    assert sides(seen) == (["video", "heard words"], ["video", "heard words"])

    seen = opened(through_bottleneck())
    every = ["video", "picture class", "bottleneck", "sound class", "sound"]
    assert sides(seen) == (every, ["video", "bottleneck", "sound"])
    empty = seen.tab.locator(".fs-pairs > span").first
    assert empty.get_attribute("title") == "picture and sound meet only through the bottleneck"
    seen.tab.locator('.fs-groups [data-group="route"]').click()
    expect(seen.root).to_have_attribute("data-group", "route")
    assert sides(seen) == (["video", "sound"], ["video", "sound"])


def test_a_bottleneck_token_paints_picture_and_sound(opened: Any) -> None:
    seen = opened(through_bottleneck())
    assert (seen.data("pair"), seen.data("lanes")) == ("bottleneck<-video", "video")
    first = seen.data("painted")
    seen.chip("bottleneck", 1).hover()
    expect(seen.root).to_have_attribute("data-lanes", "video audio")
    assert seen.data("painted") != first
    seen.chip("bottleneck", 1).click()
    expect(seen.root).to_have_attribute("data-pin", "bottleneck:1")
    expect(seen.tab.locator(".fs-sentence")).to_contain_text("where bottleneck token B2 looked")
    expect(seen.tab.locator(".fs-remark")).to_contain_text("sound (60%)")
    seen.tab.locator('.fs-pair[data-pair="bottleneck<-audio"]').click()
    expect(seen.root).to_have_attribute("data-lanes", "audio video")
    expect(seen.tab.locator(".fs-sentence")).to_contain_text(
        "which moments of the sound bottleneck token B2 listened to"
    )
    assert seen.complaints == []


def test_tokens_by_layers_choose_both(opened: Any) -> None:
    seen = opened(through_bottleneck())
    thumbs = seen.tab.locator(".fs-tokengrid .fs-thumb")
    expect(thumbs).to_have_count(2 * 4 * 2)  # layers, tokens, modalities
    last = thumbs.nth(14)  # second layer, third token, of sound
    last.click()
    expect(seen.root).to_have_attribute("data-pin", "bottleneck:2")
    assert (seen.data("pair"), seen.data("layer")) == ("bottleneck<-audio", "1")
    expect(seen.tab.locator('.fs-tokengrid .fs-thumb[aria-pressed="true"]')).to_have_count(1)


def test_a_bottleneck_that_is_read_is_coloured(opened: Any) -> None:
    seen = opened(through_bottleneck())
    seen.tab.locator('.fs-pair[data-pair="video<-bottleneck"]').click()
    expect(seen.root).to_have_attribute("data-lanes", "bottleneck")
    colours = {seen.chip("bottleneck", i).evaluate("n => n.style.cssText") for i in range(4)}
    assert len(colours) > 1
    expect(seen.tab.locator(".fs-badge")).to_have_text("painted on the bottleneck")
    seen.chip("bottleneck", 0).hover()
    expect(seen.tab.locator(".fs-sentence")).to_contain_text(
        "which parts of the picture read bottleneck token B1"
    )


def test_class_tokens_show_what_they_read(opened: Any) -> None:
    seen = opened(through_bottleneck())
    seen.chip("audio-cls", 0).click()
    expect(seen.root).to_have_attribute("data-pin", "audio-cls:0")
    assert (seen.data("pair"), seen.data("lanes")) == ("audio-cls<-audio", "audio bottleneck")
    expect(seen.tab.locator(".fs-sentence")).to_have_text(
        "Sound class ← sound, layer 1, mean of heads: "
        "which moments of the sound the sound’s class token listened to"
    )
    expect(seen.tab.locator(".fs-tokenbox")).to_be_hidden()
    assert seen.complaints == []


def test_the_way_through_the_bottleneck(opened: Any) -> None:
    seen = opened(through_bottleneck())
    names = ["Fusion", "Through the bottleneck", "Picture tower"]
    assert seen.tab.locator(".fs-groups button").all_text_contents() == names
    seen.tab.locator('.fs-groups [data-group="route"]').click()
    expect(seen.tab.locator(".fs-sentence")).to_have_text(
        "Video ← sound through the bottleneck, all layers: "
        "which moments of the sound reached the picture, averaged over all frames"
    )
    expect(seen.tab.locator(".fs-modes")).to_be_hidden()
    seen.tab.locator(".fs-heads .fs-thumb").first.click()
    expect(seen.tab.locator(".fs-layer-out")).to_have_text("1 → 2")
    expect(seen.tab.locator(".fs-remark")).to_contain_text(
        "Sound → bottleneck (layer 1) → picture (layer 2): attention multiplied along the way."
    )
    seen.tab.locator(".fs-sound").click(position={"x": 3, "y": 10})
    expect(seen.tab.locator(".fs-sentence")).to_contain_text(
        "which parts of the picture the sound 2.0–2.8 s reached"
    )
    assert seen.data("lanes") == "video"
    assert seen.complaints == []


def test_a_stream_that_the_model_does_not_read_is_left_out(opened: Any) -> None:
    seen = opened(through_bottleneck())
    expect(seen.tab.locator(".fs-words")).to_be_hidden()
    expect(seen.tab.locator(".fs-caption")).to_be_hidden()
    seen = opened(captioned())
    expect(seen.tab.locator(".fs-sound-name small")).to_have_text("read as words")
    expect(seen.tab.locator(".fs-words-name b")).to_have_text("heard words")
    expect(seen.tab.locator(".fs-tokens")).to_be_hidden()


def test_twenty_five_frames_stay_in_reach(opened: Any) -> None:
    seen = opened(through_bottleneck(frames=25), width=760)
    frames = seen.tab.locator(".fs-frames")
    box = frames.bounding_box()
    frames.hover(position={"x": box["width"] - 4, "y": 10})
    expect(seen.tab.locator(".fs-tip")).to_contain_text("The frame at 9.8 s")
    seen.tab.locator('.fs-groups [data-group="video tower"]').click()
    expect(seen.tab.locator(".fs-tile")).to_have_count(25)
    assert seen.complaints == []


def test_three_modalities_have_no_lanes_of_tokens(opened: Any) -> None:
    seen = opened(synthetic())
    for lane in ("tokens", "caption", "tokenbox", "remark"):
        expect(seen.tab.locator(f".fs-{lane}")).to_be_hidden()
    assert (seen.data("lanes"), seen.data("preview")) == ("video", "")
    assert sides(seen) == (["video", "sound", "text"],) * 2


@pytest.mark.parametrize("width", [760, 1024, 1440])
@pytest.mark.parametrize("made", [captioned, through_bottleneck])
def test_every_group_fits(opened: Any, made: Any, width: int) -> None:
    seen = opened(made(), width=width, dark=width == 1024)
    for button in seen.tab.locator(".fs-groups button").all():
        button.click()
        expect(button).to_have_attribute("aria-pressed", "true")
        assert seen.tab.evaluate("document.documentElement.scrollWidth") <= width
        for part in ("heads", "tokengrid", "pairs", "tokens", "caption"):
            wide = seen.tab.locator(f".fs-{part}").evaluate("n => n.scrollWidth - n.clientWidth")
            assert wide <= 0, part
    assert seen.complaints == []
