"""Memory given back when work is over, failed or was stopped."""

from __future__ import annotations

import ctypes
import gc
import traceback
from contextlib import suppress

import torch

M_ARENA_MAX, ARENAS = -8, 2  # of glibc


class BrokenError(Exception):
    """Work ended in a way that no job may, such as SystemExit."""


def bare(error: BaseException) -> Exception:
    """The error without what its frames hold, so that their memory is free at once."""
    traceback.clear_frames(error.__traceback__)
    if isinstance(error, Exception):
        return error
    broken = BrokenError(f"the work ended with {type(error).__name__}")
    return broken.with_traceback(error.__traceback__)


def freed() -> None:
    """Give back what work that failed or was stopped held, to the system where it takes it."""
    gc.collect()
    trimmed()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def trimmed() -> None:
    """Give back what is free already: a thread that ends leaves it to those that come."""
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def shared() -> None:
    """Let all threads share a few heaps: each of its own would keep what is free from others.

    To be asked before there are many threads; elsewhere than with glibc nothing changes.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS)
