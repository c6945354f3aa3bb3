"""What a method is: a generator over a question, with its settings as keywords."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, get_type_hints

from torch import Tensor

from core_models.clip import Stream
from explain.analysis import Analysis
from explain.attribution import Level, Setting


class Step(NamedTuple):
    """What a method has found so far.

    done: in [0, 1], 1 with the last step. scores: per stream, a batch of one. At token level one
    score per token (1, N); at input level of the shape of the field, (1, N) where they are on its
    cells already. change: what the scores promise to sum to, if anything.
    """

    done: float
    scores: Mapping[Stream, Tensor]
    change: float | None = None


@dataclass(frozen=True)
class Between:
    """The range of a setting; given in its annotation: ``Annotated[int, Between(4, 200)]``."""

    least: float
    most: float
    step: float = 1


KINDS: Mapping[type, str] = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Control:
    """A setting as an interface offers it."""

    name: str
    kind: type
    default: Setting
    limits: Between | None


@dataclass(frozen=True)
class Method:
    """One line of the table of methods.

    run: ``run(question, *, setting=default, ...)``, yielding steps; it does not change the model.
    level: of what it scores; signed: whether scores may be negative; complete: whether they sum
    to the change of the target's score. passes: where each of them is a pass of the whole model,
    towers too, what there are many of; the name of a setting where that says how many.
    about: one sentence on what its scores say, and what they do not. paper: where it is from.
    unfit: why it cannot be asked of this run, in one sentence; empty where it can.
    """

    name: str
    title: str
    family: str
    level: Level
    run: Callable[..., Iterator[Step]]
    about: str
    paper: str
    signed: bool = True
    complete: bool = False
    passes: str = ""
    unfit: Callable[[Analysis], str] = lambda analysis: ""

    @property
    def slow(self) -> bool:
        """Whether it takes many passes of the whole model."""
        return bool(self.passes)

    @property
    def controls(self) -> tuple[Control, ...]:
        """Its settings, from the signature."""
        hints = get_type_hints(self.run, include_extras=True)
        made = []
        for name, default in (self.run.__kwdefaults__ or {}).items():
            hint = hints[name]
            limits = next((x for x in getattr(hint, "__metadata__", ()) if _range(x)), None)
            made.append(Control(name, type(default), default, limits))
        return tuple(made)


def _range(note: Any) -> bool:
    return isinstance(note, Between)
