"""One clip becomes one row: what was answered, by what, and how far its maps can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from core_models.clip import Modality
from explain.analysis import Analysis
from explain.attention.maps import maps
from explain.attribution import Attribution
from explain.dataset.columns import (
    JOIN,
    Combination,
    Explanation,
    Layer,
    Origin,
    Part,
    Row,
    Seconds,
    Together,
)
from explain.dataset.listing import Entry
from explain.metrics.infidelity import Infidelity
from explain.modality.report import ModalityReport
from explain.trust import Trust


def named(file: str) -> str:
    """A path that can be written anywhere: what is no text in it is spelt out."""
    return file.encode("utf-8", "backslashreplace").decode()


def failed(entry: Entry, origin: Origin, why: str) -> Row:
    """The row of a clip that could not be explained."""
    return Row(entry.id, named(entry.file), entry.labels, **vars(origin), error=why)


def row(
    entry: Entry,
    origin: Origin,
    analysis: Analysis,
    found: Sequence[Attribution],
    trusts: Sequence[Trust],
    report: ModalityReport,
    seconds: Seconds,
) -> Row:
    """What was found out about one clip, in plain values."""
    clip, tests = analysis.clip, {t.attribution.method: t for t in trusts}
    scored = report.scores
    return Row(
        entry.id, named(entry.file), entry.labels, **vars(origin),
        clip=clip.key,
        duration=clip.duration,
        present=analysis.present,
        text=" ".join(word.text for word in clip.words),
        answer=analysis.answer,
        probability=sure(analysis),
        right=analysis.answer in entry.labels if entry.labels else None,
        target=report.target.asked,
        score=float(scored[-1]),
        change=float(scored[-1] - scored[0]),
        parts=_parts(report.values),
        together=tuple(
            Together(JOIN.join(x.members), x.value, x.kind) for x in report.interactions
        ),
        combinations=_combinations(report),
        layers=_layers(analysis),
        explanations=tuple(explanation(a, tests.get(a.method)) for a in found),
        notices=analysis.notices,
        seconds=seconds,
    )  # fmt: skip


def sure(analysis: Analysis) -> float:
    """The probability of the answer; of a caption, the geometric mean over its words."""
    if analysis.caption is None:
        return analysis.top[0][1]
    logs = [np.log(max(w.probability, 1e-12)) for w in analysis.caption.words]
    return float(np.exp(np.mean(logs))) if logs else 0.0


def _parts(values: Mapping[Modality, float]) -> tuple[Part, ...]:
    whole = sum(abs(x) for x in values.values())
    return tuple(Part(m, x, abs(x) / whole if whole else 0.0) for m, x in values.items())


def _combinations(report: ModalityReport) -> tuple[Combination, ...]:
    found = report.coalitions
    answers = found.answers or ("",) * len(found.members)
    none: tuple[float, ...] = ()
    return tuple(
        Combination(
            JOIN.join(members), answer, float(score), float(chance),
            none if found.independent else tuple(probabilities.tolist()),
        )
        for members, answer, score, chance, probabilities in zip(
            found.members, answers, report.scores, report.chances, found.probabilities, strict=True
        )
    )  # fmt: skip


def _layers(analysis: Analysis) -> tuple[Layer, ...]:
    return tuple(
        Layer(
            x.name, x.group, x.layer, x.query, x.key,
            tuple(x.focus.tolist()), tuple((1 - x.unplaced).tolist()), x.cut,
        )
        for x in maps(analysis)
    )  # fmt: skip


def explanation(found: Attribution, tested: Trust | None = None) -> Explanation:
    """What a row says of one map."""
    faithful = tested.faithfulness if tested else None
    curves = faithful.all if faithful and not faithful.all.why else None
    complete = tested.completeness if tested else None
    foretold = tested.findings.get("infidelity") if tested else None
    shares = found.shares
    return Explanation(
        found.method, found.target.asked, found.level,
        shares.get("video"), shares.get("audio"), shares.get("text"),
        residual=found.residual,
        missed=complete.relative if complete else None,
        deletion=curves.deletion_area if curves else None,
        insertion=curves.insertion_area if curves else None,
        effect=curves.effect if curves else None,
        p=curves.p if curves else None,
        order=faithful.all.word if faithful else "",
        infidelity=foretold.value if isinstance(foretold, Infidelity) else None,
        good=tested.good if tested else None,
        verdict=tested.verdict if tested else "",
    )  # fmt: skip
