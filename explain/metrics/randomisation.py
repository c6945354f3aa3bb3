"""Cascading randomisation of parameters (Adebayo et al. 2018, arXiv:1810.03292).

From the answer down, the weights of more and more fusion layers are shuffled, and the map is made
anew. A map that stays as it was does not depend on what the model has learnt. Shuffled weights keep
their size, so the model stays in its range; towers, and so the tokens, stay as they are.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from core_models.interface import FusionModel
from explain.attribution import Attribution
from explain.methods.method import Method
from explain.metrics.metric import again, changed
from explain.metrics.similarity import TokenScores, alike
from explain.question import Question

STOPS = 4
APART, NEAR = 0.3, 0.6  # rank correlation


@dataclass(frozen=True)
class Randomisation:
    """similarity: per stop, the rank correlation inside modalities with the map of the model as it
    is, of the scores or of their sizes, whichever is larger. layers: which were shuffled in
    addition at each stop; stops: of how many in all.
    """

    layers: tuple[tuple[str, ...], ...]
    similarity: tuple[float, ...]
    stops: int
    seed: int
    why: str = ""

    @property
    def last(self) -> float:
        """With most layers shuffled."""
        return self.similarity[-1] if self.similarity else 0.0

    @property
    def good(self) -> bool | None:
        return None if self.why else self.last < NEAR

    @property
    def verdict(self) -> str:
        if self.why:
            return f"Nothing can be learnt from shuffled weights: {self.why}."
        share = "all" if len(self.similarity) == self.stops else "some"
        given = f"with {share} weights of the fusion shuffled (rank correlation {self.last:.2f})"
        if self.last < APART:
            return f"The map becomes another {given}: it depends on what the model has learnt."
        if self.last < NEAR:
            return f"The map stays alike in part {given}: some of it comes from the tokens alone."
        return f"The map stays as it was {given}: it hardly depends on what the model has learnt."

    def to_dict(self) -> dict[str, Any]:
        return {
            "layers": [list(names) for names in self.layers],
            "similarity": list(self.similarity),
            "seed": self.seed,
            "verdict": self.verdict,
        }


def randomisation(
    question: Question,
    method: Method,
    attribution: Attribution,
    tokens: TokenScores,
    *,
    stops: int = STOPS,
    seed: int = 0,
) -> Iterator[Randomisation]:
    """After every stop of the cascade."""
    if attribution.blank:
        yield Randomisation((), (), stops, seed, "the map is empty")
        return
    layers = cascade(question)
    stops = min(stops, len(layers))
    ends = [-(-len(layers) * (i + 1) // stops) for i in range(stops)]
    found: list[float] = []
    for end in ends:
        other = shuffled(question.analysis.model, layers[:end], seed)
        made = again(changed(question, model=other), method, attribution)
        found.append(max(alike(tokens, made), alike(_sizes(tokens), _sizes(made))))
        added = [layers[a:b] for a, b in zip([0, *ends], ends[: len(found)], strict=False)]
        yield Randomisation(tuple(added), tuple(found), stops, seed)


def cascade(question: Question) -> tuple[str, ...]:
    """The layers between the tokens and the score, the nearest to the score first."""
    model = twin(question.analysis.model)
    root = _root(model)
    names: dict[int, str] = {}
    for path, old in list(root.named_parameters(remove_duplicate=False)):
        leaf = nn.Parameter(old.detach())
        _put(root, path, leaf)
        names[id(leaf)] = path
    output = model.fuse(question.analysis.tokens, question.here)
    return tuple(dict.fromkeys(layer(names[at]) for at in _leaves(question.target.score(output))))


def layer(path: str) -> str:
    """The layer of a parameter: its name up to a number, or its part of the model."""
    steps = path.split(".")
    number = next((i for i, step in enumerate(steps) if step.isdigit()), None)
    return ".".join(steps[:1] if number is None else steps[: number + 1])


def shuffled(model: FusionModel, layers: tuple[str, ...], seed: int) -> FusionModel:
    """A model that shares all weights but those of some layers, which are shuffled."""
    made = twin(model)
    root, drawn = _root(made), torch.Generator().manual_seed(seed)
    for path, old in list(root.named_parameters()):
        order = torch.randperm(old.numel(), generator=drawn)  # drawn for all: the same at each stop
        if layer(path) in layers:
            new = old.detach().flatten()[order.to(old.device)].view_as(old)
            _put(root, path, nn.Parameter(new, requires_grad=False))
    return made


def twin(model: FusionModel) -> FusionModel:
    """A model of its own on the same weights."""
    root = _root(model)
    memo: dict[int, Any] = {id(x): x for x in (*root.parameters(), *root.buffers())}
    return copy.deepcopy(model, memo)


def _root(model: FusionModel) -> nn.Module:
    """The module with the weights: the model, or the captioner inside."""
    if isinstance(model, nn.Module):
        return model
    return next(part for part in vars(model).values() if isinstance(part, nn.Module))


def _put(root: nn.Module, path: str, value: nn.Parameter) -> None:
    above, _, name = path.rpartition(".")
    setattr(root.get_submodule(above), name, value)


def _leaves(score: torch.Tensor) -> Iterator[int]:
    """The ids of the leaves that a score depends on, by steps of computation from it."""
    seen, line = set(), deque([score.grad_fn])
    while line:
        node = line.popleft()
        if node is None or node in seen:
            continue
        seen.add(node)
        if (leaf := getattr(node, "variable", None)) is not None:
            yield id(leaf)
        line.extend(before for before, _ in node.next_functions)


def _sizes(tokens: TokenScores) -> TokenScores:
    return {m: abs(x) for m, x in tokens.items()}
