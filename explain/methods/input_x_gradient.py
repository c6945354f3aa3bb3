"""Input × gradient (Shrikumar et al. 2016, arXiv:1605.01713), by Captum.

What each value adds if the score were as steep all the way from zero. Zero is not always nothing:
of a picture it is the tower's mean grey and of sound silence, of a word or a token just zeros.
"""

from __future__ import annotations

from collections.abc import Iterator

from captum.attr import InputXGradient

from explain.methods.call import Call, of_inputs, of_tokens
from explain.methods.method import Step
from explain.question import Question


def tokens(question: Question) -> Iterator[Step]:
    """Over the tokens that the towers made."""
    yield from multiplied(of_tokens(question))


def inputs(question: Question) -> Iterator[Step]:
    """Over pixels, the spectrum of the sound and word embeddings."""
    yield from multiplied(of_inputs(question))


def multiplied(call: Call) -> Iterator[Step]:
    """Each value times its gradient."""
    yield call.step(1, InputXGradient(call).attribute(call.values))
