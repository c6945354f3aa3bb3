"""What if, on the real page: the clip is changed, a path is cut, and the target moves."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from app import trying
from app.modalities import cards, shares
from app.session import Run, reasoned
from app.wishes import CUT, OTHER, OUT, PICTURE, SOUND, SWAP, Wish, offered, paths
from core_models.clip import Modality
from explain.analysis import Analysis, toggle
from explain.attribute import attribute
from explain.export.bundle import watchable
from explain.methods.registry import find
from explain.modality import edits
from explain.modality.interventions import Effect, aimed, effect
from explain.modality.report import modalities
from explain.question import Question
from explain.targets import target
from tests.page import WAIT, analyse

RATHER = "people rather than music"
Place = tuple[float, float]
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


def drag(tab: Page, region: Locator, start: Place, end: Place) -> None:
    """In parts of the region."""
    region.scroll_into_view_if_needed()
    box = region.bounding_box()
    assert box is not None
    (x, y), (x2, y2) = (
        (box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in (start, end)
    )
    tab.mouse.move(x, y)
    tab.mouse.down()
    tab.mouse.move((x + x2) / 2, (y + y2) / 2)
    tab.mouse.move(x2, y2)
    tab.mouse.up()


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
    expect(tab.locator("#whatif-undo")).to_be_disabled()


def test_a_span_and_a_box_are_drawn(tab: Page, file: Path) -> None:
    effects = asked(tab, file)
    drag(tab, tab.locator("#whatif-sound .draw"), (0.0, 0.5), (0.5, 0.5))
    expect(tab.locator("#whatif-start input")).to_have_value("0", timeout=WAIT)
    expect(tab.locator("#whatif-end input")).to_have_value("1.5")
    choose(tab, "Blank the picture")
    expect(tab.locator("#whatif-sound")).to_be_hidden()
    mark = tab.locator("#whatif-strip .draw i")  # what was drawn on the sound is marked here too
    expect(mark).to_have_attribute("style", re.compile(r"right: (49|50)"), timeout=WAIT)
    drag(tab, tab.locator("#whatif-strip .draw"), (0.2, 0.5), (0.2, 0.5))  # a click clears
    expect(tab.locator("#whatif-end input")).to_have_value("")
    drag(tab, tab.locator("#whatif-frame .draw"), (0.75, 0.9), (0.25, 0.4))
    expect(tab.locator("#whatif-left input")).to_have_value("25", timeout=WAIT)
    attempt(tab)
    said = "A box of the picture (25–75% across, 40–90% down) is blanked."
    expect(row(effects, said)).to_be_visible(timeout=WAIT)


def test_words_are_left_out_and_others_used(tab: Page, file: Path) -> None:
    effects = asked(tab, file)
    choose(tab, "Leave words out")
    attempt(tab)
    expect(tab.locator("#whatif-progress")).to_contain_text("No word is marked", timeout=WAIT)
    tab.locator("#whatif-words").get_by_label("drums").check()
    attempt(tab)
    expect(row(effects, "“drums” is left out of the text.")).to_be_visible(timeout=WAIT)
    choose(tab, "Use other words")
    expect(tab.locator("#whatif-text textarea")).to_have_value("a man plays the drums")
    tab.locator("#whatif-text textarea").fill("a dog barks")
    attempt(tab)
    expect(row(effects, "The text is “a dog barks”.")).to_be_visible(timeout=WAIT)
    newest = effects.locator("tr:has(td)").first
    expect(newest).to_contain_text("a dog barks")


def test_the_sound_of_another_clip_is_taken(tab: Page, file: Path) -> None:
    effects = asked(tab, file)
    choose(tab, "Swap with another clip")
    attempt(tab)
    expect(tab.locator("#whatif-progress")).to_contain_text("Choose another clip", timeout=WAIT)
    tab.locator("#whatif-other input[type=file]").set_input_files(file)
    expect(tab.locator("#whatif-other")).to_contain_text("made", timeout=WAIT)
    tab.locator("#whatif-which").get_by_label("Sound").check()
    attempt(tab)
    same = row(effects, "The sound is that of")
    expect(same.locator("td").nth(2)).to_have_text("0.00", timeout=WAIT)


def test_a_cut_is_seen_from_the_target_asked(tab: Page, file: Path) -> None:
    effects = asked(tab, file)
    choose(tab, "Cut a path")
    attempt(tab)
    tried = row(effects, "Cut what the picture and the sound read of each other.").locator("td")
    expect(tried.nth(1)).to_have_text(re.compile(r"\d+%"), timeout=WAIT)
    before = tried.nth(2).inner_text()
    expect(tried.nth(2)).to_have_text(MOVED)
    tab.get_by_role("tab", name="Why").click()
    field = tab.locator("#why-target input")
    field.fill("people rather than music")
    field.press("Enter")
    tab.get_by_role("tab", name="Modalities").click()
    expect(effects).to_contain_text("for people rather than music", timeout=WAIT)
    expect(tried.nth(2)).not_to_have_text(before)


def test_nothing_is_offered_that_the_model_does_not_read(analysis: Analysis) -> None:
    assert offered(analysis) == [SOUND, PICTURE, OUT, OTHER, SWAP, CUT]
    silent = toggle(analysis, ["video", "text"])
    assert offered(silent) == [PICTURE, OUT, OTHER, SWAP, CUT]
    assert not any("audio" in name for _, name in paths(silent))
    assert len({name for name, _ in paths(analysis)}) == len(paths(analysis))


def test_another_target_is_the_same_as_asking_anew(analysis: Analysis) -> None:
    first, second = (Question(analysis, target(asked, analysis)) for asked in ("auto", RATHER))
    edit = edits.silence(analysis.clip)
    seen, anew = aimed(effect(first, edit), second.target, False), effect(second, edit)
    assert seen.target == anew.target
    assert seen.score == pytest.approx(anew.score, abs=1e-5)
    assert seen.chance == pytest.approx(anew.chance, abs=1e-5)


def test_what_is_tried_can_be_stopped(
    tab: Page, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = threading.Event()

    def endless(question: Question, wish: Wish) -> Iterator[Effect]:
        try:
            while not ended.wait(0.05):
                question.tick()
        finally:
            ended.set()
        yield from ()

    effects = asked(tab, file)
    monkeypatch.setattr(trying, "found", endless)
    tab.locator("#whatif-go").click()
    tab.locator("#whatif-stop").click(timeout=WAIT)
    expect(tab.locator("#whatif-progress")).to_contain_text("Stopped", timeout=5000)
    assert ended.wait(5)
    expect(tab.locator("#whatif-go")).to_be_enabled()
    expect(effects).not_to_contain_text("Tried")


def test_mm_shap_is_shown_with_shapley_values_of_the_same_target(
    analysis: Analysis, file: Path, tmp_path: Path
) -> None:
    run = Run("run", analysis, analysis, watchable(file, analysis.clip, tmp_path), tmp_path)
    asked, other = target("auto", analysis), target(RATHER, analysis)
    assert shares(run, asked) is None
    first: dict[Modality, float] = {}
    settings = {"token-kernel-shap": {"samples": 64}, "token-integrated-gradients": {"steps": 4}}
    for name, given in settings.items():
        method = find(name)
        *_, found = attribute(method, Question(analysis, asked), **given)
        run = reasoned(run, analysis, found, name)
        first = first or found.shares
        assert shares(run, asked) == first
    assert shares(run, other) is None
    report = modalities(Question(analysis, asked))
    shown, changed = cards(replace(run, told=report))
    assert "MM-SHAP" in shown and "MM-SHAP" not in changed
