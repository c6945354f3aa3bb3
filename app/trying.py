"""What the page does when a change is tried: it shows what becomes of the target."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from app.jobs import Job, asker
from app.line import Line
from app.modalities import aim, cards
from app.problems import problem
from app.region import drawable
from app.session import Run, tried, untried
from app.store import Runs
from app.waiting import progress
from app.whatif import ASKS, DRAWN, SIDES, Form, suited
from app.wishes import NAMES, Wish, found, offered, paths
from core_models.clip import Modality
from explain.modality import edits
from explain.modality.edits import EditError
from explain.modality.interventions import Effect
from explain.question import Question

WORDS = 80  # of the clip, offered to be left out
KINDS: dict[Modality, str] = {"video": "Video", "audio": "Sound", "text": "Text"}
NO_RUN = "Analyse a clip first; then change it."
CHANGED = "<p>What the model may use has changed meanwhile, so this was not kept.</p>"
STOPPED = "<p>Stopped; nothing was changed.</p>"


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The handlers of the form, over the runs of the page. jobs: those under way, by run."""

    runs: Runs
    line: Line
    form: Form
    jobs: dict[str, Job[Any]] = field(default_factory=dict)

    def attempt(
        self, key: str, asked: str, request: gr.Request, *values: Any
    ) -> Iterator[dict[Any, Any]]:
        """Make the change, and show what became of the target."""
        form = self.form
        job: Job[Effect] | None = None
        try:
            self.stop(key)
            run = self.runs.get(key)
            if run is None:
                raise EditError(NO_RUN)
            self.jobs[key] = job = self.line.enter(asker(request), "what if")
            yield {form.busy: key, form.progress: progress(job, 0), **self._buttons(busy=True)}
            question = Question(run.now, aim(asked, run.now), job.tick)
            for _ in job.follow(found(question, Wish(*values))):
                yield {form.busy: key}
            made = None if job.halted else job.latest
            last = {form.progress: STOPPED} if made is None else self._kept(key, run, made)
            yield {**last, **self._buttons(busy=False)}
        except Exception as error:
            yield {form.progress: problem(error), **self._buttons(busy=False)}
        finally:
            if job is not None:
                job.halt()
            if job is not None and self.jobs.get(key) is job:
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
        with self.runs.using(run):
            regions = drawn(run)
        for name, value in regions.items():
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
            concurrency_limit=None,
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
