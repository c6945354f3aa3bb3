"""The towers: pretrained encoders walked with `attend`, so that what they attend to can be kept.

A tower is named by a folder under ``weights/encoders`` (or any path), or by a hub id:
``timm:vit_base_patch16_224`` or ``transformers:bert-base-uncased``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoTokenizer, BertConfig, BertModel, PreTrainedTokenizerFast

from core_models.tensors import fill
from core_models.trace import Trace, attend

ENCODERS = Path(__file__).parent / "weights" / "encoders"


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(B, N, heads * d) -> (B, heads, N, d)."""
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Tensor) -> Tensor:
    """(B, heads, N, d) -> (B, N, heads * d)."""
    return x.transpose(1, 2).flatten(2)


class VisionTower(nn.Module):
    """A timm ViT over single frames; its patch tokens, average-pooled to a coarser grid."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.image_size = int(config["image_size"])
        self.pool = int(config.get("pool", 1))
        self.vit = timm.create_model(
            config["arch"],
            pretrained=bool(config.get("pretrained", False)),
            img_size=self.image_size,
            num_classes=0,
            global_pool="",
        )
        if "depth" in config:
            self.vit.blocks = self.vit.blocks[: config["depth"]]
        self.width = int(self.vit.embed_dim)
        self.heads = int(self.vit.blocks[0].attn.num_heads)
        self.grid = int(self.vit.patch_embed.grid_size[0]) // self.pool
        self.register_buffer("mean", torch.tensor(config["mean"]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(3, 1, 1), persistent=False)

    def pixels(self, frames: NDArray[np.uint8]) -> Tensor:
        """uint8 (T, H, W, 3) -> float (T, 3, S, S): the whole frame, squashed to a square."""
        x = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255  # (T, 3, H, W)
        size = (self.image_size, self.image_size)
        x = F.interpolate(x, size=size, mode="bilinear", antialias=True)
        mean, std = self.get_buffer("mean"), self.get_buffer("std")
        return (x.to(mean.device) - mean) / std

    def forward(self, x: Tensor, record: Trace | None = None, name: str = "video") -> Tensor:
        """float (N, 3, S, S) -> (N, grid * grid, d)."""
        vit = self.vit
        x = vit.norm_pre(vit._pos_embed(vit.patch_embed(x)))  # (N, 1 + patches, d)
        for i, block in enumerate(vit.blocks):
            attn = block.attn
            qkv = attn.qkv(block.norm1(x)).chunk(3, dim=-1)
            q, k, v = (split_heads(part, self.heads) for part in qkv)  # (N, heads, 1 + P, d')
            y = attend(attn.q_norm(q), attn.k_norm(k), v, record=record, name=f"{name}.{i}")
            x = x + block.ls1(attn.proj(merge_heads(y)))
            x = x + block.ls2(block.mlp(block.norm2(x)))
        patches = vit.norm(x)[:, vit.num_prefix_tokens :]  # (N, patches, d)
        side = self.grid * self.pool
        image = patches.transpose(1, 2).unflatten(2, (side, side))  # (N, d, side, side)
        return F.avg_pool2d(image, self.pool).flatten(2).transpose(1, 2)


class TextTower(nn.Module):
    """A BERT over word pieces; [CLS] and [SEP] are inside the pass, not in its output."""

    def __init__(self, config: dict[str, Any], tokenizer: PreTrainedTokenizerFast) -> None:
        super().__init__()
        self.max_pieces = int(config.get("max_pieces", 128))
        sizes = {k: v for k, v in config.items() if k not in ("kind", "max_pieces")}
        self.bert = BertModel(BertConfig(**sizes), add_pooling_layer=False)
        self.tokenizer = tokenizer
        self.width = int(self.bert.config.hidden_size)
        self.heads = int(self.bert.config.num_attention_heads)

    def pieces(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """Ids of the word pieces, and for each the index of its word; at most `max_pieces`."""
        ids: list[int] = []
        owner: list[int] = []
        for index, word in enumerate(words):
            new = self.tokenizer.encode(word, add_special_tokens=False)
            if len(ids) + len(new) > self.max_pieces:
                break
            ids += new
            owner += [index] * len(new)
        return ids, owner

    def embed(self, ids: Tensor) -> Tensor:
        """Ids (B, L) -> word embeddings (B, L, d)."""
        out: Tensor = self.bert.embeddings.word_embeddings(ids)
        return out

    def forward(
        self,
        x: Tensor,
        keep: Tensor | None = None,
        record: Trace | None = None,
        name: str = "text",
    ) -> Tensor:
        """Word embeddings (B, L, d) and keep (B, L) -> (B, L, d)."""
        marks = torch.tensor([[self.tokenizer.cls_token_id], [self.tokenizer.sep_token_id]])
        cls, sep = self.embed(marks.to(x.device)).expand(2, len(x), -1)  # (B, d) each
        if keep is None:
            keep = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        # [SEP] stands right behind the last piece that is kept, as in training of the tower.
        x = torch.cat([cls[:, None], x * keep[..., None], torch.zeros_like(sep)[:, None]], dim=1)
        end = keep.sum(dim=1) + 1  # (B,)
        at_end = torch.arange(x.shape[1], device=x.device) == end[:, None]  # (B, L + 2)
        x = torch.where(at_end[..., None], sep[:, None], x)
        seen = torch.arange(x.shape[1], device=x.device) <= end[:, None]  # (B, L + 2)
        x = self.bert.embeddings(inputs_embeds=x)
        for i, layer in enumerate(self.bert.encoder.layer):
            own, out = layer.attention.self, layer.attention.output
            q, k, v = (split_heads(f(x), self.heads) for f in (own.query, own.key, own.value))
            y = merge_heads(attend(q, k, v, keep=seen, record=record, name=f"{name}.{i}"))
            x = out(y, x)
            x = layer.feed_forward_chunk(x)
        return x[:, 1:-1] * keep[..., None]


class SoundTower(nn.Module):
    """SoundNet (Aytar et al. 2016, arXiv:1610.09001): 1-d convolutions over the raw waveform."""

    # out channels, kernel, stride, padding, pooling behind it
    LAYERS = (
        (16, 64, 2, 32, 8),
        (32, 32, 2, 16, 8),
        (64, 16, 2, 8, 1),
        (128, 8, 2, 4, 1),
        (256, 4, 2, 2, 4),
        (512, 4, 2, 2, 1),
        (1024, 4, 2, 2, 1),
    )

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.rate = int(config["rate"])
        self.convs = nn.ModuleList()
        self.stride, width = 1, 1
        for channels, kernel, stride, padding, pool in self.LAYERS[: config["depth"]]:
            self.convs.append(
                nn.Sequential(
                    nn.Conv1d(width, channels, kernel, stride, padding),
                    nn.BatchNorm1d(channels, eps=1e-5),
                    nn.ReLU(),
                    nn.MaxPool1d(pool) if pool > 1 else nn.Identity(),
                )
            )
            self.stride, width = self.stride * stride * pool, channels
        self.width = width

    def tokens(self, samples: int) -> int:
        """How many tokens a waveform of so many samples gives: every started stride is one."""
        return -(-samples // self.stride)

    def edges(self, samples: int) -> NDArray[np.float64]:
        """The borders of the tokens in seconds: (N + 1,)."""
        at = np.arange(self.tokens(samples) + 1) * self.stride
        return np.minimum(at, samples) / self.rate

    def forward(self, x: Tensor) -> Tensor:
        """Mono waveform (B, S) in [-1, 1] -> (B, N, d)."""
        count = self.tokens(x.shape[1])
        x = F.pad(x, (0, (count + 1) * self.stride - x.shape[1]))[:, None] * 256  # (B, 1, S')
        for conv in self.convs:
            x = conv(x)
        return x[..., :count].transpose(1, 2)


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
    from core_models.clip_tower import clip_tower  # which builds on this file

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
