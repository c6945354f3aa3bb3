"""Whatever goes wrong, as one plain sentence; and no handler that ends with it."""

from __future__ import annotations

import asyncio
import errno
import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from html import escape
from typing import Any

import gradio as gr
import torch

from app.jobs import TooLongError
from app.line import BusyError
from app.memory import freed
from core_models.checkpoint import CheckpointError
from core_models.media import MediaError
from explain.analysis import NothingToReadError
from explain.compare import CompareError
from explain.methods.registry import MethodError
from explain.modality.edits import EditError
from explain.modality.pathways import PathError
from explain.sonify import NothingToHearError
from explain.targets import TargetError

log = logging.getLogger(__name__)
KNOWN = (
    MediaError,
    CheckpointError,
    NothingToReadError,
    NothingToHearError,
    TargetError,
    MethodError,
    EditError,
    PathError,
    CompareError,
    BusyError,
    TooLongError,
)
UNFORESEEN = (
    "Something went wrong on our side; your clip and earlier results are kept. "
    "Try again, or try another clip."
)
MEMORY = (
    "There was not enough memory for this; try less: a shorter clip, fewer steps, another method."
)
DISK = "The disk of the server is full; ask whoever runs it to make room, then try again."
FULL = {errno.ENOSPC, errno.EDQUOT}
ALLOCATORS = ("DefaultCPUAllocator", "can't allocate memory", "out of memory")  # of torch
# Not faults: how a generator and a task are told to end.
ENDS = (GeneratorExit, asyncio.CancelledError)


def sentence(error: BaseException) -> str:
    """What to tell the user; anything unforeseen goes to the log whole."""
    if isinstance(error, KNOWN):
        return str(error)
    log.error("unforeseen", exc_info=error)
    if isinstance(error, OSError) and error.errno in FULL:
        return DISK
    return MEMORY if out_of_memory(error) else UNFORESEEN


def out_of_memory(error: BaseException) -> bool:
    """Of this machine or of its accelerator."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(a in str(error) for a in ALLOCATORS)


def problem(error: BaseException) -> str:
    """The sentence as HTML."""
    return f'<div class="problem" role="alert">{escape(sentence(error))}</div>'


def told(error: BaseException, title: str = "Error") -> gr.Error:
    """The sentence as Gradio passes it on; what the failure held is given back."""
    if isinstance(error, gr.Error):
        return error
    said = gr.Error(sentence(error), title=title, print_exception=False)
    error.__traceback__ = None
    freed()
    return said


def safely(work: Callable[..., Any]) -> Callable[..., Any]:
    """The same handler; whatever it raises, SystemExit too, becomes one sentence."""
    if inspect.isgeneratorfunction(work):

        @functools.wraps(work)
        def steps(*args: Any, **kwargs: Any) -> Iterator[Any]:
            try:
                with closing(work(*args, **kwargs)) as results:
                    yield next(results, gr.skip())  # for nothing, Gradio would empty the outputs
                    yield from results
            except ENDS:
                raise
            except BaseException as error:
                raise told(error) from None

        return steps
    if inspect.iscoroutinefunction(work):

        @functools.wraps(work)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            try:
                return await work(*args, **kwargs)
            except ENDS:
                raise
            except BaseException as error:
                raise told(error) from None

        return awaited

    @functools.wraps(work)
    def once(*args: Any, **kwargs: Any) -> Any:
        try:
            return work(*args, **kwargs)
        except ENDS:
            raise
        except BaseException as error:
            raise told(error) from None

    return once


def guard_all(page: gr.Blocks) -> None:
    """Every handler of the page, safely."""
    for event in page.fns.values():
        if event.fn is not None:
            event.fn = safely(event.fn)
