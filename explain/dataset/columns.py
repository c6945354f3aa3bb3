"""What a row holds: plain values that Parquet keeps, nested where they belong together."""

from __future__ import annotations

from dataclasses import dataclass

JOIN = " + "  # between the modalities of a combination


@dataclass(frozen=True)
class Part:
    """What a modality did: its exact Shapley value of the target's score, and the part of that in
    the sum of all absolute ones.
    """

    modality: str
    value: float
    share: float


@dataclass(frozen=True)
class Together:
    """What several modalities do beyond their parts, as in `Interaction`."""

    members: str
    value: float
    kind: str


@dataclass(frozen=True)
class Combination:
    """The answer to some of the modalities. chance: of the target, a probability; probabilities:
    of every label, none of a caption.
    """

    members: str
    answer: str
    score: float
    chance: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Layer:
    """One attention map: by head how peaked (0 is even, 1 one cell) and what share of the reader's
    attention it is; cut: the change of the answer's probability without it.
    """

    name: str
    group: str
    layer: int
    query: str
    key: str
    focus: tuple[float, ...]
    share: tuple[float, ...]
    cut: float | None


@dataclass(frozen=True)
class Explanation:
    """One method's map: shares by modality, what is missed of completeness, and the tests.

    effect: area between deletion and insertion less that of random orders, in their standard
    deviations; p: how often these do as well.
    """

    method: str
    target: str
    level: str
    video: float | None
    audio: float | None
    text: float | None
    residual: float | None
    missed: float | None
    deletion: float | None
    insertion: float | None
    effect: float | None
    p: float | None
    order: str
    infidelity: float | None
    good: bool | None
    verdict: str


@dataclass(frozen=True)
class Seconds:
    """On the clock; cpu: of all cores, decoders included. All else in a row is the same again."""

    read: float = 0.0
    looked: float = 0.0
    explained: float = 0.0
    cpu: float = 0.0


@dataclass(frozen=True)
class Row:
    """A clip. error: why nothing follows, in one sentence. clip: sha256 of the file. probability:
    of the answer; of a caption, of its mean word. label: the best; right: whether the answer is
    one of the labels.
    """

    id: str
    file: str
    labels: tuple[str, ...]
    model: str
    weights: str
    arguments: str
    versions: str
    error: str | None = None
    clip: str | None = None
    duration: float | None = None
    present: tuple[str, ...] = ()
    text: str = ""
    answer: str | None = None
    probability: float | None = None
    right: bool | None = None
    target: str | None = None
    score: float | None = None
    change: float | None = None
    parts: tuple[Part, ...] = ()
    together: tuple[Together, ...] = ()
    combinations: tuple[Combination, ...] = ()
    layers: tuple[Layer, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    notices: tuple[str, ...] = ()
    seconds: Seconds = Seconds()


@dataclass(frozen=True)
class Origin:
    """What every row of a run says of itself."""

    model: str
    weights: str
    arguments: str
    versions: str
