"""A picture to draw on: a box, or a span of its width."""

from __future__ import annotations

import base64
from html import escape
from typing import Any

import gradio as gr

# A drag draws; a click clears. `select` tells the box, as parts of the picture, or null.
DRAW = """
let on = null, from = null;
const at = (event) => {
  const box = on.getBoundingClientRect();
  const part = (x, start, size) => Math.min(1, Math.max(0, (x - start) / size));
  const y = part(event.clientY, box.top, box.height);
  return [part(event.clientX, box.left, box.width), y];
};
const box = (to) => {
  const [left, right] = [from[0], to[0]].sort((a, b) => a - b);
  const [top, bottom] = on.dataset.span ? [0, 1] : [from[1], to[1]].sort((a, b) => a - b);
  return [left, top, right, bottom];
};
const mark = ([left, top, right, bottom]) => {
  const style = on.querySelector("i").style;
  [style.left, style.top] = [100 * left + "%", 100 * top + "%"];
  [style.right, style.bottom] = [100 - 100 * right + "%", 100 - 100 * bottom + "%"];
};
element.addEventListener("pointerdown", (event) => {
  on = event.button ? null : event.target.closest(".draw");
  if (!on) return;
  event.preventDefault();
  on.setPointerCapture(event.pointerId);
  from = at(event);
  mark(box(from));
});
element.addEventListener("pointermove", (event) => { if (on) mark(box(at(event))); });
element.addEventListener("pointerup", (event) => {
  if (!on) return;
  const drawn = box(at(event)), large = (a, b) => b - a > 0.01;
  const some = large(drawn[0], drawn[2]) && large(drawn[1], drawn[3]);
  if (!some) mark([0, 0, 1, 1]);
  trigger("select", { box: some ? drawn : null });
  on = null;
});
element.addEventListener("pointercancel", () => { on = null; });
"""
# Shows what was typed: left, top, right and bottom in percent, or from and to in seconds.
TYPED_BOX = """(left, top, right, bottom) => {
  const mark = document.querySelector("#ID .draw i");
  if (!mark) return;
  Object.assign(mark.style, {
    left: left + "%", top: top + "%", right: 100 - right + "%", bottom: 100 - bottom + "%",
  });
}"""
TYPED_SPAN = """(from, to) => {
  for (const on of document.querySelectorAll("IDS")) {
    const { start, span } = on.dataset, part = (t) => 100 * (t - start) / span;
    const mark = on.querySelector("i");
    mark.style.left = (from === null ? 0 : part(from)) + "%";
    mark.style.right = (to === null ? 0 : 100 - part(to)) + "%";
  }
}"""


class Region(gr.HTML):
    """It fires `select` when something was drawn."""

    def __init__(self, **options: Any) -> None:
        super().__init__(js_on_load=DRAW, **options)


def drawable(image: bytes, kind: str, said: str, span: tuple[float, float] | None = None) -> str:
    """The value of a `Region`; span: start and length in seconds, where the width is time."""
    code = base64.b64encode(image).decode()
    time = "" if span is None else f' data-start="{span[0]}" data-span="{span[1]}"'
    picture = f'<img alt="{escape(said)}" src="data:image/{kind};base64,{code}">'
    return f'<div class="draw"{time} title="{escape(said)}">{picture}<i></i></div>'


def typed_box(name: str) -> str:
    """Script that marks the box on the region of this id."""
    return TYPED_BOX.replace("ID", name)


def typed_span(*names: str) -> str:
    """Script that marks the span on the regions of these ids."""
    return TYPED_SPAN.replace("IDS", ", ".join(f"#{name} .draw" for name in names))


def later(script: str) -> str:
    """The same once what has just been shown is on the page."""
    return f"(...typed) => setTimeout(() => ({script})(...typed), 50)"
