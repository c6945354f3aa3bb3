"""What is known of many clips, each figure with how many it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from explain.dataset.columns import Explanation, Row
from explain.dataset.pid import Measured

Z = 1.96  # of a 95% interval
FEW = 5  # clips from which on a mean has an interval
# By the id of a row and the method: a JPEG of the map, or a sentence why there is none.
Pictures = Mapping[tuple[str, str], bytes | str]


@dataclass(frozen=True)
class Mean:
    """With its 95% interval over clips, the mean ± 1.96 standard errors; of few, no interval."""

    mean: float
    low: float
    high: float
    clips: int

    @property
    def sure(self) -> bool:
        """Whether there is an interval."""
        return self.clips >= FEW


@dataclass(frozen=True)
class Share:
    """How many of how many, with the Wilson 95% interval (Wilson 1927)."""

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

    @property
    def cases(self) -> tuple[tuple[Row, Explanation], ...]:
        """Those of both ends."""
        return self.most + self.least


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
