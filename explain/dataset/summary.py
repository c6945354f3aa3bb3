"""What many rows say together: statistics over clips, each with how many it stands on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from core_models.clip import MODALITIES
from explain.dataset.pid import Measured, measured
from explain.dataset.rows import JOIN, Explanation, Layer, Row

Z = 1.96  # of a 95 % interval
FEW = 5  # cases at each end
ENOUGH = 10  # clips, to decompose what they say


@dataclass(frozen=True)
class Mean:
    """With its 95 % interval over clips: the mean ± 1.96 standard errors; of one clip, itself."""

    mean: float
    low: float
    high: float
    clips: int


@dataclass(frozen=True)
class Share:
    """How many of how many, with the Wilson 95 % interval (Wilson 1927)."""

    count: int
    of: int

    @property
    def share(self) -> float:
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        n, p = max(self.of, 1), self.share
        middle, root = p + Z**2 / (2 * n), Z * (p * (1 - p) / n + Z**2 / (4 * n * n)) ** 0.5
        return (middle - root) / (1 + Z**2 / n), (middle + root) / (1 + Z**2 / n)


@dataclass(frozen=True)
class Group:
    """The clips of one category. shares: of each modality in the sum of absolute Shapley values;
    values: these themselves; right: where clips have labels.
    """

    name: str
    clips: int
    shares: Mapping[str, Mean]
    values: Mapping[str, Mean]
    right: Share | None


@dataclass(frozen=True)
class LayerStatistics:
    """One attention map over clips. focus, share: (heads,) means; cut: of the signed change of the
    answer's probability, moved: of its size; None where nothing is cut.
    """

    name: str
    group: str
    layer: int
    query: str
    key: str
    clips: int
    focus: tuple[float, ...]
    share: tuple[float, ...]
    cut: Mean | None
    moved: Mean | None


@dataclass(frozen=True)
class Interplay:
    """What some modalities do together, clip by clip: the mean Harsanyi dividend, and in how many
    clips it was of which kind.
    """

    members: str
    value: Mean
    kinds: Mapping[str, int]


@dataclass(frozen=True)
class Split:
    """What the answers of two combinations tell of the answer to both, or of the label."""

    first: str
    second: str
    of: str
    measured: Measured


@dataclass(frozen=True)
class Faith:
    """One method over clips. orders: how often its order was of which kind against random ones;
    most, least: clips, the best and the worst first.
    """

    method: str
    clips: int
    orders: Mapping[str, int]
    effect: Mean | None
    missed: Mean | None
    infidelity: Mean | None
    most: tuple[tuple[Row, Explanation], ...]
    least: tuple[tuple[Row, Explanation], ...]


@dataclass(frozen=True)
class Summary:
    """by: what groups are of, the label or the answer. errors: the sentences, most frequent first,
    with their clips.
    """

    rows: tuple[Row, ...]
    by: str
    right: Share | None
    groups: tuple[Group, ...]
    whole: Group
    layers: tuple[LayerStatistics, ...]
    interplay: tuple[Interplay, ...]
    splits: tuple[Split, ...]
    faith: tuple[Faith, ...]
    errors: Mapping[str, tuple[str, ...]]
    notices: Mapping[str, int]

    @property
    def good(self) -> tuple[Row, ...]:
        """Those that are no error."""
        return tuple(row for row in self.rows if row.error is None)


def summary(rows: Sequence[Row], seed: int = 0) -> Summary:
    good = [row for row in rows if row.error is None]
    labelled = any(row.labels for row in good)
    named: dict[str, list[Row]] = defaultdict(list)
    captions = any(not c.answer for row in good for c in row.combinations)
    if not captions:
        for row in good:
            name = (row.labels[0] if row.labels else "no label") if labelled else row.answer
            named[name or ""].append(row)
    groups = sorted((_group(name, x) for name, x in named.items()), key=lambda g: (-g.clips, g.name))
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
    room = Z * float(x.std(ddof=1)) / len(x) ** 0.5 if len(x) > 1 else 0.0
    return Mean(middle, middle - room, middle + room, len(x))


def _group(name: str, rows: Sequence[Row]) -> Group:
    shares, values = {}, {}
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
    return tuple(out)


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
            found = measured(target, *([x[n] for _, x in used] for n in names), seed=seed)
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
        few = min(FEW, len(ranked) // 2)
        out.append(
            Faith(
                method, len(every), dict(Counter(x.order for _, x in every if x.order)),
                mean(x.effect for _, x in every), mean(x.missed for _, x in every),
                mean(x.infidelity for _, x in every),
                tuple(ranked[:few]), tuple(ranked[::-1][:few]),
            )
        )  # fmt: skip
    return tuple(out)
