"""A folder (config.json, model.safetensors, README.md) to a model and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from core_models.caam import CAAM, CAAMConfig
from core_models.clip import MODALITIES
from core_models.config_file import excess, read_config
from core_models.describer import DESCRIBER, TOWER
from core_models.encoders import ENCODERS
from core_models.mbt import MBT, MBTConfig
from core_models.micap import MICap
from core_models.micap_config import MICapConfig
from core_models.reference import load_reference
from core_models.tensors import CheckpointError as CheckpointError
from core_models.tensors import fill

Model = CAAM | MBT | MICap
Config = CAAMConfig | MBTConfig | MICapConfig
ARCHITECTURES: Mapping[str, tuple[Callable[..., Model], type[Config]]] = {
    "caam": (CAAM, CAAMConfig),
    "mbt": (MBT, MBTConfig),
    "micap": (MICap, MICapConfig),
}
# How JSON writes the default of a field; a field without one, or a tuple, is a list.
JSON_KINDS: Mapping[type, tuple[type, ...]] = {
    str: (str,),
    bool: (bool,),
    int: (int,),
    float: (int, float),
}

MOST_NUMBERS = 2**28  # in the weights of a model without its towers: 1 GB


def save_model(model: Model, folder: Path) -> None:
    """Write config and weights in fp16, without the shared towers; whole files or none."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        k: v.detach().cpu().half().contiguous()
        for k, v in model.state_dict().items()
        if not k.startswith("towers.")
    }
    partial = folder / "model.safetensors.partial"
    save_file(state, partial)
    partial.replace(folder / "model.safetensors")
    config = {"architecture": model.architecture, **asdict(model.config)}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


def load_model(
    folder: Path, device: str | torch.device = "cpu", towers: bool = True, name: str = ""
) -> Model:
    """The trained model of a folder, in float32 and evaluation mode; its name is the folder's.

    Raises CheckpointError, naming the file, the field or the parameter, when it does not fit.
    """
    name = name or folder.name
    values = read_config(folder, name)
    kind = values.pop("architecture", None)
    if not isinstance(kind, str) or kind not in ARCHITECTURES:
        known = ", ".join(map(repr, ARCHITECTURES))
        raise CheckpointError(
            f"config.json of {name} names the architecture {kind!r}; known: {known}."
        )
    architecture, form = ARCHITECTURES[kind]
    if fault := _fault(values, form):
        raise CheckpointError(f"config.json of {name} {fault}.")
    try:
        with torch.device("meta"):  # without memory, of which a config may ask for any amount
            outline = architecture(_config(values, form), towers=False, name=name)
        size = sum(x.numel() for x in outline.state_dict().values())
        if size > MOST_NUMBERS:
            raise ValueError(f"it asks for {size:,} parameters, more than {MOST_NUMBERS:,}")
        model = architecture(_config(values, form), towers=towers, name=name)
    except Exception as error:  # whatever a config of strangers can bring about
        said = (str(error) or type(error).__name__).splitlines()[0].removesuffix(".")
        raise CheckpointError(f"config.json of {name} cannot be built: {said}.") from None
    if towers and (misfit := model.misfit()):
        raise CheckpointError(f"config.json of {name}: {misfit}.")
    fill(model, folder / "model.safetensors", name, without="towers.")
    model.reference = load_reference(folder, name)
    return model.eval().to(device)


def _fault(values: Mapping[str, Any], form: type[Config]) -> str:
    """What is wrong with the fields of a config, naming the field; empty where nothing is."""
    known = {f.name: JSON_KINDS.get(type(f.default), (list,)) for f in fields(form)}
    for key, value in values.items():
        if key not in known:
            return f"has an unknown field {key!r}; known: {', '.join(known)}"
        if type(value) not in known[key]:
            return f"has a {key} of the wrong kind: {value!r}"
        if why := excess(key, value):
            return why
    if "labels" in known and not values.get("labels"):
        return "has no labels"
    return _config(values, form).fault()


def _config(values: Mapping[str, Any], form: type[Config]) -> Config:
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return form(**given)


def weight_hashes(folder: Path) -> dict[str, str]:
    """sha256 of the model's weights and of all that the repository ships for it."""
    files = {folder.name: folder / "model.safetensors"}
    config = read_config(folder, folder.name) if (folder / "config.json").is_file() else {}
    for source in (config.get(m) for m in MODALITIES):
        if isinstance(source, str) and (ENCODERS / source).is_dir():
            files[source] = ENCODERS / source / "model.safetensors"
    if config.get("architecture") == MICap.architecture:  # its words may come from these
        files["describer"] = DESCRIBER / "model.safetensors"
        files[TOWER] = ENCODERS / TOWER / "model.safetensors"
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in files.items()
        if path.is_file()
    }
