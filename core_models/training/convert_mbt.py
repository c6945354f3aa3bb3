"""An MBT of the paper's size from trained towers: ``python -m core_models.training.convert_mbt``.

A timm ViT becomes the tower over frames, an audio spectrogram transformer (AST, Gong et al. 2021,
arXiv:2104.01778) the one over sound. Heads and bottlenecks stay fresh: the result is where
training begins.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor
from transformers import ASTModel

from core_models.checkpoint import save_model
from core_models.mbt import MBT, MBTConfig
from core_models.tensors import CheckpointError
from core_models.vit import Tower

VIDEO, AUDIO = "timm:vit_base_patch16_224", "MIT/ast-finetuned-audioset-10-10-0.4593"
PAPER: Mapping[str, Any] = {
    "factorised": False,
    "motion": False,
    "frames": 8,
    "image_size": 224,
    "patch": 16,
    "mel_bands": 128,
    "mel_frames": 1024,
    "mel_mean": -4.2677393,
    "mel_std": 2 * 4.5689974,
    "audio_patch": (16, 16),
    "audio_stride": (10, 10),
    "class_tokens": (1, 2),
    "width": 768,
    "heads": 12,
    "depth": 12,
    "frame_layers": 0,
    "fusion_layer": 8,
    "mlp_ratio": 4.0,
    "dropout": 0.0,
}
OWN = ("head.", "times")  # of a tower, in no foreign checkpoint
TIMM = ((r"patch_embed\.proj\.", "patch_embed."), (r"(head|head_drop|fc_norm|pre_logits)\..*", ""))
AST = (
    (r"audio_spectrogram_transformer\.", ""),
    (r"classifier\..*", ""),
    (r"embeddings\.patch_embeddings\.projection\.", "patch_embed."),
    (r"embeddings\.position_embeddings", "pos_embed"),
    (r"(encoder\.)?layers?\.(\d+)\.", r"blocks.\2."),
    (r"attention\.(attention\.)?(q|k|v)(uery|ey|alue|_proj)\.", r"attn.\2."),
    (r"attention\.(output\.dense|o_proj)\.", "attn.proj."),
    (r"layernorm_before\.", "norm1."),
    (r"layernorm_after\.", "norm2."),
    (r"intermediate\.dense\.", "mlp.fc1."),
    (r"output\.dense\.", "mlp.fc2."),
    (r"^layernorm\.", "norm."),
)


def renamed(state: Mapping[str, Tensor], rules: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """The tensors under our names; those whose name comes to nothing are left out."""
    out = {}
    for name, value in state.items():
        for pattern, new in rules:
            name = re.sub(pattern, new, name)
        if name:
            out[name] = value
    return out


def from_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of a tower from those of a timm VisionTransformer."""
    return renamed(state, TIMM)


def from_ast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of a tower from those of a transformers AST, old names or new."""
    out = renamed(state, AST)
    marks = [f"embeddings.{kind}_token" for kind in ("cls", "distillation")]
    if all(mark in out for mark in marks):
        out["cls_token"] = torch.cat([out.pop(mark) for mark in marks], dim=1)  # (1, 2, d)
    for name in [name for name in out if ".attn.q." in name]:
        parts = [name.replace(".attn.q.", f".attn.{part}.") for part in "qkv"]
        if all(part in out for part in parts):
            joined = torch.cat([out.pop(part) for part in parts])
            out[name.replace(".attn.q.", ".attn.qkv.")] = joined
    return out


def adopt(tower: Tower, state: Mapping[str, Tensor], owner: str) -> None:
    """Give a tower all its parameters but its head and the places in time.

    Raises CheckpointError, naming the parameter, when the two do not fit.
    """
    own = {k: v for k, v in tower.state_dict().items() if not k.startswith(OWN)}
    for key in sorted(own.keys() ^ state.keys()):
        raise CheckpointError(
            f"{owner} {'misses' if key in own else 'has an unknown'} parameter {key}."
        )
    for key, value in state.items():
        have, want = tuple(value.shape), tuple(own[key].shape)
        if have != want:
            raise CheckpointError(f"{owner}: {key} has shape {have}, the tower needs {want}.")
    tower.load_state_dict(dict(state), strict=False)


def paper_model(
    labels: Sequence[str], fusion: str = "bottleneck", video: str = VIDEO, audio: str = AUDIO
) -> MBT:
    """The paper's size from hub ids; an empty id leaves a tower with fresh weights.

    OSError when the hub cannot be reached.
    """
    model = MBT(MBTConfig(tuple(labels), fusion=fusion, **PAPER))
    if video:
        vit = timm.create_model(video.removeprefix("timm:"), pretrained=True)
        adopt(model.video, from_timm(vit.state_dict()), video)
    if audio:
        ast = ASTModel.from_pretrained(audio, use_safetensors=True)
        adopt(model.audio, from_ast(ast.state_dict()), audio)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description="Build an MBT of the paper's size.")
    parser.add_argument("out", type=Path, help="folder for the model")
    parser.add_argument("--labels", type=Path, required=True, help="a file with one a line")
    parser.add_argument("--video", default=VIDEO, help="timm:<name>; empty for fresh weights")
    parser.add_argument("--audio", default=AUDIO, help="an AST; empty for fresh weights")
    parser.add_argument("--fusion", default="bottleneck")
    args = parser.parse_args()
    labels = args.labels.read_text().splitlines()
    save_model(paper_model(labels, args.fusion, args.video, args.audio), args.out)


if __name__ == "__main__":
    main()
