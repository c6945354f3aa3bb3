"""The settings of a method as sliders and fields.

Every method has its own; the page holds a few components of each kind and shows those it needs, so
that nothing is built anew, or wired again, when the method changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from explain.attribution import Setting
from explain.methods.method import Control, Method

KINDS: dict[type[Any], int] = {gr.Slider: 5, gr.Number: 3, gr.Checkbox: 3, gr.Textbox: 2}
SLOTS = tuple((kind, i) for kind, many in KINDS.items() for i in range(many))


def kind(control: Control) -> type[Any]:
    """The component that sets it."""
    if control.kind is bool:
        return gr.Checkbox
    if control.kind is str:
        return gr.Textbox
    return gr.Number if control.limits is None else gr.Slider


def build(method: Method) -> tuple[Any, ...]:
    """The components, those shown that this method needs."""
    return tuple(
        made(elem_id=f"why-{made.__name__.lower()}-{i}", **options)
        for (made, i), options in zip(SLOTS, _all(method), strict=True)
    )


def placed(method: Method) -> tuple[Control | None, ...]:
    """Which setting each component sets."""
    left = list(method.controls)
    out: list[Control | None] = []
    for made, _ in SLOTS:
        control = next((c for c in left if kind(c) is made), None)
        if control is not None:
            left.remove(control)
        out.append(control)
    assert not left, f"{method.name} has more settings than the page has room for"
    return tuple(out)


def offered(method: Method) -> list[Any]:
    """The components as this method needs them."""
    return [made(**options) for (made, _), options in zip(SLOTS, _all(method), strict=True)]


def settings(method: Method, values: Sequence[Any]) -> dict[str, Setting]:
    """What was set, by name; an empty field stands for the usual."""
    pairs = zip(placed(method), values, strict=True)
    return {c.name: value for c, value in pairs if c is not None and value not in (None, "")}


def _all(method: Method) -> list[dict[str, Any]]:
    return [
        {"visible": False} if control is None else {"visible": True, **_options(control)}
        for control in placed(method)
    ]


def _options(control: Control) -> dict[str, Any]:
    name = control.name.replace("_", " ").capitalize()
    options: dict[str, Any] = {"label": name, "value": control.default}
    if control.limits is not None:
        least, most, step = control.limits.least, control.limits.most, control.limits.step
        options |= {"minimum": least, "maximum": most, "step": step}
    elif control.kind is int:
        options |= {"precision": 0}
    return options
