"""Explanations in the viewer, from a file on disk: palettes, the shared scale, bands, numbers."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import expect

from core_models.clip import Modality, Word
from core_models.layout import BandGrid, FrameGrid, Grid, WordGrid
from explain.analysis import Analysis
from explain.attribution import Array, Attribution
from explain.spectrogram import heights, log_mel
from explain.targets import Target
from explain.viewer.scores import quantised, scored
from tests.viewer_run import SPANS, WORDS, Seen, captioned, synthetic

RED, BLUE = (192, 31, 64), (11, 111, 156)  # the strongest for and against
FRAMES, SIDE, BANDS = 4, 5, 4
HERTZ = np.array([0.0, 500.0, 1500.0, 4000.0, 11025.0])


def attribution(signed: bool = True, **changes: Any) -> Attribution:
    """Frames of 5 × 5 cells, ten spans of four bands, three words; nothing scored yet."""
    scores: dict[Modality, Array] = {
        "video": np.zeros(FRAMES * SIDE * SIDE, np.float32),
        "audio": np.zeros(SPANS * BANDS, np.float32),
        "text": np.zeros(len(WORDS), np.float32),
    }
    grids: dict[Modality, Grid] = {
        "video": FrameGrid(2 + (np.arange(FRAMES) + 0.5) * 8 / FRAMES, SIDE, SIDE),
        "audio": BandGrid(np.linspace(2, 10, SPANS + 1), BANDS, HERTZ),
        "text": WordGrid(tuple(Word(w) for w in WORDS), np.arange(len(WORDS))),
    }
    name = "integrated-gradients" if signed else "saliency"
    wanted = Target("music", "music", (0,))
    made = Attribution(name, wanted, "input", signed, scores, grids)
    return replace(made, **changes)


def explained(value: dict[str, Any], analysis: Analysis, *found: Attribution) -> dict[str, Any]:
    """A run with explanations, the newest first."""
    made = [scored(one, analysis, f"a{i}") for i, one in enumerate(found)]
    urls = [b64encode(one.content).decode() for one in made]
    value["meta"]["scores"] = [one.meta for one in made]
    value["scores"] = [{"url": f"data:application/octet-stream;base64,{url}"} for url in urls]
    return value


def colour(seen: Seen, canvas: str, across: float, down: float) -> tuple[int, ...]:
    """RGBA at a part of the width and of the height."""
    read = """([selector, x, y]) => {
      const canvas = document.querySelector(selector);
      const at = [Math.floor(x * (canvas.width - 1)), Math.floor(y * (canvas.height - 1))];
      return Array.from(canvas.getContext("2d").getImageData(...at, 1, 1).data);
    }"""
    return tuple(seen.tab.evaluate(read, [canvas, across, down]))


def near(found: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(found[:3], wanted, strict=True)) <= 12


def test_for_and_against_have_colours_of_their_own(opened: Any, analysis: Analysis) -> None:
    found = attribution()
    found.scores["audio"][: 3 * BANDS] = 2
    found.scores["audio"][-3 * BANDS :] = -2
    found.scores["text"][:] = (2, -2, 0)
    seen = opened(explained(synthetic(), analysis, found))
    assert (seen.data("look"), seen.data("why")) == ("scores", "r1:integrated-gradients:1.00")
    over = ".fs-sound .fs-over"
    first, last = colour(seen, over, 0.1, 0.5), colour(seen, over, 0.9, 0.5)
    assert near(first, RED) and near(last, BLUE) and first[3] > 180
    assert colour(seen, over, 0.5, 0.5)[3] == 0  # no score covers nothing
    chips = seen.tab.locator(".fs-words .fs-word")
    colours = [chips.nth(i).evaluate("e => e.style.getPropertyValue('--c')") for i in (0, 1)]
    assert colours == ["var(--for)", "var(--against)"]
    expect(seen.tab.locator(".fs-ink-lo")).to_have_text("against −2.00")
    expect(seen.tab.locator(".fs-about")).to_contain_text("what spoke for and against “music”")
    assert seen.complaints == []


def test_what_has_no_sign_is_drawn_as_heat(opened: Any, analysis: Analysis) -> None:
    found = attribution(signed=False)
    found.scores["audio"][:BANDS] = 1
    seen = opened(explained(synthetic(), analysis, found))
    assert near(colour(seen, ".fs-sound .fs-over", 0.05, 0.5), (252, 255, 164))
    assert seen.tab.locator(".fs-net").count() == 0
    expect(seen.tab.locator(".fs-ink-lo")).to_have_text("0")
    expect(seen.tab.locator(".fs-about")).to_contain_text("what mattered for “music”")


def test_one_scale_for_all_and_what_is_drawn_stronger_says_so(
    opened: Any, analysis: Analysis
) -> None:
    found = attribution()
    found.scores["text"][0] = 1.0
    found.scores["audio"][:] = 0.01
    seen = opened(explained(synthetic(), analysis, found))
    name = seen.tab.locator(".fs-sound-name small")
    expect(name).to_have_text("drawn × 100")
    stronger = colour(seen, ".fs-sound .fs-over", 0.5, 0.5)
    before = seen.data("painted")
    seen.tab.locator('[data-plain="1"]').click()
    seen.changed("painted", before)
    expect(name).to_have_text("")
    plain = colour(seen, ".fs-sound .fs-over", 0.5, 0.5)
    assert plain[3] < 12 and stronger[3] > 180
    shares = seen.tab.locator(".fs-shares").inner_text()
    assert "71%" in shares and "29%" in shares and "+0.40" in shares


def test_bands_lie_where_the_spectrogram_has_their_pitch(opened: Any, analysis: Analysis) -> None:
    found = attribution()
    found.scores["audio"].reshape(SPANS, BANDS)[4, 2] = 1.0  # 1500 to 4000 Hz, 5.2 to 6.0 s
    seen = opened(explained(synthetic(), analysis, found))
    low, high = heights(HERTZ[2:4], analysis.clip.rate)
    over = ".fs-sound .fs-over"
    inside = [colour(seen, over, 0.45, 1 - up)[3] for up in (low + 0.03, high - 0.03)]
    outside = [colour(seen, over, 0.45, 1 - up)[3] for up in (low - 0.03, high + 0.03)]
    beside = [colour(seen, over, across, 1 - (low + high) / 2)[3] for across in (0.38, 0.52)]
    assert min(inside) > 180 and max(outside + beside) == 0
    box = seen.tab.locator(".fs-sound").bounding_box()
    at = {"x": 0.45 * box["width"], "y": (1 - (low + high) / 2) * box["height"]}
    seen.tab.locator(".fs-sound").click(position=at)
    expect(seen.root).to_have_attribute("data-pin", f"audio:{4 * BANDS + 2}")
    expect(seen.tab.locator(".fs-read")).to_contain_text(
        "The sound 5.2–6.0 s, 1500–4000 Hz: +1.00, 100% of all"
    )


@pytest.mark.parametrize("hertz", [300.0, 1000.0, 4000.0])
def test_a_tone_stands_at_its_height(hertz: float) -> None:
    time = np.arange(22050) / 22050
    picture = log_mel(np.sin(2 * np.pi * hertz * time).astype(np.float32), 22050)
    row = int(picture[:, picture.shape[1] // 2].argmax())
    at = heights(np.array([hertz]), 22050)[0] * len(picture)
    assert row - 0.6 <= at <= row + 1.6  # within its band, or just beside


def test_finer_cells_than_the_attention_has(opened: Any, analysis: Analysis) -> None:
    found = attribution()
    found.scores["video"].reshape(FRAMES, SIDE, SIDE)[0, 4, 4] = -0.5
    seen = opened(explained(synthetic(), analysis, found))
    heat = seen.tab.locator(".fs-heat")
    seen.tab.locator(".fs-frames").click(position={"x": 4, "y": 10})  # the first frame
    box = heat.bounding_box()
    heat.click(position={"x": box["width"] - 3, "y": box["height"] - 3})
    expect(seen.tab.locator(".fs-read")).to_contain_text("row 5, column 5 at 3.0 s: −0.50")
    assert seen.data("pin") == "video:24"
    assert near(colour(seen, ".fs-heat", 0.93, 0.9), BLUE)


def test_the_switch_brings_the_attention_back(opened: Any, analysis: Analysis) -> None:
    found = attribution()
    found.scores["text"][0] = 1
    seen = opened(explained(synthetic(), analysis, found))
    expect(seen.tab.locator(".fs-drill")).to_be_hidden()
    scores = seen.data("painted")
    seen.tab.locator('.fs-looks [data-look="attention"]').click()
    seen.changed("painted", scores)
    assert seen.data("look") == "attention" and seen.data("lanes") == "video"
    expect(seen.tab.locator(".fs-drill")).to_be_visible()
    seen.root.focus()
    layer = seen.data("layer")
    seen.tab.keyboard.press("ArrowRight")
    seen.changed("layer", layer)
    seen.tab.locator('.fs-looks [data-look="scores"]').click()
    expect(seen.root).to_have_attribute("data-painted", scores or "")


def test_chips_choose_among_explanations(opened: Any, analysis: Analysis) -> None:
    new, old = attribution(), attribution(signed=False, target=Target("sports", "sports", (1,)))
    new.scores["audio"][0] = old.scores["text"][1] = 1
    seen = opened(explained(synthetic(), analysis, new, old))
    chips = seen.tab.locator(".fs-reason")
    assert [seen.data("scored"), chips.count()] == ["a0", 2]
    expect(chips.nth(1)).to_contain_text("“sports” · text 100")
    before = seen.data("painted")
    chips.nth(1).click()
    seen.changed("painted", before)
    assert (seen.data("scored"), seen.data("target")) == ("a1", "sports")
    expect(chips.nth(1)).to_have_attribute("aria-pressed", "true")


def test_a_blank_map_says_so(opened: Any, analysis: Analysis) -> None:
    seen = opened(explained(synthetic(), analysis, attribution()))
    expect(seen.tab.locator(".fs-faint")).to_have_text("This method found nothing for this target.")
    assert "NaN" not in seen.tab.locator("main").inner_text()
    assert seen.complaints == []


def test_a_single_modality_has_scores_where_it_has_no_attention(
    opened: Any, analysis: Analysis
) -> None:
    found = attribution()
    found.scores["video"][3] = 1
    seen = opened(explained(synthetic(()), analysis, found))
    expect(seen.tab.locator(".fs-shares")).to_be_visible()
    assert "video" in (seen.data("lanes") or "")


def test_a_word_of_the_caption_that_was_asked_about_is_marked(
    opened: Any, analysis: Analysis
) -> None:
    found = attribution()
    found.scores["text"][0] = 1
    value = explained(captioned(), analysis, found)
    value["meta"]["scores"][0]["words"] = [2]
    seen = opened(value)
    marked = seen.tab.locator(".fs-word.asked")
    expect(marked).to_have_text("plays")


def test_a_repaint_takes_about_one_frame(opened: Any, analysis: Analysis) -> None:
    found = attribution()
    found.scores["audio"][:] = np.linspace(-1, 1, SPANS * BANDS)
    seen = opened(explained(synthetic(), analysis, found))
    costs: list[float] = []
    for plain in "1010":
        before = seen.data("painted")
        seen.tab.locator(f'[data-plain="{plain}"]').evaluate("e => e.click()")
        seen.tab.locator(".fs-opacity").evaluate(
            "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }",
            0.5 + 0.1 * len(costs),
        )
        seen.changed("painted", before)
        costs.append(float(seen.data("cost") or "inf"))
    assert min(costs) < 50  # ms, on a busy machine


@pytest.mark.parametrize("signed", [True, False])
def test_bytes_give_the_scores_back_to_half_a_step(signed: bool) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=500).astype(np.float32)
    scores = scores if signed else np.abs(scores)
    data, most = quantised(scores, signed)
    back = most * (data.astype(float) - 128) / 127 if signed else most * data / 255.0
    assert np.abs(back - scores).max() <= most / (254 if signed else 510) + 1e-6
    assert quantised(np.zeros(3, np.float32), signed)[0].tolist() == [128 * signed] * 3
