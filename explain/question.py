"""A question put to a model: why this target? All that a method may ask of the model goes here."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from core_models.clip import Modality, Stream
from core_models.interface import Output, Tokens, presence
from core_models.trace import Trace
from explain.analysis import Analysis, on
from explain.fields import Fields, fields
from explain.targets import Target
from explain.ticking import Ticking

ROWS = 8_000  # tokens that the fusion reads at once
NEAR = 1.1  # times the tokens of the smallest row: larger ones are read in another pass
BATCH = 8  # clips that the towers read at once, but for a CPU
LEAN = 8  # times fewer tokens at once, where memory is short
VARIABLE, ROOM = "FUSIONSCOPE_ATTRIBUTION_MB", 1024  # what the passes for an explanation may take
EACH = 480  # bytes that a pass of the fusion takes for a number of its tokens


def budget(environment: Mapping[str, str]) -> int:
    """Bytes; ValueError where the variable is not a whole number above 0."""
    text = environment.get(VARIABLE, "").strip() or str(ROOM)
    if not (text.isdecimal() and int(text)):
        raise ValueError(f"{VARIABLE} must be a whole number above 0, not “{text}”.")
    return int(text) * 2**20


try:
    BUDGET = budget(os.environ)
except ValueError as error:  # of whoever starts the program, who is told in one line
    raise SystemExit(str(error)) from None


class Stopped(Exception):
    """The user has stopped the work; raised by `tick`, and caught by whoever gave it."""


@dataclass(frozen=True, eq=False)
class Question:
    """Why does the model give this target its score?

    tick: called before every pass of the model and often within; it may raise `Stopped`.
    lean: compute less at once, where memory is short. room: bytes that its passes of the fusion
    may take; one clip at least is read at once, whatever it takes.
    """

    analysis: Analysis
    target: Target
    tick: Callable[[], None] = on
    lean: bool = False
    room: int = BUDGET

    @cached_property
    def here(self) -> Tensor:
        """Which tokens exist when what is on is on: bool (1, N)."""
        return presence(self.analysis.tokens, [self.analysis.present])

    @cached_property
    def tokens(self) -> dict[Stream, Tensor]:
        """What token-level methods work on: (1, N, d) per stream that is on, class tokens too."""
        return _streams(self.analysis.tokens, self.analysis.present)

    @cached_property
    def empty(self) -> dict[Stream, Tensor]:
        """The tokens that the towers make of nothing."""
        model = self.analysis.model
        with torch.no_grad():
            made = model.encode(model.baseline(self.analysis.inputs))
        return _streams(made, self.analysis.present)

    @cached_property
    def fields(self) -> Fields:
        """What input-level methods work on."""
        return fields(self.analysis)

    @property
    def clips(self) -> int:
        """How many clips the towers should read in one pass; more than one gains nothing on a CPU,
        and a stop would wait for it.
        """
        return 1 if self.lean or self.here.device.type == "cpu" else BATCH

    @property
    def at_once(self) -> int:
        """How many clips of all tokens the fusion should read in one pass."""
        return max(1, self._most // max(1, self.here.shape[1]))

    @property
    def _most(self) -> int:
        """How many tokens the fusion should read in one pass."""
        width = next(iter(self.tokens.values())).shape[-1]
        return min(ROWS // LEAN if self.lean else ROWS, self.room // (EACH * width))

    @cached_property
    def value(self) -> float:
        """The target's score for the clip."""
        with torch.no_grad():
            return float(self.of_tokens(self.tokens))

    def of_tokens(
        self,
        values: Mapping[Stream, Tensor],
        record: Trace | None = None,
        cut: Collection[str] = (),
    ) -> Tensor:
        """The score (B,) of tokens (B, N, d) per stream, all of those in `tokens`."""
        self.tick()
        return self.target.score(self._fuse(values, record, cut))

    def of_rows(self, rows: Tensor, chance: bool = False) -> Tensor:
        """The score (B,), or the chance, when only some tokens exist: bool (B, N).

        N runs over all tokens in the order of the model's modalities. No gradient.
        """
        tokens, model = self.analysis.tokens, self.analysis.model
        read = self.target.chance if chance else self.target.score
        rows = rows & self.here
        sizes, order = rows.sum(dim=1).sort()
        parts = []
        with torch.no_grad():
            for some in rows[order].split(self._passes(sizes.tolist())):
                self.tick()
                with self._ticking():
                    parts.append(read(model.fuse(tokens.packed(some))))
        return torch.cat(parts)[order.argsort()]

    def _passes(self, sizes: Sequence[int]) -> list[int]:
        """How many rows of so many tokens, the fewest first, are read in each pass: packed, a row
        takes as much as the largest beside it.
        """
        counts: list[int] = []
        first = 0
        for size in sizes:
            if counts and size <= NEAR * first and size * (counts[-1] + 1) <= self._most:
                counts[-1] += 1
            else:
                counts.append(1)
                first = size
        return counts

    def of_inputs(self, values: Mapping[Stream, Tensor]) -> Tensor:
        """The score (B,) of what the towers read, (B, ...) per modality of `fields`.

        Those not given stay as they are, and their towers do not run again.
        """
        self.tick()
        model = self.analysis.model
        # cuDNN has no backward pass of a recurrent layer in evaluation mode.
        exact = torch.backends.cudnn.flags(enabled=False)
        with exact if torch.is_grad_enabled() else contextlib.nullcontext(), self._ticking():
            made = model.encode(self.fields.back(values))
        changed = _streams(made, [m for m in self.analysis.present if m in values])
        return self.target.score(self._fuse({**self.tokens, **changed}, None, ()))

    def _fuse(
        self, values: Mapping[Stream, Tensor], record: Trace | None, cut: Collection[str]
    ) -> Output:
        """Tokens of B clips at once; a modality that is off has none."""
        tokens, on = self.analysis.tokens, self.analysis.present
        batch = max(len(x) for x in values.values())
        there: dict[Modality, Tensor] = {}
        keep: dict[Modality, Tensor] = {}
        for m, x in tokens.values.items():
            there[m] = (values[m] if m in on else x[:, :0]).expand(batch, -1, -1)
            keep[m] = (tokens.keep[m] if m in on else tokens.keep[m][:, :0]).expand(batch, -1)
        extra = {s: values[s].expand(batch, -1, -1) for s in tokens.extra if s in values}
        with self._ticking():
            return self.analysis.model.fuse(Tokens(there, keep, extra), None, record, cut)

    def _ticking(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.nullcontext() if self.tick is on else Ticking(self.tick)

    def about(self, target: Target) -> Question:
        """The same for another target."""
        return replace(self, target=target)


def _streams(tokens: Tokens, on: Collection[Modality]) -> dict[Stream, Tensor]:
    """The tokens of some modalities, and their class tokens."""
    placed: dict[Stream, Tensor] = {m: x for m, x in tokens.values.items() if m in on}
    whose = {s: x for s, x in tokens.extra.items() if s.removesuffix("-cls") in on}
    return placed | whose
