"""The models: those that are shipped, a folder, or a checkpoint from the hub."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock, Thread

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import RepositoryNotFoundError

from core_models.checkpoint import CheckpointError, load_model
from core_models.interface import Model

WEIGHTS = Path(__file__).parent / "weights"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")  # owner/name
HUB_FILES = ["config.json", "model.safetensors", "README.md", "tokenizer.json"]


@dataclass(frozen=True)
class ModelInfo:
    """One line of the model picker: what it names, and what it was trained on.

    build: from the folder ``weights/<name>`` and a device to the model, in evaluation mode.
    writes: answers with a caption.
    """

    name: str
    about: str
    build: Callable[[Path, torch.device], Model] = load_model
    writes: bool = False


MODELS: tuple[ModelInfo, ...] = (
    ModelInfo(
        "caam-msrvtt",
        "20 categories · trained on MSR-VTT frames and captions, and on labelled sounds",
    ),
    ModelInfo(
        "mbt-grid",
        "colour and digit of a spoken command, from sound and lips through a bottleneck · trained "
        "on GRID, one speaker: its answer means something for such clips alone",
    ),
    ModelInfo(
        "caam-grid",
        "40 spoken commands · trained on GRID, one speaker, with the words as text: the answer "
        "stands in the text",
    ),
    ModelInfo(
        "micap-msrvtt",
        "a caption, from the picture and from what is heard, in words · trained on MSR-VTT frames "
        "and captions",
        writes=True,
    ),
)


def find(name: str) -> Path:
    """The folder of a shipped model's name, of a path to a checkpoint, or of a hub id."""
    if any(info.name == name for info in MODELS):
        return WEIGHTS / name
    if Path(name).is_dir():
        return Path(name).resolve()
    if HUB_ID.fullmatch(name):
        return _fetch(name)
    known = ", ".join(info.name for info in MODELS)
    raise CheckpointError(
        f"There is no model {name!r}; name a checkpoint folder, a hub id or one of: {known}."
    )


@cache
def _fetch(name: str) -> Path:
    """The checkpoint of a hub id on this machine, fetched once; no other file is asked for."""
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except RepositoryNotFoundError:
        why = "the hub has no such model"
    except Exception as error:  # a network has many ways to fail
        why = f"the hub cannot be reached ({type(error).__name__})"
    raise CheckpointError(f"There is no folder {name!r}, and {why}.")


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


def load(name: str, device: torch.device, tick: Callable[[], None] = lambda: None) -> Model:
    """The trained model; loaded once per device, also when two ask for it at once.

    tick: called while it is loaded; it may raise. The loading goes on then, for who asks next.
    """
    with _LOCK:
        loading = _MODELS.get((name, device))
        if loading is None:
            loading = _MODELS[name, device] = Future()
            Thread(target=_fill, args=(loading, name, device), daemon=True).start()
    while not loading.done():
        tick()
        wait([loading], LOOK)
    return loading.result()


def frames_of(name: str, device: torch.device) -> int:
    """How many frames a model reads; 0 while it is not loaded."""
    loading = _MODELS.get((name, device))
    if loading is None or not loading.done() or loading.exception():
        return 0
    return loading.result().frames


LOOK = 0.1  # seconds
_LOCK, _LOADING = Lock(), Lock()
_MODELS: dict[tuple[str, torch.device], Future[Model]] = {}


def _fill(loading: Future[Model], name: str, device: torch.device) -> None:
    """Load a model, one at a time; what failed is tried again by who asks next."""
    try:
        with _LOADING:
            loading.set_result(_load(name, device))
    except BaseException as error:
        del _MODELS[name, device]
        loading.set_exception(error)


def _load(name: str, device: torch.device) -> Model:
    folder = find(name)
    for info in MODELS:
        if info.name == name:
            return info.build(folder, device)
    return load_model(folder, device, name="" if Path(name).is_dir() else name)
