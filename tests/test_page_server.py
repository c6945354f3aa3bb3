"""The page as a shared server: words are text, sessions are apart, and all stops in time."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import torch
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from playwright.sync_api import Browser, Page, expect

from app import analysing, explaining, spare
from app.dashboard import Dashboard, build
from app.jobs import once
from app.launch import launch
from app.session import begin
from core_models.clip import Clip
from explain.attribute import attribute
from explain.question import Question
from tests.media_files import even, make_clip, tone
from tests.page import WAIT, analyse, report_opens, upload, viewer
from tests.waiting import until

EVIL = "<img src=x onerror=window.hit=1>"
METHOD = "token-integrated-gradients"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Dashboard, str]]:
    """A server of our own, whose insides can be looked at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = build(device="cpu")
    yield page, launch(page, port=port)
    page.close()


@pytest.fixture
def own(browser: Browser, served: tuple[Dashboard, str]) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(served[1], wait_until="domcontentloaded")
    expect(page.locator("#analyse")).to_be_visible(timeout=WAIT)
    yield page
    context.close()


def test_names_tags_and_words_are_text_in_page_and_report(tab: Page, tmp_path: Path) -> None:
    path = make_clip(tmp_path / f"{EVIL}.mp4", even(2, 8), wave=tone(2, 44100))
    subtitles = tmp_path / f"{EVIL}.srt"
    subtitles.write_text(f"1\n00:00:00,000 --> 00:00:02,000\n{EVIL.replace('img', '&lt;img')}\n")
    tab.locator("#subtitles-box button").first.click()
    tab.locator("#subtitles input[type=file]").set_input_files(subtitles)
    root = analyse(tab, path)
    tab.get_by_role("tab", name="Export").click()
    expect(tab.locator("#command pre")).to_contain_text("--subtitles")
    expect(root).to_contain_text("onerror")
    with tab.expect_download(timeout=WAIT) as download:
        tab.locator("#export-report").click()
    assert re.fullmatch(r"[\w.-]+\.html", download.value.suggested_filename)
    report = tmp_path / "report.html"
    download.value.save_as(report)
    assert "<img src=x" not in report.read_text()
    report_opens(tab, report)
    assert tab.evaluate("window.hit") is None
    assert tab.locator("img[src=x]").count() == 0


def test_no_script_runs_that_was_not_in_the_page(own: Page) -> None:
    own.evaluate(
        """() => {
          document.body.insertAdjacentHTML('beforeend', '<img src="x" onerror="window.hit = 1">');
          const script = document.createElement('script');
          script.textContent = 'window.hit = 1';
          document.body.append(script);
        }"""
    )
    expect(own.locator("img[src=x]")).to_have_count(1)
    own.wait_for_timeout(500)
    assert own.evaluate("window.hit") is None


def test_a_run_belongs_to_its_session(served: tuple[Dashboard, str], file: Path) -> None:
    mine, other = (Client(served[1], verbose=False) for _ in range(2))
    run = mine.predict(handle_file(file), "a man", api_name="/analyse")["run"]
    for end, given in (
        ("/attribute", (run, METHOD)),
        ("/compare", (run,)),
        ("/export", (run,)),
    ):
        with pytest.raises(AppError, match="There is no such run"):
            other.predict(*given, api_name=end)
    assert mine.predict(run, without=["audio"], api_name="/compare")["before"]
    for client in (mine, other):
        client.close()


def endless(started: threading.Event) -> Callable[..., Iterator[object]]:
    def attribute(method: object, question: Question, **settings: object) -> Iterator[object]:
        while True:
            started.set()
            question.tick()
            time.sleep(0.02)
        yield

    return attribute


@pytest.mark.parametrize("stage", ["reading", "encoding", "explaining"])
def test_a_closed_tab_ends_its_work(
    own: Page,
    served: tuple[Dashboard, str],
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
) -> None:
    page, started = served[0], threading.Event()

    def slow_reading(*given: object, known: object) -> Clip:
        tick = given[-1].tick  # type: ignore[attr-defined]
        while True:
            started.set()
            tick()
            time.sleep(0.02)

    def slow_encoding(*given: object) -> object:
        while True:
            started.set()
            given[-1]()  # type: ignore[operator]
            time.sleep(0.02)

    if stage == "explaining":
        monkeypatch.setattr(explaining, "attribute", endless(started))
        analyse(own, file)
        own.locator("#why-run").click()
    else:
        upload(own, file)
        name, work = {
            "reading": ("load_clip", slow_reading),
            "encoding": ("begin", slow_encoding),
        }[stage]
        monkeypatch.setattr(analysing, name, work)
        own.locator("#analyse").click()
    assert started.wait(60)
    own.close()
    took = until(lambda: not page.line.jobs, 10)
    assert page.line.holder is None and took < 3


def test_a_client_that_hangs_up_ends_its_work(
    served: tuple[Dashboard, str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, started = served[0], threading.Event()
    client = Client(served[1], verbose=False)
    run = client.predict(handle_file(file), "", api_name="/analyse")["run"]
    monkeypatch.setattr("app.api.attribute", endless(started))
    sent = {"data": [run, METHOD], "session_hash": client.session_hash}
    number = next(i for i, e in client.endpoints.items() if e.api_name == "/attribute")
    with httpx.Client(base_url=served[1], timeout=60) as link:
        body = {**sent, "data": [run, METHOD, "auto", {}], "fn_index": number}
        link.post("gradio_api/queue/join", json=body).raise_for_status()
        asks = {"session_hash": client.session_hash}
        with link.stream("GET", "gradio_api/queue/data", params=asks) as stream:
            lines = stream.iter_lines()  # dropped, it would hang up at once
            next(lines)
            assert started.wait(60)
    took = until(lambda: not page.line.jobs, 10)
    assert took < 4
    client.close()


def test_a_handler_that_breaks_does_not_end_the_server(
    own: Page, served: tuple[Dashboard, str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(own, file)
    for error, said in ((SystemExit(1), "Something went wrong"), (MemoryError(), "enough memory")):

        def fails(*given: object, error: BaseException = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(analysing, "begin", fails)
            own.locator("#analyse").click()
            expect(own.locator("#message .problem")).to_contain_text(said, timeout=WAIT)
    own.locator("#analyse").click()
    expect(viewer(own)).to_have_attribute("data-ready", re.compile(".+"), timeout=WAIT)
    assert httpx.get(f"{served[1]}healthz").status_code == 200


def test_too_little_memory_of_the_accelerator_is_said_and_done_without(
    own: Page, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def first_full(method: object, question: Question, **settings: object) -> Iterator[object]:
        asked.append(question.lean)
        if len(asked) < 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        yield from attribute(method, question, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(explaining, "attribute", first_full)
    fails = iter([True, True, False])

    def full(*given: object) -> object:
        if next(fails):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return begin(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(analysing, "begin", full)
    root = analyse(own, file)
    expect(own.locator("#answer")).to_contain_text(spare.ON_CPU, timeout=WAIT)
    own.locator("#why-run").click()
    expect(own.locator("#why-facts")).to_contain_text(spare.ON_CPU, timeout=WAIT)
    assert asked == [False, True, True]
    assert root.get_attribute("data-ready")


def test_a_full_queue_says_so(own: Page, served: tuple[Dashboard, str], file: Path) -> None:
    upload(own, file)
    line = served[0].line
    others = [line.enter(f"other {i}", "work") for i in range(line.bounds.jobs - len(line.jobs))]
    try:
        own.locator("#analyse").click()
        said = own.locator("#message .problem")
        expect(said).to_contain_text("The server is full: 32 jobs", timeout=WAIT)
    finally:
        for job in others:
            job.halt()


def test_the_place_in_the_queue_is_shown(
    own: Page, served: tuple[Dashboard, str], file: Path
) -> None:
    upload(own, file)
    line, leave = served[0].line, threading.Event()
    other = line.enter("other", "work")
    other.start(once(leave.wait))  # in one step, so it gives way to nobody
    try:
        until(lambda: line.holder is other, 10)
        own.locator("#analyse").click()
        place = own.get_by_text(re.compile(r"1 before you, about \d+ s to wait"))
        expect(place.first).to_be_visible(timeout=WAIT)
    finally:
        leave.set()
    expect(viewer(own)).to_have_attribute("data-ready", re.compile(".+"), timeout=WAIT)


def test_a_killed_server_leaves_nothing_and_starts_again(tmp_path: Path, file: Path) -> None:
    """kill -9 in the middle of a job, a preview half written and a decoder at work."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}/"

    def start() -> subprocess.Popen[bytes]:
        place = {**os.environ, "TMPDIR": str(tmp_path)}
        place.pop("GRADIO_TEMP_DIR", None)
        command = [sys.executable, "app.py", "--port", str(port), "--device", "cpu"]
        server = subprocess.Popen(command, cwd=Path(__file__).parents[1], env=place)

        def ready() -> bool:
            assert server.poll() is None
            try:
                return httpx.get(f"{base}readyz").status_code == 200
            except httpx.HTTPError:
                return False

        until(ready, 240)
        return server

    def folders() -> list[Path]:
        return list(tmp_path.glob("fusionscope-*/files/runs/*/*"))

    server = start()
    client = Client(base, verbose=False)
    job = client.submit(handle_file(file), "a man", api_name="/analyse")
    until(lambda: bool(folders()), 60)
    server.send_signal(signal.SIGKILL)
    server.wait()
    old = list(tmp_path.glob("fusionscope-*"))
    assert len(old) == 1
    with pytest.raises(Exception):  # noqa: B017 - however the client says it
        job.result(10)
    again = start()
    try:
        new = list(tmp_path.glob("fusionscope-*"))
        assert len(new) == 1 and new != old
        for path in (*folders(), *tmp_path.glob("fusionscope-*/files/*")):
            assert new[0] in path.parents
        fresh = Client(base, verbose=False)
        assert fresh.predict(handle_file(file), "a man", api_name="/analyse")["answer"]
        fresh.close()
    finally:
        again.send_signal(signal.SIGINT)
        assert again.wait(60) in (0, -signal.SIGINT)
    assert list(tmp_path.glob("fusionscope-*")) == []


def test_a_shared_server_takes_a_password(file: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    page = build(device="cpu")
    at = launch(page, port=port, accounts={"ada": "secret"})
    try:
        for path in ("config", "gradio_api/info", "gradio_api/queue/data?session_hash=x"):
            assert httpx.get(f"{at}{path}").status_code == 401
        login = {"username": "ada", "password": "wrong"}
        begun = time.monotonic()
        assert httpx.post(f"{at}login", data=login).status_code == 400
        assert time.monotonic() - begun >= 1
        client = Client(at, auth=("ada", "secret"), verbose=False)
        assert client.predict(handle_file(file), "", api_name="/analyse")["answer"]
        client.close()
    finally:
        page.close()
