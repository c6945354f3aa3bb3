"""What the page does when it is asked to: each action fills the components it concerns."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import wait
from dataclasses import asdict, dataclass
from html import escape
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
import torch

from app.jobs import WORKERS
from app.problems import problem, sentence
from app.session import Run, Runs, begin, command, exported, shown, switched
from app.sidebar import MODEL, Sidebar
from app.viewer import Viewer
from core_models.clip import MODALITIES, Modality
from core_models.interface import Decoding
from core_models.media import MediaError, load_clip
from core_models.registry import load
from explain.analysis import captioned
from explain.render.cards import compare, first_look

READER = "caam-msrvtt"  # reads what a captioner wrote
T = TypeVar("T")
STOPPED = "<p>Stopped; what was there before is kept.</p>"
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
    device: torch.device
    side: Sidebar
    content: Content

    def analyse(
        self,
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
        message = self.content.message
        text = "" if text == filled else text  # what is heard is described again, and called so
        decoding = Decoding(int(beams), max_length=int(max_length), repetition=repetition)
        try:
            if not path:
                raise MediaError("Choose a clip first.")
            progress(0.05, desc="Loading the model")
            yield {message: "", **self.buttons(busy=True)}
            chosen = yield from self.meanwhile(lambda: load(model, self.device))
            progress(0.15, desc="Reading the clip")
            until = length or None
            clip = yield from self.meanwhile(
                lambda: load_clip(path, text, subtitles, chosen.frames, start=start, length=until)
            )
            if captioned_by:
                progress(0.3, desc=f"{captioned_by} writes a caption")
                writer = yield from self.meanwhile(lambda: load(captioned_by, self.device))
                read = clip
                clip = yield from self.meanwhile(lambda: captioned(writer, read))
            progress(0.4, desc=f"Looking at {len(clip.frames)} frames")
            kept = {
                "clip": Path(path).name,
                "model": model,
                "text": text,
                "subtitles": Path(subtitles).name if subtitles else None,
                "start": start,
                "length": until,
                "frames": chosen.frames,
                "device": self.device.type,
                "captioned_by": captioned_by,
                **asdict(decoding),
            }
            folder = self.runs.folder()
            run = yield from self.meanwhile(
                lambda: begin(chosen, clip, Path(path), folder, ticked(streams), kept, decoding)
            )
            progress(0.9, desc="Drawing")
            self.runs.put(run)
            yield {self.content.run: run.id, **self.screen(run)}
        except Exception as error:
            yield {message: problem(error), **self.buttons(busy=False)}

    def read_caption(self, key: str, *asked: Any) -> Iterator[dict[Any, Any]]:
        """The reader's answer, with the caption of this run as its text."""
        run = self.runs.get(key)
        if run is None:
            return
        given = list(asked)
        given[MODEL] = READER
        yield {self.side.model: READER}
        yield from self.analyse(*given, captioned_by=run.arguments["model"])

    def meanwhile(self, work: Callable[[], T]) -> Generator[dict[Any, Any], None, T]:
        """Do the work beside, and yield while it runs: a stop or a closed page is felt at once."""
        future = WORKERS.submit(work)
        while not wait([future], timeout=0.25).done:
            yield {self.content.message: ""}
        return future.result()

    def toggle(self, key: str, *streams: bool) -> dict[Any, Any]:
        """The fusion again, with what is switched on now."""
        run = self.runs.get(key)
        if run is None:
            return {self.content.message: ""}
        try:
            run = switched(run, ticked(streams))
            self.runs.put(run)
            return self.screen(run)
        except Exception as error:
            return {self.content.message: problem(error)}

    def export(self, kind: str) -> Callable[[str], dict[Any, Any]]:
        """The action that makes one file to download."""

        def make(key: str) -> dict[Any, Any]:
            run = self.runs.get(key)
            if run is None:
                raise gr.Error("Analyse a clip first; then it can be exported.", title="Export")
            try:
                made = exported(run, kind)
            except Exception as error:
                raise gr.Error(sentence(error), title="Export") from None
            return {self.content.download: gr.DownloadButton(value=made)}

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
                box: gr.Checkbox(elem_classes=[] if m in run.full.present else ["absent"])
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


def ticked(streams: tuple[bool, ...]) -> tuple[Modality, ...]:
    return tuple(m for m, on in zip(MODALITIES, streams, strict=True) if on)
