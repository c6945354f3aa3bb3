"""The towers by name: shipped ones from their folders, others from a hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import timm
from transformers import AutoTokenizer, BertModel, PreTrainedTokenizerFast

from core_models.encoders.clip import clip_tower
from core_models.encoders.sound import SoundTower
from core_models.encoders.text import TextTower
from core_models.encoders.vision import VisionTower
from core_models.tensors import fill

ENCODERS = Path(__file__).parents[1] / "weights" / "encoders"
Tower = VisionTower | TextTower | SoundTower


def build_encoder(config: dict[str, Any], tokenizer: Any = None) -> Tower:
    """The tower that a config describes, with fresh weights; a text tower needs its tokenizer."""
    match config["kind"]:
        case "vit":
            return VisionTower(config)
        case "soundnet":
            return SoundTower(config)
        case "bert" if tokenizer is not None:
            return TextTower(config, tokenizer)
    raise ValueError(f"unknown encoder kind {config['kind']!r}; known: vit, bert, soundnet")


def load_encoder(source: str) -> Tower:
    """The trained tower of a folder or hub id, in float32 and evaluation mode.

    OSError when there is no such folder, or no network for a hub id.
    """
    if source.startswith("timm:"):
        return _timm_hub(source.removeprefix("timm:")).eval()
    if source.startswith("transformers:"):
        return _transformers_hub(source.removeprefix("transformers:")).eval()
    folder = ENCODERS / source
    if not (folder / "config.json").is_file():
        shipped = ", ".join(sorted(p.name for p in ENCODERS.iterdir()))
        raise FileNotFoundError(f"there is no tower {source!r}; shipped: {shipped}")
    config = json.loads((folder / "config.json").read_text())
    tokenizer = None
    if (folder / "tokenizer.json").exists():
        marks = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        path = str(folder / "tokenizer.json")
        tokenizer = PreTrainedTokenizerFast(tokenizer_file=path, unk_token="[UNK]", **marks)
    tower = build_encoder(config, tokenizer)
    fill(tower, folder / "model.safetensors", source)
    return tower.eval()


def _timm_hub(name: str) -> VisionTower:
    cfg = timm.get_pretrained_cfg(name)
    if cfg is None:
        raise FileNotFoundError(f"timm knows no model {name!r}")
    config = {"arch": name, "image_size": cfg.input_size[-1], "mean": cfg.mean, "std": cfg.std}
    return VisionTower({**config, "pretrained": True, "pool": 2})


def _transformers_hub(name: str) -> VisionTower | TextTower:
    try:
        if "clip" in name.lower():  # as every CLIP is called
            return clip_tower(name)
        # Weights from safetensors only: a checkpoint of strangers may name any tower.
        bert = BertModel.from_pretrained(name, add_pooling_layer=False, use_safetensors=True)
        tower = TextTower(bert.config.to_dict(), AutoTokenizer.from_pretrained(name))
    except OSError as error:
        said = str(error).splitlines()[0]
        raise OSError(f"the tower {name!r} cannot be fetched: {said}") from None
    tower.bert.load_state_dict(bert.state_dict())
    return tower
