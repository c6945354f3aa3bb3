"""The real page in a real browser: upload, analyse, slide, toggle, export, and bad files."""

from __future__ import annotations

import re
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app import analysing
from core_models import conversation, media
from core_models.clip import Clip
from core_models.media import load_clip
from explain.export import bundle
from tests.media_files import even, make_clip, tone
from tests.page import WAIT, analyse, changed, report_opens, upload, viewer


def test_the_whole_path(tab: Page, file: Path, tmp_path: Path) -> None:
    expect(tab.locator("#use-text")).to_have_class(re.compile("absent"))
    root = analyse(tab, file, "a man plays the drums")
    expect(tab.locator("#use-text")).not_to_have_class(re.compile("absent"))
    answer = tab.locator("#answer")
    assert answer.locator(".fc-bar").count() == 5
    expect(answer).to_contain_text("a man plays the drums")
    assert tab.locator("#answer b b, #poster b").count() == 0  # the file's name is text
    assert root.locator(".fs-pair[data-pair]:enabled").count() == 6

    # What follows an analysis by itself is over once the modalities are told apart.
    tab.get_by_role("tab", name="Modalities").click()
    expect(tab.locator("#modalities .fm-panel")).to_be_visible(timeout=WAIT)

    # A layer change repaints, and asks the server nothing.
    asked: list[str] = []
    tab.on("request", lambda r: asked.append(r.url))
    painted, layer = root.get_attribute("data-painted"), root.get_attribute("data-layer")
    slider = root.locator(".fs-layer")
    slider.focus()
    slider.press("ArrowLeft" if layer == "5" else "ArrowRight")
    assert changed(root, "layer", layer) != layer
    changed(root, "painted", painted)
    assert not [url for url in asked if "queue" in url or "/call" in url]

    # Sound off: other maps, an answer beside the one before, on the same scale.
    ready = root.get_attribute("data-ready")
    tab.locator("#use-sound label").click()
    changed(root, "ready", ready)
    expect(answer).to_contain_text("before, with video + sound + text")
    tab.get_by_role("tab", name="Compare").click()
    expect(tab.locator("#compare .fc-compare tr")).to_have_count(21)
    assert root.locator(".fs-pair[data-pair]:enabled").count() == 2
    expect(answer).to_contain_text("The sound is switched off")

    # Everything that is on screen can be taken home.
    tab.get_by_role("tab", name="Export").click()
    expect(tab.locator("#command pre")).to_contain_text("--without audio --out")
    with tab.expect_download(timeout=WAIT) as coming:
        tab.locator("#export-zip").click()
    coming.value.save_as(tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = set(archive.namelist())
        assert {"prediction.json", "attention.npz", "report.html", "manifest.json"} <= names
        archive.extract("report.html", tmp_path)
    report_opens(tab, tmp_path / "report.html")


def test_a_new_clip_replaces_the_old(tab: Page, file: Path, tmp_path: Path) -> None:
    root = analyse(tab, file)
    first = root.get_attribute("data-ready")
    other = make_clip(tmp_path / "other.webm", even(2, 8), codec="libvpx", wave=tone(2, 48000),
                      rate=48000, sound_codec="libopus", options={})  # fmt: skip
    tab.locator("#clip").get_by_label("Clear").click()
    upload(tab, other)
    tab.locator("#analyse").click()
    changed(root, "ready", first)
    expect(tab.locator("#poster")).to_contain_text("other.webm")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("empty.mp4", b"", "empty"), ("text.mp4", b"no film at all\n" * 50, "not a video")],
)
def test_a_bad_file_is_one_sentence_and_the_next_clip_works(
    tab: Page, file: Path, tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    bad = tmp_path / name
    bad.write_bytes(content)
    upload(tab, bad)
    tab.locator("#analyse").click()
    problem = tab.locator("#message .problem")
    expect(problem).to_contain_text(said, timeout=WAIT)
    assert "Traceback" not in tab.content()
    tab.locator("#clip").get_by_label("Clear").click()
    analyse(tab, file)
    expect(problem).to_have_count(0)


def test_a_film_that_the_browser_fails_at_gets_a_copy(
    tab: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = make_clip(tmp_path / "odd.mp4", even(2, 10), codec="mpeg4", options={})
    monkeypatch.setattr(bundle, "playable", lambda *_: True)  # as of one whose damage is not seen
    root = analyse(tab, odd)
    film = root.locator("video")
    expect(film).to_have_attribute("src", re.compile(r"preview\.mp4$"), timeout=WAIT)
    expect(film).to_be_visible(timeout=WAIT)
    assert film.evaluate("e => e.videoWidth") > 0


def test_a_film_that_is_damaged_further_on_gets_a_copy_behind_the_first_look(
    tab: Page, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(bundle, "playable", lambda *_: not goes_on.wait(30))
    film = analyse(tab, file).locator("video")
    assert "preview" not in str(film.get_attribute("src"))
    goes_on.set()
    expect(film).to_have_attribute("src", re.compile(r"preview\.mp4$"), timeout=WAIT)
    expect(film).to_be_visible(timeout=WAIT)


def test_a_clip_is_read_once(tab: Page, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(task: str, *of: Any, **more: Any) -> Any:
        asked.append(task)
        return conversation.ask(task, *of, **more)

    monkeypatch.setattr(media, "ask", ask)
    analyse(tab, file)
    assert asked[0] == "glance" and "load" not in asked
    ready = viewer(tab).get_attribute("data-ready")
    tab.locator("#analyse").click()
    changed(viewer(tab), "ready", ready)
    assert asked.count("load") == 1  # what was read is kept for one analysis


def test_the_example_can_be_tried(tab: Page) -> None:
    tab.locator("#example").click()
    expect(tab.locator("#poster img")).to_be_visible(timeout=WAIT)
    tab.locator("#analyse").click()
    root = viewer(tab)
    expect(root).to_have_attribute("data-ready", re.compile(".+"), timeout=WAIT)
    assert root.locator(".fs-pair[data-pair*='<-']:enabled").count() == 6


def test_nothing_chosen_and_nothing_left(tab: Page, file: Path) -> None:
    tab.locator("#analyse").click()
    expect(tab.locator("#message")).to_contain_text("Choose a clip first", timeout=WAIT)
    root = analyse(tab, file)
    ready = root.get_attribute("data-ready")
    tab.locator("#use-video label").click()
    changed(root, "ready", ready)
    tab.locator("#use-sound label").click()
    expect(tab.locator("#message")).to_contain_text("Nothing is left", timeout=WAIT)


def test_a_long_clip_offers_a_window(tab: Page, tmp_path: Path) -> None:
    long = make_clip(tmp_path / "long.mp4", even(40, 5), size=(96, 64), wave=tone(40, 22050),
                     rate=22050)  # fmt: skip
    tab.locator("#clip input[type=file]").set_input_files(long)
    expect(tab.locator("#window-strip img")).to_be_visible(timeout=WAIT)
    start = tab.locator("#start input[type=number]")
    start.fill("12")
    start.press("Tab")
    length = tab.locator("#length input[type=number]")
    length.fill("6")
    length.press("Tab")
    tab.locator("#analyse").click()
    root = viewer(tab)
    expect(root).to_have_attribute("data-ready", re.compile(".+"), timeout=WAIT)
    mark = tab.locator("#window-strip i").evaluate("e => [e.style.left, e.style.right]")
    assert mark == ["30%", "55%"]
    assert 12 <= float(root.get_attribute("data-time") or 0) <= 18
    expect(root.locator(".fs-clock")).to_contain_text("6.0 s")


def test_a_job_can_be_stopped_and_the_next_one_works(
    tab: Page, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(*args: Any, **options: Any) -> Clip:
        entered.set()
        leave.wait(30)
        return load_clip(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(analysing, "load_clip", slow)
        upload(tab, file)
        tab.locator("#analyse").click()
        assert entered.wait(30)
        tab.locator("#stop").click()
        expect(tab.locator("#message")).to_contain_text("Stopped", timeout=WAIT)
    root = viewer(tab)
    assert root.get_attribute("data-ready") is None
    tab.locator("#analyse").click()  # while the first is still on its way out
    expect(root).to_have_attribute("data-ready", re.compile(".+"), timeout=WAIT)
    leave.set()
