"""An explanation in words, as HTML: what was asked, and how far its scores can be trusted to add
up. Shared by page and report.
"""

from __future__ import annotations

from html import escape

from explain.attribution import Attribution, Level
from explain.methods.method import Method
from explain.methods.registry import find

LEVELS: dict[Level, str] = {
    "token": "on tokens, after the towers have mixed the cells: a score also holds what its token "
    "took from its neighbours",
    "input": "on the input itself: pixels, tones and words",
}
SHORT: dict[Level, str] = {"token": "tokens", "input": "input"}


def facts(found: Attribution) -> str:
    """All that is to be known of one explanation, a line each."""
    method = find(found.method)
    lines = [("What it says", method.about), ("Where", f"The scores are {LEVELS[found.level]}.")]
    lines += [(name, said) for name, said in _figures(found) if said]
    lines += [("Made", made(found)), *([("Paper", method.paper)] if method.paper else [])]
    rows = "".join(f"<dt>{name}</dt><dd>{escape(said)}</dd>" for name, said in lines if said)
    return f'<div class="fs"><dl class="fc-facts">{rows}</dl></div>'


def _figures(found: Attribution) -> list[tuple[str, str]]:
    so_far = "" if found.done == 1 else f"This is what it had found after {found.done:.0%}."
    nothing = "This method found nothing for this target." if found.blank else ""
    return [
        ("So far", so_far),
        ("Blank", nothing),
        ("Notice", " ".join(found.notices)),
        ("Adds up", completeness(found)),
        ("No place", loose(found)),
    ]


def completeness(found: Attribution) -> str:
    """Whether the scores sum to what they promise; nothing while they are not all there."""
    if found.done < 1:
        return ""
    if found.change is None or found.residual is None:
        return "The scores promise no sum: read them as an order, not as parts of the answer."
    off = abs(found.residual) / abs(found.change) if found.change else float(found.residual != 0)
    return (
        f"The scores sum to {found.total:.2f} of {found.change:.2f}, what the clip changes in the "
        f"score of the target: residual {100 * off:.1f}%."
    )


def loose(found: Attribution) -> str:
    """What fell on tokens that lie nowhere in the clip."""
    placed = sum(float(abs(x).sum()) for x in found.scores.values())
    fell = sum(abs(x) for x in found.loose.values())
    if not fell:
        return ""
    return f"{fell / (placed + fell):.0%} fell on tokens without a place in the clip."


def made(found: Attribution) -> str:
    """The settings and the time it took."""
    used = [f"{name.replace('_', ' ')} {value}" for name, value in found.settings.items()]
    took = [f"{found.seconds:.1f} s"] if found.seconds else []  # a report does not say
    return " · ".join([*used, *took])


def about(method: Method) -> str:
    """What a method promises, before it is asked."""
    where = f"Scores {LEVELS[method.level].partition(':')[0]}."
    return f"<p>{escape(f'{method.about} {where}{_cost(method)}')}</p>"


def passes(method: Method) -> str:
    """How often it runs the whole model as it is usually set: ``32 passes``."""
    many = next((c.default for c in method.controls if c.name == method.passes), "many")
    return f"{many} passes" if method.slow else ""


def _cost(method: Method) -> str:
    if not method.slow:
        return ""
    many = passes(method).split()[0]
    what = method.passes if many == "many" else f"{many} {method.passes}"
    return f" It runs the whole model once for each of the {what}; the time left is shown."
