"""Answers of handlers: only what is to change is passed on."""

from __future__ import annotations

import copy
from typing import Any

import gradio as gr
from gradio.blocks import Block

SKIP = gr.skip()


class Sparing(gr.Blocks):
    """A page that leaves alone what a handler says nothing of.

    Gradio builds such a component anew every time; of HTML it tells the browser too, which may then
    bring back what was there a moment before.
    """

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        given = listed(block_fn.outputs, predictions)
        changed = [i for i, value in enumerate(given) if not skipped(value)]
        if len(changed) == len(given):
            return await super().postprocess_data(block_fn, predictions, state)
        made: list[Any] = [dict(SKIP) for _ in given]
        if changed:
            part, values = copy.copy(block_fn), [given[i] for i in changed]
            part.outputs = [block_fn.outputs[i] for i in changed]
            alone = values if len(values) > 1 else values[0]
            found = await super().postprocess_data(part, alone, state)
            for i, value in zip(changed, found, strict=True):
                made[i] = value
        return made


def listed(outputs: list[Any], predictions: Any) -> list[Any]:
    """What was given for each output, in their order; nothing where that cannot be told."""
    if isinstance(predictions, dict) and any(isinstance(key, Block) for key in predictions):
        return [predictions.get(block, SKIP) for block in outputs]
    if skipped(predictions):
        return [SKIP] * len(outputs)
    many = isinstance(predictions, (list, tuple)) and len(predictions) == len(outputs)
    return list(predictions) if many and len(outputs) > 1 else []


def skipped(value: Any) -> bool:
    return isinstance(value, dict) and value == SKIP
