"""What many rows say together: statistics over clips, each with how many it stands on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import get_args

import numpy as np

from core_models.clip import MODALITIES
from explain.attention.maps import Group as AttentionGroup
from explain.dataset.columns import JOIN, Explanation, Layer, Row
from explain.dataset.pid import measured
from explain.dataset.statistics import (
    FEW,
    Faith,
    Group,
    Interplay,
    LayerStatistics,
    Mean,
    Share,
    Split,
    Summary,
    Z,
)

GROUPS = get_args(AttentionGroup)  # in the order in which a clip passes them, fusion first
ENOUGH = 10  # clips, to decompose what they say
CASES = 5  # at each end


def summary(rows: Sequence[Row], seed: int = 0) -> Summary:
    good = [row for row in rows if row.error is None]
    labelled = any(row.labels for row in good)
    named: dict[str, list[Row]] = defaultdict(list)
    captions = any(not c.answer for row in good for c in row.combinations)
    if not captions:
        for row in good:
            name = (row.labels[0] if row.labels else "no label") if labelled else row.answer
            named[name or ""].append(row)
    groups = sorted(
        (_group(name, x) for name, x in named.items()), key=lambda g: (-g.clips, g.name)
    )
    errors: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.error is not None:
            errors[row.error].append(row.file)
    by_count = dict(sorted(errors.items(), key=lambda x: (-len(x[1]), x[0])))
    return Summary(
        tuple(rows),
        "label" if labelled else "answer",
        _right(good),
        tuple(groups),
        _group("all clips", good),
        _layers(good),
        _interplay(good),
        () if captions else _splits(good, seed),
        _faith(good),
        {why: tuple(files) for why, files in by_count.items()},
        dict(Counter(notice for row in good for notice in row.notices).most_common()),
    )


def mean(values: Iterable[float | None]) -> Mean | None:
    """Of the values that there are; None of none."""
    x = np.array([v for v in values if v is not None], np.float64)
    if not len(x):
        return None
    middle = float(x.mean())
    room = Z * float(x.std(ddof=1)) / len(x) ** 0.5 if len(x) >= FEW else 0.0
    return Mean(middle, middle - room, middle + room, len(x))


def _group(name: str, rows: Sequence[Row]) -> Group:
    shares, values = dict[str, Mean](), dict[str, Mean]()
    for m in MODALITIES:
        found = [part for row in rows for part in row.parts if part.modality == m]
        share, value = mean(p.share for p in found), mean(p.value for p in found)
        if share and value:
            shares[m], values[m] = share, value
    return Group(name, len(rows), shares, values, _right(rows))


def _right(rows: Sequence[Row]) -> Share | None:
    """Of the clips that have a label."""
    told = [row.right for row in rows if row.right is not None]
    return Share(sum(told), len(told)) if told else None


def _layers(rows: Sequence[Row]) -> tuple[LayerStatistics, ...]:
    found: dict[str, list[Layer]] = defaultdict(list)
    for row in rows:
        for layer in row.layers:
            found[layer.name].append(layer)
    out = []
    for name, every in found.items():
        first, cuts = every[0], [x.cut for x in every]
        focus, share = (
            tuple(np.mean([getattr(x, what) for x in every], axis=0).tolist())
            for what in ("focus", "share")
        )
        moved = mean(None if x is None else abs(x) for x in cuts)
        out.append(
            LayerStatistics(
                name, first.group, first.layer, first.query, first.key, len(every),
                focus, share, mean(cuts), moved,
            )
        )  # fmt: skip
    return tuple(sorted(out, key=lambda x: (GROUPS.index(x.group), x.layer)))


def _interplay(rows: Sequence[Row]) -> tuple[Interplay, ...]:
    found: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for row in rows:
        for x in row.together:
            found[x.members].append((x.value, x.kind))
    return tuple(
        Interplay(members, value, dict(Counter(kind for _, kind in every).most_common()))
        for members, every in found.items()
        if (value := mean(v for v, _ in every))
    )


def _splits(rows: Sequence[Row], seed: int) -> tuple[Split, ...]:
    """Of each pair of modalities; of three also each against the other two. The clips are those
    that have all of them.
    """
    out = []
    for first, second in pairs():
        both = JOIN.join(m for m in MODALITIES if m in {*first, *second})
        told = [answers(row) for row in rows]
        names = JOIN.join(first), JOIN.join(second)
        have = [(row, x) for row, x in zip(rows, told, strict=True) if {both, *names} <= x.keys()]
        for of in ("answer", "label"):
            used = [(row, x) for row, x in have if of == "answer" or row.labels]
            if len(used) < ENOUGH:
                continue
            target = [x[both] if of == "answer" else row.labels[0] for row, x in used]
            one, two = ([x[name] for _, x in used] for name in names)
            found = measured(target, one, two, seed)
            out.append(Split(*names, of, found))
    return tuple(out)


def pairs() -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """What is set against what."""
    two: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        ((a,), (b,)) for a, b in combinations(MODALITIES, 2)
    ]
    return two + [((a,), tuple(b for b in MODALITIES if b != a)) for a in MODALITIES]


def answers(row: Row) -> dict[str, str]:
    """The answer to each combination of modalities, named in one order."""
    return {
        JOIN.join(m for m in MODALITIES if m in x.members.split(JOIN)): x.answer
        for x in row.combinations
    }


def _faith(rows: Sequence[Row]) -> tuple[Faith, ...]:
    found: dict[str, list[tuple[Row, Explanation]]] = defaultdict(list)
    for row in rows:
        for x in row.explanations:
            found[x.method].append((row, x))
    out = []
    for method, every in found.items():
        told = [(row, x, x.effect) for row, x in every if x.effect is not None]
        ranked = [(row, x) for row, x, effect in sorted(told, key=lambda z: (-z[2], z[0].file))]
        few = min(CASES, len(ranked) // 2)
        out.append(
            Faith(
                method, len(every), dict(Counter(x.order for _, x in every if x.order)),
                mean(x.effect for _, x in every), mean(x.missed for _, x in every),
                mean(x.infidelity for _, x in every),
                tuple(ranked[:few]), tuple(ranked[::-1][:few]),
            )
        )  # fmt: skip
    return tuple(out)
