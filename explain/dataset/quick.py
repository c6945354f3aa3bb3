"""The tests of a map that thousands of clips can afford."""

from __future__ import annotations

from collections.abc import Sequence

from explain.attribution import Attribution
from explain.methods.registry import find
from explain.metrics.completeness import completeness
from explain.metrics.faithfulness import streamed
from explain.metrics.metric import Finding
from explain.metrics.on_tokens import on_tokens
from explain.question import Question
from explain.trust import Trust

STEPS = 8  # of a curve: fewer than on the page


def quick(question: Question, found: Sequence[Attribution], seed: int = 0) -> list[Trust]:
    """Completeness, and deletion and insertion of everything at once against 20 random orders,
    the same for all maps; not inside each modality. The maps answer one question.
    """
    out: list[Trust] = []
    against = None
    for one in found:
        tokens = on_tokens(one, question.analysis)
        order = next(streamed(question, tokens, against, steps=STEPS, seed=seed))
        against = order.against
        findings: dict[str, Finding] = {"completeness": completeness(one), "faithfulness": order}
        out.append(Trust(one, find(one.method).title, findings, {}, 1.0))
    return out
