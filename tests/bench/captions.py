"""Captions: what the cache of keys saves, and what the record of every word costs."""

from __future__ import annotations

import torch

from core_models.interface import Decoding
from core_models.micap import MICap
from core_models.speaker import search
from core_models.trace import Trace
from tests.bench.measure import Contest
from tests.bench.stage import Stage

NAME = "micap-msrvtt"
DECODING = Decoding(beams=5, min_length=20, max_length=20)


def contests(stage: Stage) -> list[Contest]:
    model = stage.model(NAME)
    assert isinstance(model, MICap)
    tokens = stage.analysis(NAME).tokens

    @torch.no_grad()
    def write(cache: bool = True) -> None:
        search(model.decoder, model.memory(tokens), DECODING, cache=cache)

    @torch.no_grad()
    def say(record: bool) -> None:
        model.generate(tokens, None, DECODING, record=Trace() if record else None)

    return [
        Contest("a caption, 5 beams of 20 pieces", "without a cache of keys",
                write, lambda: write(False), 1 / 1.7),
        Contest("a caption with every word's attention", "the caption alone",
                lambda: say(True), lambda: say(False), 1.1),
    ]  # fmt: skip
