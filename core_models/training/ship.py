"""Encoder folders: config.json, model.safetensors in half precision, README.md, tokenizer.json.

``python -m core_models.training.ship WORK [NAME ...]`` writes the towers that towers.py left in
WORK, untuned, under ``core_models/weights/encoders``; tune.py then replaces the ones it tunes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from timm.layers import resample_abs_pos_embed
from torch import Tensor

from core_models.encoders import ENCODERS
from core_models.training.slim import slim
from core_models.training.towers import PACKAGES

VISION = {
    "kind": "vit",
    "arch": "vit_small_patch14_dinov2.lvd142m",
    "image_size": 196,
    "depth": 10,
    "pool": 2,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}
SOUND = {"kind": "soundnet", "rate": 22050, "depth": 5}
TEXT = {
    "kind": "bert",
    "vocab_size": 27866,
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "max_position_embeddings": 130,  # max_pieces between [CLS] and [SEP]
    "type_vocab_size": 2,
    "max_pieces": 128,
}


@dataclass(frozen=True)
class Shipped:
    """A folder under weights/encoders: its config, the tower it starts from, and what it is."""

    config: Mapping[str, Any]
    source: str
    about: str


SHIPPED: Mapping[str, Shipped] = {
    "vit-small-msrvtt": Shipped(
        VISION,
        "dinov2_s14",
        "DINOv2 ViT-S/14 (Oquab et al. 2023, arXiv:2304.07193) as its package fine-tuned it for "
        "saliency. The first blocks alone are kept; positions are resampled to 14 x 14.",
    ),
    "soundnet": Shipped(
        SOUND,
        "soundnet8",
        "SoundNet-8 (Aytar et al. 2016, arXiv:1610.09001) up to conv5 and its pooling: one token "
        "is 0.37 s of sound, 256 channels. The heads and conv6-8 are left out. Not tuned.",
    ),
    "minilm": Shipped(
        TEXT,
        "minilm_l6",
        "all-MiniLM-L6-v2 (Reimers and Gurevych 2019, arXiv:1908.10084): a BERT of 6 layers, "
        "width 384, with its own word-piece tokenizer. The pooler is left out, and so are the word "
        "pieces in other than Latin letters, and the places behind the 128 pieces "
        "that are read: all English texts are read exactly as before.",
    ),
}


def vision_state(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """The blocks and positions that a VisionTower of this config needs."""
    side = config["image_size"] // 14
    places = resample_abs_pos_embed(state["pos_embed"].float(), (side, side), num_prefix_tokens=1)
    kept = {
        k: v
        for k, v in state.items()
        if not k.startswith("blocks.") or int(k.split(".")[1]) < config["depth"]
    }
    return {f"vit.{k}": v for k, v in {**kept, "pos_embed": places}.items()}


def sound_state(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """conv1.weight -> convs.0.0.weight and conv1_bn.weight -> convs.0.1.weight."""
    out: dict[str, Tensor] = {}
    for i in range(config["depth"]):
        for part, place in (("conv{}", 0), ("conv{}_bn", 1)):
            stem = part.format(i + 1) + "."
            out |= {
                f"convs.{i}.{place}.{k.removeprefix(stem)}": v
                for k, v in state.items()
                if k.startswith(stem)
            }
        out[f"convs.{i}.1.num_batches_tracked"] = torch.zeros((), dtype=torch.long)
    return out


def text_state(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """BERT without its pooler, and without the places that no text reaches."""
    kept = {f"bert.{k}": v for k, v in state.items() if not k.startswith("pooler.")}
    return {**kept, PLACES: kept[PLACES][: config["max_position_embeddings"]]}


PLACES = "bert.embeddings.position_embeddings.weight"
STATES = {"vit": vision_state, "soundnet": sound_state, "bert": text_state}


def write_weights(folder: Path, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Weights in half precision and their config; the weights appear whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    half = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    partial = folder / "model.safetensors.partial"
    save_file({k: v.contiguous() for k, v in half.items()}, partial)
    partial.chmod(0o644)
    partial.replace(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(dict(config), indent=1) + "\n")


def write_card(folder: Path, tuned: str = "") -> None:
    """README.md of an encoder: what, from where, licence, hashes, commands."""
    shipped = SHIPPED[folder.name]
    package, weights = PACKAGES[shipped.source], folder / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    lines = [
        f"# {folder.name}\n\n{shipped.about}\n",
        f"- Source: `{package.requirement}` on the Python package index, "
        f"sha256 `{package.sha256}`.",
        f"- Licence, as far as the package states it: {package.licence}.",
        f"- model.safetensors: {weights.stat().st_size / 1e6:.1f} MB in half precision, "
        f"sha256 `{digest}`.",
        f"- Converted with `python -m core_models.training.towers WORK {shipped.source}` and "
        f"`python -m core_models.training.ship WORK {folder.name}`.",
    ]
    (folder / "README.md").write_text("\n".join([*lines, *([tuned] if tuned else [])]) + "\n")


def ship(name: str, work: Path, root: Path = ENCODERS) -> None:
    """The untuned tower of WORK under its shipped name."""
    shipped, folder = SHIPPED[name], root / name
    loaded = load_file(work / f"{shipped.source}.safetensors")
    state = STATES[shipped.config["kind"]](loaded, shipped.config)
    if shipped.config["kind"] == "bert":
        tokenizer = next((work / "packages" / shipped.source).rglob("tokenizer.json"))
        slimmed, state = slim(json.loads(tokenizer.read_text()), state)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "tokenizer.json").write_text(json.dumps(slimmed, ensure_ascii=False) + "\n")
    write_weights(folder, shipped.config, state)
    write_card(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the encoder folders.")
    parser.add_argument("work", type=Path)
    parser.add_argument("names", nargs="*", default=list(SHIPPED))
    parser.add_argument("--out", type=Path, default=ENCODERS)
    args = parser.parse_args()
    for name in args.names:
        ship(name, args.work, args.out)
        size = sum(f.stat().st_size for f in (args.out / name).iterdir())
        print(f"{name}: {size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
