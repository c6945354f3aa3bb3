"""The questions of one run, one after another: what methods found, and how far to trust it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from explain.analysis import Analysis, on
from explain.attribute import attribute, checked
from explain.attribution import Attribution
from explain.methods.registry import MethodError, find
from explain.question import Question
from explain.targets import target
from explain.trust import Tests, Trust, trust

Tell = Callable[[str, float], None]  # what is done now, and how much of it


def silent(doing: str, done: float) -> None:
    """Nobody wants to know."""


def attributions(
    analysis: Analysis, asked: Sequence[tuple[str, str, Mapping[str, Any]]], tell: Tell = silent
) -> list[Attribution]:
    """What each method found for its target, with its settings.

    MethodError, TargetError say what cannot be asked, before anything is computed.
    """
    ready = []
    for name, aim, settings in asked:
        method, question = find(name), Question(analysis, target(aim, analysis))
        if why := method.unfit(analysis):
            raise MethodError(why)
        ready.append((method, question, checked(method, settings)))
    found = []
    for method, question, settings in ready:
        for so_far in attribute(method, question, **settings):
            tell(method.title, so_far.done)
        found.append(so_far)
    return found


def trusts(
    analysis: Analysis,
    found: Sequence[Attribution],
    tests: Tests | Sequence[Tests] = "cheap",
    tell: Tell = silent,
    known: Sequence[Trust] = (),
    tick: Callable[[], None] = on,
) -> list[Trust]:
    """The tests of each map, or of all; those of one target are compared with each other, on one
    set of random orders. known: of some of the maps; what they say is not asked again.
    tick: called between the steps; it may raise.
    """
    wanted = [tests] * len(found) if isinstance(tests, str) else tests
    out: list[Trust] = []
    for one, which in zip(found, wanted, strict=True):
        if which == "none":
            continue
        others = tuple(a for a in found if a is not one and a.target == one.target)
        before = next((t for t in known if t.attribution is one), None)
        alike = [t for t in (*out, *known) if t.attribution.target == one.target and t.faithfulness]
        against = alike[0].faithfulness.against if alike and alike[0].faithfulness else None
        method, question = find(one.method), Question(analysis, one.target, tick)
        slow = which == "all"
        for so_far in trust(
            question, one, method, others, slow=slow, against=against, known=before
        ):
            tell(f"{method.title}: can it be trusted?", so_far.done)
        out.append(so_far)
    return out
