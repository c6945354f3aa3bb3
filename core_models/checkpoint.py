"""A folder (config.json, model.safetensors, README.md) to a model and back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core_models.caam import CAAM, caam_config, caam_json
from core_models.encoders import ENCODERS


class CheckpointError(ValueError):
    """A checkpoint folder that cannot be loaded; the message says which part and why."""


def save_model(model: CAAM, folder: Path) -> None:
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
    (folder / "config.json").write_text(json.dumps(caam_json(model.config), indent=1) + "\n")


def load_model(folder: Path, device: str | torch.device = "cpu", towers: bool = True) -> CAAM:
    """The trained model of a folder, in float32 and evaluation mode.

    Raises CheckpointError, naming the file or the parameter, when the folder does not fit.
    """
    config = _config(folder)
    path = folder / "model.safetensors"
    if not path.exists():
        raise CheckpointError(f"{folder.name} has no model.safetensors; pickles are not read.")
    try:
        state = {k: v.float() for k, v in load_file(path).items()}
    except SafetensorError as error:
        raise CheckpointError(f"{path.name} of {folder.name} is damaged: {error}.") from None
    try:
        model = CAAM(caam_config(config), towers=towers, name=folder.name)
    except (OSError, TypeError, ValueError) as error:
        said = str(error).splitlines()[0]
        raise CheckpointError(f"config.json of {folder.name} cannot be built: {said}.") from None
    own = {k: v for k, v in model.state_dict().items() if not k.startswith("towers.")}
    for key in sorted(own.keys() ^ state.keys()):
        what = "misses" if key in own else "has an unknown"
        raise CheckpointError(f"{folder.name}/model.safetensors {what} parameter {key}.")
    for key, value in state.items():
        if value.shape != own[key].shape:
            have, want = tuple(value.shape), tuple(own[key].shape)
            raise CheckpointError(
                f"{folder.name}: {key} has shape {have}, the config needs {want}."
            )
    model.load_state_dict(state, strict=False)
    return model.eval().to(device)


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{folder} has no config.json; name a checkpoint folder.") from None
    except ValueError as error:
        raise CheckpointError(f"config.json of {folder.name} is not JSON: {error}.") from None
    if config.get("architecture") != "caam":
        raise CheckpointError(
            f"config.json of {folder.name} names the architecture "
            f"{config.get('architecture')!r}; known: 'caam'."
        )
    return config


def weight_hashes(folder: Path, config: dict[str, Any] | None = None) -> dict[str, str]:
    """sha256 of the model's weights and of each tower's that the repository ships."""
    config = config or _config(folder)
    files = {folder.name: folder / "model.safetensors"}
    for modality in ("video", "audio", "text"):
        if (ENCODERS / config[modality]).is_dir():
            files[config[modality]] = ENCODERS / config[modality] / "model.safetensors"
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
