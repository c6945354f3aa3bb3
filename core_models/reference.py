"""What held-out clips look like to a model: how far a clip lies from them, and how near its
modalities lie to each other.

A clip is one vector per modality: the mean of its tokens in the model's joint space, or where the
model says it compares them (`compare`). How far it
lies from the training data is the Mahalanobis distance to them (Lee et al. 2018,
arXiv:1807.03888) in their first principal components. How near two modalities lie is the cosine
of their vectors, each taken from its modality's mean. Both are ranked among held-out clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from core_models.clip import MODALITIES, Modality
from core_models.interface import Model, Tokens
from core_models.tensors import CheckpointError, read

FILE = "reference.safetensors"
COMPONENTS = 32
OUTSIDE = 0.99  # of held-out clips lie nearer than a clip that is called outside


@dataclass(frozen=True, eq=False)
class Reference:
    """mean (d,) and axes (k, d) per modality: the axes whiten the first principal components.

    far: sorted distances of held-out clips, by modality. matched, other: sorted cosines of
    held-out pairs that belong together and of pairs that do not, by ``a-b``.
    """

    mean: Mapping[Modality, Tensor]
    axes: Mapping[Modality, Tensor]
    far: Mapping[Modality, Tensor]
    matched: Mapping[str, Tensor] = field(default_factory=dict)
    other: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Place:
    """A value and the share of held-out clips below it."""

    value: float
    rank: float


@dataclass(frozen=True)
class Closeness:
    """How near two modalities of a clip lie: ranks among pairs that belong together and others.

    auc: how often a held-out pair that belongs together lies nearer than one that does not.
    """

    value: float
    matched: float
    other: float
    auc: float


def pooled(tokens: Tokens) -> dict[Modality, Tensor]:
    """The mean over a clip's tokens, by modality that it has: (B, d)."""
    out: dict[Modality, Tensor] = {}
    for m, x in tokens.values.items():
        keep = tokens.keep[m][..., None]  # (B, N, 1)
        if x.shape[1]:
            out[m] = (x * keep).sum(dim=1) / keep.sum(dim=1).clamp(min=1)
    return out


def joint(model: Model, tokens: Tokens) -> dict[Modality, Tensor]:
    """Where a model compares the modalities that a clip has: (B, d) each."""
    compare = getattr(model, "compare", pooled)
    return {m: x for m, x in compare(tokens).items() if tokens.sizes[m]}


def fit(
    known: Mapping[Modality, Tensor],
    held_out: Mapping[Modality, Tensor],
    pairs: Mapping[str, tuple[Tensor, Tensor]],
) -> Reference:
    """From pooled training clips (N, d), held-out ones (M, d), and held-out pairs by ``a-b``."""
    mean = {m: x.mean(dim=0) for m, x in known.items()}
    axes = {m: _whitening(x - mean[m]) for m, x in known.items()}
    blank = Reference(mean, axes, {})
    far = {m: _quantiles(distance(blank, m, x)) for m, x in held_out.items()}
    matched, other = {}, {}
    for name, (one, two) in pairs.items():
        table = _cosines(blank, name, one, two)  # (M, M)
        off = ~torch.eye(len(table), dtype=torch.bool)
        matched[name], other[name] = _quantiles(table.diagonal()), _quantiles(table[off])
    return Reference(mean, axes, far, matched, other)


def _whitening(centred: Tensor) -> Tensor:
    """Axes (k, d) on which the rows (N, d) have unit variance."""
    _, scale, axes = torch.linalg.svd(centred, full_matrices=False)
    k = min(COMPONENTS, int((scale > 1e-4 * scale[0]).sum()))
    return axes[:k] * len(centred) ** 0.5 / scale[:k, None]


def _quantiles(values: Tensor, count: int = 201) -> Tensor:
    return values.flatten().sort().values.quantile(torch.linspace(0, 1, count))


def _centred(reference: Reference, m: Modality, x: Tensor) -> Tensor:
    mean = reference.mean[m]
    if x.shape[1:] != mean.shape:
        raise CheckpointError(
            f"{FILE} belongs to another model: it compares {m} by {len(mean)} numbers where this "
            f"one has {x.shape[1]}; remove it, or make it anew."
        )
    return x.cpu() - mean


def distance(reference: Reference, m: Modality, x: Tensor) -> Tensor:
    """Mahalanobis distance per component of pooled clips (B, d): (B,); about 1 for known ones."""
    white = _centred(reference, m, x) @ reference.axes[m].T  # (B, k)
    return white.square().mean(dim=1).sqrt()


def _cosines(reference: Reference, name: str, one: Tensor, two: Tensor) -> Tensor:
    a, b = (m for m in MODALITIES if m in name.split("-"))
    left = F.normalize(_centred(reference, a, one), dim=1)
    right = F.normalize(_centred(reference, b, two), dim=1)
    return left @ right.T


def rank(value: float, among: Tensor) -> float:
    """The share of quantiles below a value."""
    return float((among < value).float().mean())


def familiarity(reference: Reference, here: Mapping[Modality, Tensor]) -> dict[Modality, Place]:
    """How far a clip (1, d) lies from what the model knows, by modality."""
    out: dict[Modality, Place] = {}
    for m, x in here.items():
        if m in reference.far:
            value = float(distance(reference, m, x)[0])
            out[m] = Place(value, rank(value, reference.far[m]))
    return out


def closeness(reference: Reference, here: Mapping[Modality, Tensor]) -> dict[str, Closeness]:
    """How near the modalities of a clip (1, d) lie to each other, for pairs with a reference."""
    out: dict[str, Closeness] = {}
    for name, matched in reference.matched.items():
        a, b = (m for m in MODALITIES if m in name.split("-"))
        if a in here and b in here:
            value = float(_cosines(reference, name, here[a], here[b])[0, 0])
            other = reference.other[name]
            auc = float((matched[:, None] > other[None]).float().mean())
            out[name] = Closeness(value, rank(value, matched), rank(value, other), auc)
    return out


def save_reference(reference: Reference, folder: Path) -> None:
    """One file beside the model's weights, in half precision."""
    parts = {name: getattr(reference, name) for name in Reference.__dataclass_fields__}
    state = {
        f"{n}.{k}": v.half().contiguous() for n, part in parts.items() for k, v in part.items()
    }
    save_file(state, folder / FILE)


def load_reference(folder: Path, owner: str = "") -> Reference | None:
    """The reference of a checkpoint folder, if it has one; CheckpointError where it is damaged."""
    if not (folder / FILE).is_file():
        return None
    owner = owner or folder.name
    parts: dict[str, dict[str, Tensor]] = {name: {} for name in Reference.__dataclass_fields__}
    for key, value in read(folder / FILE, owner).items():
        name, _, which = key.partition(".")
        if name not in parts or not set(which.split("-")) <= set(MODALITIES):
            raise CheckpointError(f"{FILE} of {owner} has an unknown part {key}.")
        parts[name][which] = value
    if not _whole(**parts):
        raise CheckpointError(f"{FILE} of {owner} is damaged: its parts do not fit together.")
    return Reference(**parts)  # type: ignore[arg-type]


def _whole(
    mean: Mapping[str, Tensor], axes: Mapping[str, Tensor], far: Mapping[str, Tensor],
    matched: Mapping[str, Tensor], other: Mapping[str, Tensor],
) -> bool:  # fmt: skip
    """Whether distances and cosines can be taken of what a file holds."""
    ranked = [*far.values(), *matched.values(), *other.values()]
    pairs = [name.split("-") for name in matched]
    return (
        all(x.ndim == 1 and len(x) for x in (*mean.values(), *ranked))
        and all(m in mean and x.ndim == 2 and x.shape[1:] == mean[m].shape for m, x in axes.items())
        and far.keys() <= axes.keys()
        and matched.keys() == other.keys()
        and all(len(set(pair)) == len(pair) == 2 and set(pair) <= mean.keys() for pair in pairs)
    )
