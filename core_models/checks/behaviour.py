"""A model does what its explanations rest on: masks, records, cuts and gradients are true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from core_models.checks.finding import (
    NEAR,
    Finding,
    answers,
    counted,
    encoded,
    gap,
    largest,
    recorded,
)
from core_models.checks.sample import only, subsets
from core_models.clip import Clip, Modality, Stream
from core_models.interface import FusionModel, Tokens, presence
from core_models.layout import Layout
from core_models.trace import path

LOUD = 100.0  # times normal noise, in place of absent tokens


def _one_off(model: FusionModel) -> list[tuple[Modality, ...]]:
    """All modalities but one, for each."""
    return [tuple(m for m in model.modalities if m != gone) for gone in model.modalities]


def fused(model: FusionModel, clip: Clip) -> Finding:
    """fused = recorded: a record does not change the answer"""
    tokens = encoded(model, clip)[1]
    rows = presence(tokens, subsets(model))
    pairs = [(model.fuse(tokens, p), recorded(model, tokens, p)[0]) for p in (None, rows)]
    return largest((gap(answers(one), answers(two)) for one, two in pairs), NEAR)


def sums(model: FusionModel, clip: Clip) -> Finding:
    """record: rows sum to 1 over the keys that are present, to 0 where none is"""
    inputs, tokens = encoded(model, clip)
    layout, whole = model.layout(inputs), presence(tokens, [model.modalities])
    gaps = []
    for row in (whole, _half(whole), *presence(tokens, _one_off(model)).split(1)):
        kept = tokens.only(row).keep
        for name, weights in recorded(model, tokens, row)[1].items():
            there = _there(path(name).keys, kept, layout)  # (1, K)
            want = there.any().to(weights.dtype).repeat(weights.shape[:-1])
            if path(name).queries == path(name).keys == ("caption",):
                want[..., 0] = 0  # no word comes before the first
            gaps.append(gap((weights * there[:, None, None]).sum(-1), want))
            gaps.append(gap(weights.sum(-1), want))
    return largest(gaps, NEAR)


def _there(keys: Sequence[Stream], kept: Mapping[Modality, Tensor], layout: Layout) -> Tensor:
    """Which of the keys of a map are present: (1, K); tokens without a place always are."""
    known = {str(m): k for m, k in kept.items()}
    parts = [known[s] if s in known else torch.ones(1, layout[s].size).bool() for s in keys]
    return torch.cat(parts, dim=1)


def _half(row: Tensor) -> Tensor:
    """Every second token of (1, N)."""
    return row & (torch.arange(row.shape[1], device=row.device) % 2 == 0)


def influence(model: FusionModel, clip: Clip) -> Finding:
    """masked tokens have no influence: loud noise in their place changes nothing"""
    tokens = encoded(model, clip)[1]
    rows = presence(tokens, [model.modalities, *_one_off(model)]).split(1)
    gaps = []
    for row in (_half(rows[0]), *rows[1:]):
        one, two = model.fuse(tokens, row), model.fuse(_loud(tokens, row), row)
        gaps.append(gap(answers(one), answers(two)))
    return largest(gaps)


def _loud(tokens: Tokens, row: Tensor) -> Tokens:
    """The tokens (1, N, d), with noise where the row (1, N) has none."""
    generator = torch.Generator().manual_seed(0)
    values = {}
    for (m, x), part in zip(
        tokens.values.items(), row.split(list(tokens.sizes.values()), dim=1), strict=True
    ):
        noise = LOUD * torch.randn(x.shape, generator=generator).to(x)
        values[m] = torch.where(part[..., None], x, noise)
    return replace(tokens, values=values)


def missing(model: FusionModel, clip: Clip) -> Finding:
    """masked = missing: switched off, padded and never there are the same"""
    tokens = encoded(model, clip)[1]
    gaps = []
    for some in _one_off(model) if len(model.modalities) > 1 else ():
        never = answers(model.fuse(encoded(model, only(clip, some))[1]))
        row = presence(tokens, [some])
        gaps.append(gap(answers(model.fuse(tokens, row)), never))
        gaps.append(gap(answers(model.fuse(tokens.only(row))), never))
    return largest(gaps, NEAR)


def packed(model: FusionModel, clip: Clip) -> Finding:
    """absent tokens may be left out: the others keep their meaning when they move together"""
    tokens = encoded(model, clip)[1]
    row = _half(presence(tokens, [model.modalities]))
    return largest(
        [gap(answers(model.fuse(tokens.packed(row))), answers(model.fuse(tokens, row)))], NEAR
    )


def batched(model: FusionModel, clip: Clip) -> Finding:
    """coalitions in one batch = one by one"""
    tokens = encoded(model, clip)[1]
    rows = presence(tokens, subsets(model))
    alone = torch.cat([answers(model.fuse(tokens, row)) for row in rows.split(1)])
    return largest([gap(answers(model.fuse(tokens, rows)), alone)], NEAR)


def cuts(model: FusionModel, clip: Clip) -> Finding:
    """cut: the path is not recorded, and its message is not in the answer"""

    def faults() -> Iterator[str]:
        tokens = encoded(model, clip)[1]
        out, whole = recorded(model, tokens)
        for name in whole:
            felt = False
            for block in map(str, path(name).blocks):
                kept, trace = recorded(model, tokens, cut=(block,))
                if set(trace) != set(whole) - {block}:
                    yield f"without {block} the record has {len(trace)} of {len(whole)} maps"
                without = answers(model.fuse(tokens, cut=(block,)))
                felt |= not torch.equal(without, answers(out))
                if not gap(without, answers(kept)) <= NEAR:
                    yield f"without {block} the answer depends on the record"
            if not felt:
                yield f"the answer without {name} is the same"

    return counted(faults())


def gradients(model: FusionModel, clip: Clip) -> Finding:
    """gradients reach every recorded map"""

    def faults() -> Iterator[str]:
        tokens = encoded(model, clip)[1]
        with torch.enable_grad():
            values = {m: x.detach().clone().requires_grad_() for m, x in tokens.values.items()}
            out, trace = recorded(model, replace(tokens, values=values))
            score = out.logits.sum() if out.independent else out.logits.max()
            live = {name: w for name, w in trace.items() if w.requires_grad}
            grads = torch.autograd.grad(score, list(live.values()), allow_unused=True)
        yield from (f"{name} is detached" for name in trace if name not in live)
        for name, grad in zip(live, grads, strict=True):
            if grad is None:
                yield f"{name} is not on the path to the logits"
            elif not grad.isfinite().all() or not grad.any():
                yield f"the gradient at {name} is {'zero' if not grad.any() else 'not finite'}"

    return counted(faults())


def leftovers(model: FusionModel, clip: Clip) -> Finding:
    """nothing is left behind: no .grad and no hook"""

    def faults() -> Iterator[str]:
        with torch.enable_grad():
            recorded(model, encoded(model, clip)[1])
        for module in _modules(model):
            kind = type(module).__name__
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.grad is not None:
                    yield f"{name} of {kind} has a .grad"
            if module._forward_hooks or module._backward_hooks:
                yield f"{kind} has a hook"

    return counted(faults())


def _modules(model: object) -> Iterator[nn.Module]:
    """The torch modules of a model, which may be one or hold some."""
    held = [model] if isinstance(model, nn.Module) else getattr(model, "__dict__", {}).values()
    for part in held:
        if isinstance(part, nn.Module):
            yield from part.modules()


def repeated(model: FusionModel, clip: Clip) -> Finding:
    """the same twice: towers, answer and maps"""
    gaps = []
    one, two = encoded(model, clip)[1], encoded(model, clip)[1]
    gaps += [gap(x, two.values[m]) for m, x in one.values.items()]
    (first, trace), (again, maps) = recorded(model, one), recorded(model, one)
    gaps += [gap(answers(first), answers(again))]
    gaps += [gap(weights, maps[name]) for name, weights in trace.items()]
    return largest(gaps)
