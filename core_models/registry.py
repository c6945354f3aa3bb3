"""The shipped models."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from core_models.caam import CAAM
from core_models.checkpoint import CheckpointError, load_model

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class ModelInfo:
    """One line of the model picker: what it names, and what it was trained on."""

    name: str
    about: str


MODELS: tuple[ModelInfo, ...] = (
    ModelInfo(
        "caam-msrvtt",
        "20 categories · trained on MSR-VTT frames and captions, and on labelled sounds",
    ),
)


def find(name: str) -> Path:
    """The folder of a shipped model's name, or of a path to a checkpoint."""
    if any(info.name == name for info in MODELS):
        return WEIGHTS / name
    if Path(name).is_dir():
        return Path(name).resolve()
    known = ", ".join(info.name for info in MODELS)
    raise CheckpointError(
        f"There is no model {name!r}; name a checkpoint folder or one of: {known}."
    )


def pick_device(wish: str = "auto") -> torch.device:
    """The device that a wish (auto, cpu, cuda, mps) means here; an absent one is an error."""
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wish == "auto":
        return torch.device(next(name for name, yes in there.items() if yes))
    if not there.get(wish):
        raise ValueError(f"This machine has no {wish} device; use --device auto or cpu.")
    return torch.device(wish)


def load(name: str, device: torch.device) -> CAAM:
    """The trained model; loaded once per device, also when two ask for it at once."""
    with _LOADING:
        return _load(name, device)


_LOADING = threading.Lock()


@cache
def _load(name: str, device: torch.device) -> CAAM:
    return load_model(find(name), device)
