"""Does a model keep the contract? ``python -m core_models.check FOLDER|NAME|OWNER/NAME``.

From Python, on any object with the contract of a FusionModel: ``report(run(model))``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from math import nan

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded

import torch

from core_models.checks import behaviour, shapes
from core_models.checks.finding import Check, Finding
from core_models.checks.sample import sample
from core_models.clip import Clip
from core_models.interface import Captioner, FusionModel, Model
from core_models.registry import load
from core_models.tensors import CheckpointError

CHECKS: tuple[Check, ...] = (
    shapes.prepare,
    shapes.encode,
    shapes.fuse,
    shapes.sizes,
    shapes.places,
    shapes.names,
    shapes.baseline,
    shapes.kinds_of_clip,
    behaviour.fused,
    behaviour.sums,
    behaviour.influence,
    behaviour.missing,
    behaviour.packed,
    behaviour.batched,
    behaviour.cuts,
    behaviour.gradients,
    behaviour.leftovers,
    behaviour.repeated,
)


def run(model: Model, clip: Clip | None = None) -> dict[str, Finding]:
    """What every check finds, by what it checks; one that raises has failed.

    A captioner is checked while it reads the caption that it writes.
    """
    clip = sample(model.frames) if clip is None else clip
    with torch.no_grad():
        if isinstance(model, Captioner):
            model = model.given(model.generate(model.encode(model.prepare(clip))))
        return {str(check.__doc__): _tried(check, model, clip) for check in CHECKS}


def _tried(check: Check, model: FusionModel, clip: Clip) -> Finding:
    try:
        return check(model, clip)
    except Exception as error:  # the model is foreign: whatever it raises is its fault
        return Finding(nan, detail=f"{type(error).__name__}: {error}".splitlines()[0])


def report(findings: Mapping[str, Finding]) -> str:
    """One line per check: whether it passes, what it is, what was measured, and what may be."""
    wide = max(map(len, findings))
    lines = []
    for what, found in findings.items():
        mark, detail = "✓" if found.ok else "✗", f"  {found.detail}" if found.detail else ""
        said = f"{found.measured:.2g} (at most {found.limit:g})"
        lines.append(f"{mark} {what:<{wide}}  {said}{detail}")
    passed = sum(found.ok for found in findings.values())
    return "\n".join([*lines, f"{passed} of {len(findings)} pass"])


def main(argv: list[str] | None = None) -> int:
    """0: everything passes, 1: something does not, 2: there is no such model."""
    parser = argparse.ArgumentParser(
        prog="python -m core_models.check", description="Does a model keep the contract?"
    )
    parser.add_argument("model", help="a shipped model, a folder or a hub id")
    name = parser.parse_args(argv).model
    try:
        model = load(name, torch.device("cpu"))
    except CheckpointError as error:
        print(f"check: {error}", file=sys.stderr)
        return 2
    findings = run(model)
    print(f"{model.name}, on a clip of noise, a chirp and words:")
    print(report(findings))
    return 0 if all(found.ok for found in findings.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
