"""The form "What if": change the clip, or cut a path, and see what becomes of the target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from app.jobs import Job
from app.modalities import aim, cards
from app.problems import problem
from app.region import Region, drawable, later, typed_box, typed_span
from app.session import Run, Runs, tried, untried
from core_models.clip import Clip, Modality
from core_models.media import EXTENSIONS, load_clip
from explain.analysis import Analysis, NothingToReadError
from explain.modality import edits
from explain.modality.edits import Edit, EditError
from explain.modality.interventions import Effect, cut, effect
from explain.modality.pathways import PathError, Pathway, known, pathways, single
from explain.question import Question

WORDS = 80  # of the clip, offered to be left out
SOUND, PICTURE, OUT, OTHER = "silence", "blank", "leave out", "reword"
SWAP, CUT = "swap", "cut"
SIDES = ("left", "top", "right", "bottom")
FILES = sorted(EXTENSIONS)
SPAN, BOX = typed_span("whatif-sound", "whatif-strip"), typed_box("whatif-frame")
NAMES: dict[str, str] = {
    SOUND: "Silence the sound",
    PICTURE: "Blank the picture",
    OUT: "Leave words out",
    OTHER: "Use other words",
    SWAP: "Swap with another clip",
    CUT: "Cut a path",
}
ASKS: dict[str, tuple[str, ...]] = {  # which fields each needs
    SOUND: ("span", "sound"),
    PICTURE: ("span", "strip", "box", "frame"),
    OUT: ("words",),
    OTHER: ("text",),
    SWAP: ("swap",),
    CUT: ("path",),
}
ROWS = ("span", "box", "words", "text", "swap", "path")
DRAWN = ("sound", "strip", "frame")  # regions to draw on
KINDS: dict[Modality, str] = {"video": "Video", "audio": "Sound", "text": "Text"}
NO_RUN = "Analyse a clip first; then change it."
CHANGED = "<p>What the model may use has changed meanwhile, so this was not kept.</p>"
STOPPED = "<p>Stopped; nothing was changed.</p>"


@dataclass(frozen=True)
class Wish:
    """What was set in the form, in the order of its fields; box: in percent."""

    what: str
    start: float | None = None
    end: float | None = None
    left: float = 0
    top: float = 0
    right: float = 100
    bottom: float = 100
    words: tuple[int, ...] | list[int] = ()
    text: str = ""
    other: str | None = None
    which: Modality | None = None
    path: str | None = None


@dataclass(frozen=True, eq=False)
class Form:
    """Its components. fields: those of a `Wish`; groups: shown when they are needed.

    busy: the run for which something was tried last.
    """

    whole: gr.Column
    fields: dict[str, Any]
    groups: dict[str, Any]
    go: gr.Button
    stop: gr.Button
    undo: gr.Button
    progress: gr.HTML
    effects: gr.HTML
    busy: gr.State


def form() -> Form:
    """Lay it out; there is nothing to change before a run."""
    with gr.Column(visible=False, elem_id="whatif") as whole:
        with gr.Row(elem_id="whatif-asked", equal_height=False):
            choices = [(name, what) for what, name in NAMES.items()]
            what = gr.Dropdown(choices, value=SOUND, label="What if…", elem_id="whatif-what")
            fields, rows = _fields()
            go = gr.Button("Try it", variant="primary", scale=0, min_width=90, elem_id="whatif-go")
            stop = gr.Button("Stop", visible=False, scale=0, min_width=80, elem_id="whatif-stop")
            undo = gr.Button(
                "Undo all", interactive=False, scale=0, min_width=90, elem_id="whatif-undo"
            )
        groups = {**rows, **_regions(fields)}
        progress = gr.HTML(elem_id="whatif-progress")
    effects = gr.HTML(elem_id="effects")
    asked = {"what": what, **fields}
    made = Form(whole, asked, groups, go, stop, undo, progress, effects, gr.State(""))
    listed = what.change(
        suited,
        what,
        list(groups.values()),
        queue=False,
        show_progress="hidden",
        api_visibility="private",
    )
    span, box = [fields["start"], fields["end"]], [fields[side] for side in SIDES]
    listed.then(None, span, None, js=later(SPAN)).then(None, box, None, js=later(BOX))
    return made


def _fields() -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields by name, and the rows that hold them."""
    fields: dict[str, Any] = {}
    rows: dict[str, Any] = {
        name: gr.Row(
            visible=name == ROWS[0],
            render=False,
            elem_id=f"whatif-row-{name}",
            elem_classes="whatif-fields",
        )
        for name in ROWS
    }
    for row in rows.values():
        row.render()
    with rows["span"]:
        fields["start"] = gr.Number(None, label="From, s", min_width=70, elem_id="whatif-start")
        fields["end"] = gr.Number(None, label="To, s", min_width=70, elem_id="whatif-end")
    with rows["box"]:
        for side, usual in zip(SIDES, (0, 0, 100, 100), strict=True):
            fields[side] = gr.Number(
                usual, label=f"{side.capitalize()}, %", min_width=70, elem_id=f"whatif-{side}"
            )
    with rows["words"]:
        fields["words"] = gr.CheckboxGroup([], label="Words to leave out", elem_id="whatif-words")
    with rows["text"]:
        fields["text"] = gr.Textbox(
            label="The words", lines=1, max_lines=4, max_length=20_000, elem_id="whatif-text"
        )
    with rows["swap"]:
        fields["other"] = gr.File(
            label="Another clip", file_types=FILES, height=72, elem_id="whatif-other"
        )
        fields["which"] = gr.Radio([], label="Take from it", elem_id="whatif-which")
    with rows["path"]:
        fields["path"] = gr.Dropdown([], label="Path", elem_id="whatif-path")
    return fields, rows


def _regions(fields: dict[str, Any]) -> dict[str, Region]:
    """What can be drawn on; what is typed is drawn there too."""
    with gr.Row(elem_id="whatif-drawn"):
        made = {
            name: Region(visible=name in ASKS[SOUND], elem_id=f"whatif-{name}") for name in DRAWN
        }
    span, box = [fields["start"], fields["end"]], [fields[side] for side in SIDES]
    for one in span:
        one.change(None, span, None, js=SPAN)
    for one in box:
        one.change(None, box, None, js=BOX)
    return made


def suited(what: str) -> list[Any]:
    """The groups of fields, those shown that this choice needs."""
    asks = ASKS.get(what, ())
    rows = [gr.Row(visible=name in asks) for name in ROWS]
    return rows + [gr.HTML(visible=name in asks) for name in DRAWN]


def offered(analysis: Analysis) -> list[str]:
    """What can be done to what the model reads in this run."""
    on = analysis.present
    out = [SOUND] if "audio" in on else []
    out += [PICTURE] if "video" in on else []
    out += [OUT, OTHER] if "text" in on else []
    return [*out, SWAP, *([CUT] if paths(analysis) else [])]


def drawn(run: Run) -> dict[str, str]:
    """What the regions show: the sound, the frames and the middle one of them."""
    clip, view = run.now.clip, run.view
    span, out = (clip.start, clip.duration), dict.fromkeys(DRAWN, "")
    if view["sound"]:
        image = Path(view["sound"]).read_bytes()
        out["sound"] = drawable(image, "png", "Draw the span to silence", span)
    if view["strip"]:
        image = Path(view["strip"]).read_bytes()
        out["strip"] = drawable(image, "jpeg", "Draw the span to blank", span)
        frame = BytesIO()
        Image.fromarray(clip.frames[len(clip.frames) // 2]).save(frame, "JPEG", quality=82)
        out["frame"] = drawable(frame.getvalue(), "jpeg", "Draw the box to blank")
    return out


def paths(analysis: Analysis) -> list[tuple[str, str]]:
    """Paths to cut: those of all layers together, then each layer's."""
    ways = [(f"All layers: {way.said}", way.name) for way in pathways(analysis)]
    return ways + [(_layer(single(analysis, name)), name) for name in known(analysis)]


def _layer(way: Pathway) -> str:
    what, where = way.said.rsplit(" in ", 1)
    return f"{where[0].upper()}{where[1:]}: {what}"


def way(analysis: Analysis, name: str | None) -> Pathway:
    """The path, or paths, of this name."""
    if not name:
        raise PathError("No path is chosen; choose one to cut.")
    return next((w for w in pathways(analysis) if w.name == name), None) or single(analysis, name)


def edit(analysis: Analysis, wish: Wish) -> Edit:
    """The changed clip."""
    clip, span = analysis.clip, (wish.start, wish.end)
    if wish.what == SOUND:
        return edits.silence(clip, *span)
    if wish.what == PICTURE:
        left, top, right, bottom = wish.left, wish.top, wish.right, wish.bottom
        box = (left / 100, top / 100, right / 100, bottom / 100)
        return edits.blank(clip, None if box == edits.WHOLE else box, *span)
    if wish.what == OUT:
        return edits.leave_out(clip, wish.words)
    if wish.what == OTHER:
        return edits.reword(clip, wish.text)
    if not wish.other:
        raise EditError("Choose another clip first; then what to take from it.")
    if wish.which not in analysis.present:
        raise EditError("Choose what to take from the other clip.")
    return edits.swap(clip, wish.which, _other(analysis, wish.other, wish.which))


def _other(analysis: Analysis, path: str, which: Modality) -> Clip:
    """Another clip, with the words that the model would make of its sound, if it does."""
    clip = load_clip(path, frames=analysis.model.frames)
    if which == "text" and not clip.words and "audio" not in analysis.model.modalities:
        try:
            return analysis.model.prepare(clip).clip
        except NothingToReadError:
            return clip
    return clip


def found(question: Question, wish: Wish) -> Iterator[Effect]:
    """What becomes of the target; the one result of the work."""
    question.tick()
    if wish.what == CUT:
        yield cut(question, way(question.analysis, wish.path))
    else:
        yield effect(question, edit(question.analysis, wish))


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The handlers of the form, over the runs of the page. jobs: those under way, by run."""

    runs: Runs
    form: Form
    jobs: dict[str, Job[Any]] = field(default_factory=dict)

    def attempt(self, key: str, asked: str, *values: Any) -> Iterator[dict[Any, Any]]:
        """Make the change, and show what became of the target."""
        form, job = self.form, Job[Effect]()
        try:
            self.stop(key)
            run = self.runs.get(key)
            if run is None:
                raise EditError(NO_RUN)
            self.jobs[key] = job
            yield {form.busy: key, form.progress: job.said(0), **self._buttons(busy=True)}
            question = Question(run.now, aim(asked, run.now), job.tick)
            for _ in job.follow(found(question, Wish(*values))):
                yield {form.busy: key}
            made = None if job.halted else job.latest
            last = {form.progress: STOPPED} if made is None else self._kept(key, run, made)
            yield {**last, **self._buttons(busy=False)}
        except Exception as error:
            yield {form.progress: problem(error), **self._buttons(busy=False)}
        finally:
            job.halt()
            if self.jobs.get(key) is job:
                del self.jobs[key]

    def _kept(self, key: str, asked: Run, made: Effect) -> dict[Any, Any]:
        """On screen, and in the run where it is the same still."""
        before = self.runs.get(key)
        if before is None or before.now is not asked.now:
            return {self.form.progress: CHANGED}
        run = self.runs.change(key, lambda r: tried(r, asked.now, made))
        return {self.form.progress: "", **self._shown(run)}

    def _shown(self, run: Run | None) -> dict[Any, Any]:
        if run is None:
            return {}
        form = self.form
        return {form.effects: cards(run)[1], form.undo: gr.Button(interactive=bool(run.effects))}

    def undo(self, key: str) -> dict[Any, Any]:
        """Forget all that was tried with what is on now."""
        shown = self._shown(self.runs.change(key, untried))
        return {self.form.progress: "", **shown}

    def stop(self, key: str) -> None:
        """End what is under way for a run; its handler says the rest."""
        if job := self.jobs.get(key):
            job.halt()

    def refresh(self, key: str) -> dict[Any, Any]:
        """The run is new, or what is switched on."""
        run = self.runs.get(key)
        if run is None:
            return {self.form.progress: ""}
        form, now = self.form, run.now
        fields, able, ways = form.fields, offered(now), paths(now)
        first, last = now.clip.start, now.clip.start + now.clip.duration
        said = [word.text for word in now.clip.words]
        marks = [(word, i) for i, word in enumerate(said[:WORDS], 1)]
        groups = dict(zip(form.groups.values(), suited(able[0]), strict=True))
        for name, value in drawn(run).items():
            visible = name in ASKS[able[0]]
            groups[form.groups[name]] = gr.HTML(value, visible=visible)
        return {
            form.whole: gr.Column(visible=True),
            form.progress: "",
            form.undo: gr.Button(interactive=bool(run.effects)),
            fields["what"]: gr.Dropdown([(NAMES[x], x) for x in able], value=able[0]),
            fields["start"]: gr.Number(None, placeholder=f"{first:g}"),
            fields["end"]: gr.Number(None, placeholder=f"{last:.4g}"),
            fields["words"]: gr.CheckboxGroup(marks, value=[]),
            fields["text"]: " ".join(said),
            fields["which"]: gr.Radio([(KINDS[m], m) for m in now.present], value=now.present[0]),
            fields["path"]: gr.Dropdown(ways, value=ways[0][1] if ways else None),
            **dict(zip((fields[side] for side in SIDES), (0, 0, 100, 100), strict=True)),
            **groups,
        }

    def spanned(self, key: str, event: gr.EventData) -> list[float | None]:
        """A span was drawn, or cleared."""
        run, box = self.runs.get(key), getattr(event, "box", None)
        if run is None or not box:
            return [None, None]
        clip = run.now.clip
        return [round(clip.start + x * clip.duration, 2) for x in (box[0], box[2])]

    def boxed(self, event: gr.EventData) -> list[int]:
        """A box was drawn, or cleared."""
        return [round(100 * x) for x in getattr(event, "box", None) or edits.WHOLE]

    def _buttons(self, busy: bool) -> dict[Any, Any]:
        label = "Trying…" if busy else "Try it"
        return {
            self.form.go: gr.Button(label, interactive=not busy),
            self.form.stop: gr.Button(visible=busy),
        }

    def wire(self, run: gr.State, target: gr.Dropdown, changes: list[Any]) -> None:
        """target: of the tab "Why"; changes: the events after which the run is another."""
        form = self.form
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        quick = {**quiet, "queue": False}
        shown = [form.progress, form.effects, form.undo]
        form.go.click(
            self.attempt,
            [run, target, *form.fields.values()],
            [*shown, form.go, form.stop, form.busy],
            concurrency_id="what if",
            concurrency_limit=2,
            trigger_mode="multiple",
            **quiet,
        )
        form.stop.click(self.stop, form.busy, None, **quick)
        form.undo.click(self.undo, run, shown, **quick)
        fields, groups = form.fields, form.groups
        span, box = [fields["start"], fields["end"]], [fields[side] for side in SIDES]
        for region in (groups["sound"], groups["strip"]):
            region.select(self.spanned, run, span, **quick)
        groups["frame"].select(self.boxed, None, box, **quick)
        filled = [form.whole, form.progress, form.undo, *form.fields.values()]
        for change in changes:
            change.then(self.refresh, run, [*filled, *form.groups.values()], **quick)
