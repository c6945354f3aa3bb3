"""What a handler says nothing of is left alone; all else is as Gradio has it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gradio as gr
import pytest

from app.outputs import SKIP, Sparing


def page(outputs: int) -> tuple[Sparing, list[Any]]:
    """A page with a handler that fills some HTML and buttons in turn."""
    with Sparing(analytics_enabled=False) as made:
        parts = [gr.Button() if i % 2 else gr.HTML() for i in range(outputs)]
        made.load(lambda: None, None, parts)
    return made, parts


def answered(made: gr.Blocks, cls: type[gr.Blocks], said: Any) -> list[Any]:
    handler = next(iter(made.fns.values()))

    def work() -> list[Any]:
        return asyncio.run(cls.postprocess_data(made, handler, said, None))

    with ThreadPoolExecutor(1) as other:  # browser tests have a loop in this thread
        return other.submit(work).result()


SAID: dict[str, tuple[int, Any]] = {
    "one of three": (3, lambda parts: {parts[0]: "<p>new</p>"}),
    "two of three": (3, lambda parts: {parts[2]: "<p>new</p>", parts[1]: gr.Button("new")}),
    "all": (2, lambda parts: {parts[0]: "<p>new</p>", parts[1]: "new"}),
    "none": (3, lambda parts: {parts[1]: gr.skip()}),
    "a skip": (2, lambda parts: gr.skip()),
    "a skip of one": (1, lambda parts: gr.skip()),
    "one alone": (1, lambda parts: "<p>new</p>"),
    "in a row": (3, lambda parts: ("<p>new</p>", gr.skip(), gr.HTML(visible=False))),
    "nothing": (0, lambda parts: None),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_said_is_as_gradio_has_it_and_the_rest_is_left_alone(case: str) -> None:
    outputs, say = SAID[case]
    made, parts = page(outputs)
    usual = answered(made, gr.Blocks, say(parts))
    # Gradio calls the mark of an update a property of HTML that is to change.
    bogus = {**SKIP, "props": dict(SKIP)}
    assert answered(made, Sparing, say(parts)) == [SKIP if x == bogus else x for x in usual]


def test_what_is_left_alone_is_not_built_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    made, parts = page(4)
    built: list[object] = []
    for cls in (gr.HTML, gr.Button):
        usual = cls.__init__

        def init(self: Any, *args: Any, usual: Any = usual, **given: Any) -> None:
            built.append(self)
            usual(self, *args, **given)

        monkeypatch.setattr(cls, "__init__", init)
    answered(made, Sparing, {parts[0]: "<p>new</p>"})
    assert not built
    answered(made, gr.Blocks, {parts[0]: "<p>new</p>"})
    assert built
