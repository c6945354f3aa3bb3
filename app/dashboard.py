"""The page: its layout, and which action answers which event."""

from __future__ import annotations

import threading
from typing import Any

import gradio as gr

from app import api, comparing, modalities, storage
from app.actions import NO_COMPARISON, READER, Actions, Content
from app.explaining import Explaining
from app.jobs import Bounds, asker
from app.line import Line
from app.outputs import Sparing
from app.problems import guard_all
from app.sidebar import sidebar
from app.storage import Room
from app.store import Runs
from app.trusting import Trusting
from app.trying import WhatIf
from app.viewer import Viewer
from app.whatif import form
from app.why import tab
from core_models.registry import MODELS, find, pick_device

IN_BUNDLE = (
    "<p>Everything: the answer, what was asked why and its tests, all figures (PNG, SVG, PDF), the "
    "clip with each map laid over it (MP4), numbers (NPZ, CSV, JSON), the manifest to replay it, "
    "and the report. The report alone is one HTML file with this viewer inside; it opens without a "
    "server.</p>"
)
CLICK = "() => setTimeout(() => document.querySelector('#download').click(), 50)"


class Dashboard(Sparing):
    """The page, and what it works with. ready: the models are loaded."""

    def __init__(self, line: Line, runs: Runs) -> None:
        super().__init__(title="FusionScope", fill_width=True, analytics_enabled=False)
        self.line, self.runs = line, runs
        self.ready, self.closed = threading.Event(), threading.Event()

    def close(self, verbose: bool = True) -> None:
        """Stop serving; no run is kept."""
        super().close(verbose)
        self.closed.set()
        self.runs.close()

    def bring(self, path: str | None, request: gr.Request) -> None:
        """A file was chosen, which stays as long as its page."""
        self.runs.bring(asker(request), path)

    def leave(self, request: gr.Request) -> None:
        """A page was closed: its work ends, and what is of it is not kept long."""
        self.line.end(asker(request))
        self.runs.leave(asker(request))


def build(
    model: str = MODELS[0].name,
    device: str = "auto",
    bounds: Bounds = Bounds(),  # noqa: B008
    room: Room = Room(),  # noqa: B008
) -> Dashboard:
    """The dashboard, with its own store of runs and queue.

    ValueError says in one sentence when there is no such model or device.
    """
    place, _ = pick_device(device), find(model)
    storage.root()
    line, runs = Line(bounds), Runs(room=room)
    names = list(dict.fromkeys([model, *(info.name for info in MODELS)]))
    abouts = {info.name: info.about for info in MODELS}
    with Dashboard(line, runs) as page:
        run = gr.State("")
        with gr.Row(elem_id="shell", equal_height=False):
            with gr.Column(elem_id="side", scale=0):
                side = sidebar(names, abouts, place, line, runs.ahead)
            with gr.Column(elem_id="content"):
                message = gr.HTML(elem_id="message")
                answer = gr.HTML(elem_id="answer")
                reader = gr.Button(
                    f"Let {READER} read this caption", visible=False, size="sm", elem_id="reader"
                )
                with gr.Column(elem_id="viewer-card"):
                    viewer = Viewer(elem_id="viewer")
                with gr.Tabs(elem_id="tabs"):
                    with gr.Tab("Why"):
                        why = tab()
                    with gr.Tab("Modalities"):
                        panel, changing = modalities.tab(), form()
                    with gr.Tab("Compare"):
                        pair = comparing.tab()
                        compared = gr.HTML(NO_COMPARISON, elem_id="compare")
                    with gr.Tab("Export"):
                        gr.HTML(IN_BUNDLE)
                        with gr.Row(elem_id="exports"):
                            everything = gr.Button("Everything (zip)", elem_id="export-zip")
                            report = gr.Button("Report (HTML)", elem_id="export-report")
                        command = gr.HTML(elem_id="command")
                        download = gr.DownloadButton(visible="hidden", elem_id="download")
        content = Content(run, message, answer, viewer, compared, reader, command, download)
        api.add(runs, line, place, names)
        actions = Actions(runs, line, place, side, content)
        explaining = Explaining(runs, line, why, viewer)
        trusting, what_if = Trusting(runs, line, why), WhatIf(runs, line, changing)
        # The listeners of a button follow each other: what ends comes before what begins.
        for button, end in ((side.go, explaining), (side.go, trusting), (why.go, trusting)):
            button.click(end.stop, why.busy, None, queue=False, api_visibility="private")
        side.go.click(what_if.stop, changing.busy, None, queue=False, api_visibility="private")
        explained, picked, changes = explaining.wire(run, _wire(actions))
        trusting.wire(run, explained, picked, changes)
        modalities.wire(
            runs, line, run, why, [panel, changing.effects], [*changes, explained, picked]
        )
        what_if.wire(run, why.target, changes)
        comparing.Comparing(runs, why, pair).wire(run, [explained, picked, *changes])
        for button, kind in ((everything, "zip"), (report, "report")):
            button.click(
                actions.export(kind),
                run,
                download,
                concurrency_limit=None,
                api_visibility="private",
            ).success(None, js=CLICK)
        quiet: dict[str, Any] = {"queue": False, "api_visibility": "private"}
        for given in (side.clip, side.subtitles, changing.fields["other"]):
            given.change(page.bring, given, None, show_progress="hidden", **quiet)
        page.unload(page.leave)
    guard_all(page)
    return page


def _wire(actions: Actions) -> list[Any]:
    """The events after which there is another run, or the same with other streams."""
    side, content = actions.side, actions.content
    answers = [content.message, content.answer, content.viewer, content.compared, content.reader]
    buttons = [side.go, side.stop]
    screen = [*answers, content.command, side.status, *buttons, *side.streams]
    job: dict[str, Any] = {
        "concurrency_limit": None,
        "show_progress_on": [content.message],
        "trigger_mode": "multiple",  # "once" would swallow a click right after a stop
        "api_visibility": "private",
    }
    filled = [content.run, side.model, *screen]
    jobs: list[Any] = [
        side.go.click(actions.analyse, side.asked, filled, **job),
        content.reader.click(actions.read_caption, [content.run, *side.asked], filled, **job),
    ]
    side.stop.click(
        actions.stopped,
        None,
        [content.message, *buttons],
        cancels=jobs,
        queue=False,
        api_visibility="private",
    )
    film: dict[str, Any] = {
        "inputs": content.run,
        "outputs": [content.viewer, content.message],
        "concurrency_limit": None,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    content.viewer.unplayable(actions.refilm, **film)
    for analysed in jobs:
        analysed.then(actions.look, **film)
    toggles = [
        stream.input(
            actions.toggle,
            [content.run, *side.streams],
            screen,
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
        )
        for stream in side.streams
    ]
    return [*jobs, *toggles]
