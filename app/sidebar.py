"""The left column: what to analyse, and with what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import gradio as gr
import torch

from app.ahead import Ahead
from app.example import example
from app.jobs import Job, aside, asker
from app.line import Line
from app.poster import facts, seen
from app.problems import problem
from core_models.describer import UNCLEAR, describe
from core_models.interface import Decoding
from core_models.media import (
    EXTENSIONS,
    LIMITS,
    LONG,
    ClipInfo,
    Limits,
    load_clip,
)
from core_models.registry import MODELS, frames_of

OWN = "your own checkpoint"
MODEL = 3  # where the model stands in what `asked` gives
WRITERS = {info.name for info in MODELS if info.writes}
# The text field, for models that answer with a category and for those that write a caption.
TEXT: dict[bool, dict[str, Any]] = {
    False: {"label": "Text", "placeholder": "What is said or shown, in words. May stay empty."},
    True: {"label": "What is heard, in words", "placeholder": "Empty: the sound is described."},
}
# Shows on the strip which part is read.
MARK = """(start, length) => {
  const strip = document.querySelector("#window-strip [data-seconds]");
  if (!strip) return;
  const whole = Number(strip.dataset.seconds);
  const end = length > 0 ? Math.min(whole, start + length) : whole;
  const mark = strip.querySelector("i");
  mark.style.left = (100 * start) / whole + "%";
  mark.style.right = 100 - (100 * end) / whole + "%";
}"""
SOUND_ONLY = {".flac", ".m4a", ".mp3", ".ogg", ".wav"}


@dataclass(frozen=True, eq=False)
class Sidebar:
    """Its components, as the handlers need them."""

    clip: gr.File
    text: gr.Textbox
    subtitles: gr.File
    model: gr.Dropdown
    start: gr.Slider
    length: gr.Slider
    filled: gr.State
    decoding: tuple[gr.Slider, ...]
    streams: tuple[gr.Checkbox, ...]
    go: gr.Button
    stop: gr.Button
    status: gr.HTML

    @property
    def asked(self) -> list[Any]:
        """What an analysis is asked with, in the order of its arguments."""
        clip = [self.clip, self.text, self.subtitles, self.model, self.start, self.length]
        return [*clip, self.filled, *self.decoding, *self.streams]


def sidebar(
    names: list[str], abouts: dict[str, str], device: torch.device, line: Line, ahead: Ahead
) -> Sidebar:
    """Lay it out; what concerns the choice of a clip or model is wired here."""
    gr.HTML("<h1>FusionScope</h1><p>what the model saw, heard and read</p>", elem_id="brand")
    model = gr.Dropdown(names, value=names[0], label="Model", elem_id="model", render=False)

    def look(path: str, name: str, limits: Limits) -> tuple[ClipInfo, str]:
        return seen(path, limits, ahead, frames_of(name, device))

    clip, start, length, example_button = _clip(line, model, look)
    text = gr.Textbox(
        **TEXT[names[0] in WRITERS],
        lines=2,
        max_lines=6,
        max_length=20_000,
        elem_id="text",
    )
    with gr.Accordion("Subtitles from a file", open=False, elem_id="subtitles-box"):
        kinds = [".srt", ".vtt"]
        subtitles = gr.File(show_label=False, file_types=kinds, height=90, elem_id="subtitles")
    model.render()  # type: ignore[no-untyped-call]
    about = gr.HTML(f"<p>{escape(abouts.get(names[0], OWN))}</p>", elem_id="about")
    with gr.Column(visible=names[0] in WRITERS, elem_id="decoding") as search:
        decoding = _search()
    gr.HTML('<div class="side-title">What it may use</div>')
    with gr.Row(elem_id="streams"):
        kinds = ["Video", "Sound", "Text"]
        streams = tuple(
            gr.Checkbox(
                True,
                label=k,
                container=False,
                elem_id=f"use-{k.lower()}",
                elem_classes=["absent"] if k == "Text" else [],
            )
            for k in kinds
        )
    go = gr.Button("Analyse", variant="primary", elem_id="analyse")
    stop = gr.Button("Stop", visible=False, elem_id="stop")
    status = gr.HTML(f"<p>{device.type.upper()}</p>", elem_id="status")
    text.change(
        lambda said: gr.Checkbox(elem_classes=[] if said.strip() else ["absent"]),
        text,
        streams[2],
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    filled = gr.State("")

    def listening(
        path: str | None, model: str, said: str, filled: str, request: gr.Request
    ) -> Iterator[tuple[Any, Any]]:
        yield from listen(line, asker(request), path, model, said, filled)

    for changed in (clip, model):
        changed.change(
            listening,
            [clip, model, text, filled],
            [text, filled],
            concurrency_limit=None,
            show_progress="hidden",
            api_visibility="private",
        )
    example_button.click(example, None, [clip, text], api_visibility="private")
    model.change(
        lambda name: (
            f"<p>{escape(abouts.get(name, OWN))}</p>",
            gr.Column(visible=name in WRITERS),
            gr.Textbox(**TEXT[name in WRITERS]),
        ),
        model,
        [about, search, text],
        queue=False,
        api_visibility="private",
    )
    return Sidebar(
        clip, text, subtitles, model, start, length, filled, decoding, streams, go, stop, status
    )


def listen(
    line: Line, visitor: str, path: str | None, model: str, said: str, filled: str
) -> Iterator[tuple[Any, Any]]:
    """Fill the text with what is heard, for a model that reads it; words of people stay."""
    if said.strip() and said != filled:
        yield gr.skip(), filled
        return
    if model not in WRITERS or not path:
        yield ("" if said else gr.skip()), ""
        return
    job: Job[str] | None = None
    try:
        job = line.enter(visitor, "listen")
        for _ in job.follow(heard(job, path)):
            yield gr.skip(), gr.skip()
        if job.latest is not None:
            yield job.latest, job.latest
    except Exception:  # the analysis will say what is wrong with the clip
        yield gr.skip(), gr.skip()
    finally:
        if job is not None:
            job.halt()


def heard(job: Job[str], path: str) -> Iterator[str]:
    """The sound of a clip in words; "" where it is unclear."""
    with job.aside():
        clip = load_clip(path, frames=1, limits=replace(LIMITS, tick=job.check))
    found = describe(clip)
    yield "" if found is None or found.text == UNCLEAR else found.text


def _search() -> tuple[gr.Slider, ...]:
    """How the caption is searched for."""
    with gr.Accordion("Caption search", open=False):
        usual = Decoding()
        beams = gr.Slider(1, 8, usual.beams, step=1, label="Beams", elem_id="beams")
        longest = gr.Slider(
            8, 40, usual.max_length, step=1, label="Longest, in word pieces", elem_id="max-length"
        )
        again = gr.Slider(
            1, 2, usual.repetition, step=0.1, label="Repetition penalty, 1: none", elem_id="again"
        )
    return beams, longest, again


def _clip(
    line: Line, model: gr.Dropdown, look: Callable[[str, str, Limits], tuple[ClipInfo, str]]
) -> tuple[gr.File, gr.Slider, gr.Slider, gr.Button]:
    """The clip, its picture and facts, and for a long one the window to read."""
    kinds = sorted(EXTENSIONS - SOUND_ONLY)
    clip = gr.File(label="Clip", file_types=kinds, height=118, elem_id="clip")
    try_it = gr.Button("Try the example clip", size="sm", elem_id="example")
    poster = gr.HTML(elem_id="poster")
    with gr.Column(visible=False, elem_id="window") as window:
        strip = gr.HTML(elem_id="window-strip")
        start = gr.Slider(0, 1, 0, step=0.1, label="Start in s", elem_id="start")
        length = gr.Slider(0, 1, 0, step=0.1, label="Length in s, 0: all", elem_id="length")

    def looked(path: str | None, name: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        closed = {poster: "", window: gr.Column(visible=False), length: 0, start: 0}
        if not path:
            yield closed
            return
        job: Job[tuple[ClipInfo, str]] | None = None
        try:
            job = line.enter(asker(request), "look")
            limits = replace(LIMITS, tick=job.check)
            for _ in job.follow(aside(job, lambda: look(path, name, limits)), device=False):
                yield {poster: gr.skip()}
            if job.latest is not None:
                yield {**closed, **filled(path, *job.latest)}
        except Exception as error:
            yield {**closed, poster: problem(error)}
        finally:
            if job is not None:
                job.halt()

    def filled(path: str, info: ClipInfo, drawn: str) -> dict[Any, Any]:
        if info.duration <= LONG:
            return {poster: drawn + facts(path, info)}
        longest = round(min(info.duration, LIMITS.max_seconds), 1)
        return {
            poster: facts(path, info),
            window: gr.Column(visible=True),
            strip: f'<div data-seconds="{info.duration}">{drawn}<i></i></div>',
            start: gr.Slider(maximum=round(info.duration, 1), value=0),
            length: gr.Slider(maximum=longest, value=0),
        }

    for slider in (start, length):
        slider.change(None, [start, length], None, js=MARK)
    chosen = [poster, window, strip, start, length]
    clip.change(
        looked,
        [clip, model],
        chosen,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )
    return clip, start, length, try_it
