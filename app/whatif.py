"""The form "What if": what to change about the clip, or which path to cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.region import Region, later, typed_box, typed_span
from app.wishes import CUT, NAMES, OTHER, OUT, PICTURE, SOUND, SWAP
from core_models.media import EXTENSIONS

SIDES = ("left", "top", "right", "bottom")
FILES = sorted(EXTENSIONS)
SPAN, BOX = typed_span("whatif-sound", "whatif-strip"), typed_box("whatif-frame")
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
            label="The words", lines=2, max_lines=4, max_length=20_000, elem_id="whatif-text"
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
