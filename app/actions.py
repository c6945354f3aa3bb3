"""What the page does when it is asked to: each action fills the components it concerns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import Any

import gradio as gr
import torch

from app.analysing import Asked, Stage, stages
from app.jobs import aside, asker, once
from app.line import BusyError, Line
from app.problems import problem, told
from app.session import Run, command, exported, film, filmed, shown, switched
from app.sidebar import MODEL, Sidebar
from app.store import Runs
from app.viewer import Viewer
from app.waiting import queued
from core_models.clip import MODALITIES, Modality
from core_models.interface import Decoding
from core_models.media import MediaError
from explain.render.cards import compare, first_look

READER = "caam-msrvtt"  # reads what a captioner wrote
STOPPED = "<p>Stopped; what was there before is kept.</p>"
GONE = (
    '<div class="problem" role="alert">This run is no longer kept; press Analyse to have it '
    "again.</div>"
)
NO_COMPARISON = (
    "<p>Switch video, sound or text off on the left: the answer before and after appears here, "
    "side by side, with the change of every category.</p>"
)


@dataclass(frozen=True, eq=False)
class Content:
    """The components of the right column that the actions fill."""

    run: gr.State
    message: gr.HTML
    answer: gr.HTML
    viewer: Viewer
    compared: gr.HTML
    reader: gr.Button
    command: gr.HTML
    download: gr.DownloadButton


@dataclass(frozen=True, eq=False)
class Actions:
    """The handlers of one page, over one store of runs and one device."""

    runs: Runs
    line: Line
    device: torch.device
    side: Sidebar
    content: Content

    def analyse(
        self,
        request: gr.Request,
        path: str | None,
        text: str,
        subtitles: str | None,
        model: str,
        start: float,
        length: float,
        filled: str,
        beams: int,
        max_length: int,
        repetition: float,
        *streams: bool,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
        captioned_by: str | None = None,
    ) -> Iterator[dict[Any, Any]]:
        """Decode, encode, fuse."""
        message, job = self.content.message, None
        text = "" if text == filled else text  # what is heard is described again, and called so
        decoding = Decoding(int(beams), max_length=int(max_length), repetition=repetition)
        try:
            if not path:
                raise MediaError("Choose a clip first.")
            on = ticked(streams)
            asked = Asked(path, text, subtitles, model, start, length, decoding, on, captioned_by)
            job = self.line.enter(asker(request), "analyse")
            yield {message: "", **self.buttons(busy=True)}
            for found in job.follow(stages(job, self.runs, self.device, asked)):
                if isinstance(found, Run):
                    yield {self.content.run: found.id, **self.screen(found)}
                    return
                stage = job.latest if isinstance(job.latest, Stage) else Stage(0, "Waiting")
                waits = queued(job)
                progress(stage.done, desc=f"{stage.doing} · {waits}" if waits else stage.doing)
                yield {message: ""}
            yield {message: STOPPED, **self.buttons(busy=False)}
        except Exception as error:
            yield {message: problem(error), **self.buttons(busy=False)}
        finally:
            if job is not None:
                job.halt()

    def read_caption(self, key: str, request: gr.Request, *asked: Any) -> Iterator[dict[Any, Any]]:
        """The reader's answer, with the caption of this run as its text."""
        run = self.runs.get(key)
        if run is None:
            yield {self.content.message: GONE}
            return
        given = list(asked)
        given[MODEL] = READER
        yield {self.side.model: READER}
        yield from self.analyse(request, *given, captioned_by=run.arguments["model"])

    def toggle(self, key: str, request: gr.Request, *streams: bool) -> Iterator[dict[Any, Any]]:
        """The fusion again, with what is switched on now."""
        run = self.runs.get(key)
        if run is None:
            yield {self.content.message: GONE if key else ""}
            return
        job = None
        try:
            job = self.line.enter(asker(request), "toggle")
            work = partial(self._switch, run, ticked(streams), job.tick)
            with self.runs.using(run):
                for _ in job.follow(once(work)):
                    yield {self.content.message: ""}
            run = self.runs.get(key)  # as the last of several switches left it
            if job.latest is not None and run is not None:
                yield self.screen(run)
        except Exception as error:
            yield {self.content.message: problem(error)}
        finally:
            if job is not None:
                job.halt()

    def _switch(self, run: Run, on: tuple[Modality, ...], tick: Callable[[], None]) -> Run | None:
        made = switched(run, on, tick)
        if made.now is run.now:
            return run
        now, of, view = made.now, made.told, made.view
        return self.runs.change(run.id, lambda kept: replace(kept, now=now, told=of, view=view))

    def look(self, key: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """Whether browsers play the clip to its end; else a copy that they do."""
        yield from self._film(key, request, copy=False)

    def refilm(self, key: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """The browser cannot play the clip: a copy that it can."""
        yield from self._film(key, request, copy=True)

    def _film(self, key: str, request: gr.Request, copy: bool) -> Iterator[dict[Any, Any]]:
        run, job = self.runs.get(key), None
        if run is None or run.footage.ours or (run.footage.sure and not copy):
            return
        try:
            job = self.line.enter(asker(request), "copy" if copy else "look through")
            check = job.check
            with self.runs.using(run):
                for _ in job.follow(aside(job, lambda: film(run, copy, check)), False):
                    yield {self.content.viewer: gr.skip()}
                if (footage := job.latest) is not None:
                    made = self.runs.change(key, lambda kept: filmed(kept, footage))
                    if footage.path != run.footage.path:
                        yield {self.content.viewer: shown(made or run)}
        except (BusyError, MediaError):
            return  # frames stand in for the film; an export looks again
        except Exception as error:
            yield {self.content.message: problem(error)}
        finally:
            if job is not None:
                job.halt()

    def export(self, kind: str) -> Callable[..., Iterator[dict[Any, Any]]]:
        """The action that makes one file to download."""

        def make(key: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
            run, job = self.runs.get(key), None
            if run is None:
                raise gr.Error("Analyse a clip first; then it can be exported.", title="Export")
            try:
                job = self.line.enter(asker(request), f"export {kind}")
                tick, button = job.tick, self.content.download
                with self.runs.using(run):
                    for _ in job.follow(aside(job, lambda: exported(run, kind, tick), True), False):
                        yield {button: gr.skip()}
                    yield {button: gr.DownloadButton(value=job.latest)}
            except Exception as error:
                raise told(error, "Export") from None
            finally:
                if job is not None:
                    job.halt()

        return make

    def screen(self, run: Run) -> dict[Any, Any]:
        """Everything on the page that depends on the run."""
        before, content = run.before, self.content
        typed = command(run)
        where = f"{self.device.type.upper()} · {run.full.seconds:.1f} s · run {run.id[:4]}"
        return {
            content.message: "",
            content.reader: gr.Button(visible=run.full.caption is not None),
            content.answer: first_look(run.now, before),
            content.viewer: shown(run),
            content.compared: NO_COMPARISON if before is None else compare(run.now, before),
            content.command: f"<p>The same from the command line:</p><pre>{escape(typed)}</pre>",
            self.side.status: f"<p>{where}</p>",
            **self.buttons(busy=False),
            **{
                box: gr.Checkbox(elem_classes=missing(run, m))
                for box, m in zip(self.side.streams, MODALITIES, strict=True)
            },
        }

    def stopped(self) -> dict[Any, Any]:
        return {self.content.message: STOPPED, **self.buttons(busy=False)}

    def buttons(self, busy: bool) -> dict[Any, Any]:
        """One job at a time: while it runs it can be stopped, not started again."""
        label = "Analysing…" if busy else "Analyse"
        return {
            self.side.go: gr.Button(label, interactive=not busy),
            self.side.stop: gr.Button(visible=busy),
        }


def missing(run: Run, m: Modality) -> list[str]:
    """The classes of a modality's box: whether the clip has it, and the model reads it."""
    if m in run.full.present:
        return []
    return ["absent", "unread"] if m in run.full.clip.modalities else ["absent"]


def ticked(streams: tuple[bool, ...]) -> tuple[Modality, ...]:
    return tuple(m for m, on in zip(MODALITIES, streams, strict=True) if on)
