"""Captum draws from the global generators of torch and numpy: here they are lent to it, seeded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from explain.methods.call import Call
from explain.methods.method import Step

LENT = Lock()


@contextmanager
def seeded(seed: int, part: int = 0) -> Iterator[None]:
    """The generators start from a seed and a part of the work; in the end they are as before.

    One at a time: others who ask for it wait, so do little inside.
    """
    start = int(np.random.SeedSequence((seed, part)).generate_state(1)[0])
    with LENT, torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        before = np.random.get_state()
        torch.manual_seed(start)
        np.random.seed(start)
        try:
            yield
        finally:
            np.random.set_state(before)


def averaged(
    call: Call, samples: int, seed: int, draw: Callable[[int], Sequence[Tensor]]
) -> Iterator[Step]:
    """The mean over samples, a few at a time; draw(n) gives the mean over n of them."""
    total = [torch.zeros_like(x) for x in call.values]
    known = 0
    while known < samples:
        count = min(call.batch, samples - known)
        with seeded(seed, known):
            found = draw(count)
        total = [x + count * y.detach() for x, y in zip(total, found, strict=True)]
        known += count
        yield call.step(known / samples, [x / known for x in total])
