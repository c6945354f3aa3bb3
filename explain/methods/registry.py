"""The methods: a literal table. A new one is a file and a line here."""

from __future__ import annotations

from explain.methods import integrated_gradients
from explain.methods.method import Method

METHODS: tuple[Method, ...] = (
    Method(
        name="token-integrated-gradients",
        title="Integrated gradients of tokens",
        family="gradient",
        level="token",
        run=integrated_gradients.of_tokens,
        about="What each token adds on the way from an empty clip to this one.",
        paper="arXiv:1703.01365",
        complete=True,
    ),
    Method(
        name="integrated-gradients",
        title="Integrated gradients",
        family="gradient",
        level="input",
        run=integrated_gradients.of_inputs,
        about="What each pixel, tone and word adds on the way from an empty clip to this one.",
        paper="arXiv:1703.01365",
        complete=True,
        slow=True,
    ),
)


class MethodError(ValueError):
    """A method that there is not, or that does not fit the run; the message says why."""


def find(name: str) -> Method:
    """The method of this name."""
    for method in METHODS:
        if method.name == name:
            return method
    known = ", ".join(method.name for method in METHODS)
    raise MethodError(f"There is no method “{name}”; name one of: {known}.")
