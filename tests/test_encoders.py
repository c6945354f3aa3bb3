"""The towers, walked with `attend`, against the libraries that define them."""

import ctypes
import json
import os
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch.nn import functional as F
from transformers import AutoTokenizer, BertConfig, BertModel

from core_models.caam import CAAM, CAAMConfig
from core_models.clip import Modality
from core_models.encoders import ENCODERS, SoundTower, TextTower, VisionTower, load_encoder
from core_models.encoders.sound import PIECE, by_phase
from core_models.trace import Trace

NAMES = sorted(p.name for p in ENCODERS.iterdir() if (p / "config.json").exists())


def of_kind(kind: str) -> str:
    return next(
        n for n in NAMES if json.loads((ENCODERS / n / "config.json").read_text())["kind"] == kind
    )


@pytest.fixture(scope="module")
def vision() -> VisionTower:
    tower = load_encoder(of_kind("vit"))
    assert isinstance(tower, VisionTower)
    return tower


@pytest.fixture(scope="module")
def reading() -> TextTower:
    tower = load_encoder(of_kind("bert"))
    assert isinstance(tower, TextTower)
    return tower


@pytest.fixture(scope="module")
def hearing() -> SoundTower:
    tower = load_encoder(of_kind("soundnet"))
    assert isinstance(tower, SoundTower)
    return tower


@torch.no_grad()
def test_vision_equals_timm(vision: VisionTower) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, vision.image_size, vision.image_size)
    patches = vision.vit.forward_features(x)[:, vision.vit.num_prefix_tokens :]
    side = vision.grid * vision.pool
    image = patches.transpose(1, 2).unflatten(2, (side, side))
    expected = F.avg_pool2d(image, vision.pool).flatten(2).transpose(1, 2)
    torch.testing.assert_close(vision(x), expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_text_equals_transformers(reading: TextTower) -> None:
    ids, owner = reading.pieces(["a", "skateboarding", "dog"])
    assert owner[0] == 0 and owner[-1] == 2 and len(ids) == len(owner)
    marks = reading.tokenizer
    whole = torch.tensor([[marks.cls_token_id, *ids, marks.sep_token_id]])
    expected = reading.bert(input_ids=whole).last_hidden_state[:, 1:-1]
    out = reading(reading.embed(torch.tensor([ids])))
    torch.testing.assert_close(out, expected, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_text_in_a_batch_equals_text_alone(reading: TextTower) -> None:
    short, _ = reading.pieces(["a", "dog"])
    long, _ = reading.pieces(["a", "man", "plays", "the", "drums"])
    keep = torch.zeros(2, len(long), dtype=torch.bool)
    keep[0, : len(short)], keep[1] = True, True
    padded = torch.tensor([short + [7] * (len(long) - len(short)), long])
    both = reading(reading.embed(padded), keep)
    alone = reading(reading.embed(torch.tensor([short])))
    torch.testing.assert_close(both[:1, : len(short)], alone, atol=1e-5, rtol=1e-4)


def test_text_is_bounded(reading: TextTower) -> None:
    ids, owner = reading.pieces(["word"] * 1000)
    assert len(ids) == len(owner) == reading.max_pieces


@torch.no_grad()
@pytest.mark.parametrize("samples", [1, 8191, 8192, 22050, 50000])
def test_sound_tokens_and_their_edges_agree(hearing: SoundTower, samples: int) -> None:
    out = hearing(torch.zeros(1, samples))
    edges = hearing.edges(samples)
    assert out.shape == (1, hearing.tokens(samples), hearing.width)
    assert len(edges) == out.shape[1] + 1
    assert (np.diff(edges) > 0).all() and edges[-1] == pytest.approx(samples / hearing.rate)


@torch.no_grad()
@pytest.mark.parametrize("samples", [100, 4096, 22052])
def test_the_first_layer_by_phases_is_the_convolution(samples: int, hearing: SoundTower) -> None:
    conv = next(m for m in hearing.modules() if isinstance(m, torch.nn.Conv1d))
    assert conv.in_channels == 1 and conv.stride == (2,)
    x = torch.randn(2, 1, samples, generator=torch.Generator().manual_seed(samples))
    found = by_phase(x, conv.weight, conv.bias, (2,))
    assert torch.allclose(found, F.conv1d(x, conv.weight, conv.bias, 2), atol=1e-5)


@pytest.mark.parametrize("samples", [1, 8193, PIECE - 8192, PIECE, 3 * PIECE + 77])
def test_sound_in_pieces_is_the_sound_at_once(samples: int, hearing: SoundTower) -> None:
    x = torch.randn(2, samples, generator=torch.Generator().manual_seed(samples)) / 5
    x.requires_grad_()
    count = hearing.tokens(samples)
    whole = F.pad(x, (0, (count + 1) * hearing.stride - samples))[:, None] * 256
    for layer in hearing.convs:
        whole = layer(whole)
    expected, found = whole[..., :count].transpose(1, 2), hearing(x)
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(found, expected, atol=1e-5 * scale, rtol=1e-4)
    ours, theirs = (torch.autograd.grad(y[:, -1].sum(), x)[0] for y in (found, expected))
    torch.testing.assert_close(ours, theirs, atol=1e-4 * float(theirs.abs().max()), rtol=1e-3)


@torch.no_grad()
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to say what is held")
def test_sounds_of_other_lengths_leave_nothing(hearing: SoundTower) -> None:
    def held(seconds: int) -> float:
        """MB after a sound."""
        hearing(torch.zeros(1, seconds * hearing.rate))
        ctypes.CDLL(None).malloc_trim(0)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    first = held(240)
    assert held(241) - first < 20 and held(242) - first < 20  # at once it would be 40 MB each


def test_a_click_is_heard_where_it_is(hearing: SoundTower) -> None:
    silence = torch.zeros(1, 22050 * 6)
    click = silence.clone()
    click[0, 66150:66350] = torch.linspace(-1, 1, 200)  # at 3.0 s
    change = (hearing(click) - hearing(silence)).norm(dim=-1)[0]
    edges = hearing.edges(silence.shape[1])
    at = int(change.argmax())
    slack = edges[1]  # the receptive field may put it one token aside
    assert edges[at] - slack <= 3.0 <= edges[at + 1] + slack


@torch.no_grad()
def test_towers_record_every_layer(vision: VisionTower, reading: TextTower) -> None:
    trace = Trace()
    x = torch.randn(1, 3, vision.image_size, vision.image_size)
    plain = vision(x)
    torch.testing.assert_close(vision(x, trace), plain, atol=1e-4, rtol=1e-4)
    ids, _ = reading.pieces(["two", "words"])
    reading(reading.embed(torch.tensor([ids])), record=trace)
    layers = len(vision.vit.blocks) + len(reading.bert.encoder.layer)
    assert len(trace) == layers
    for weights in trace.values():
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


@pytest.mark.parametrize("name", NAMES)
def test_shipped_towers_are_described_and_half_precision(name: str) -> None:
    from safetensors import safe_open

    assert len((ENCODERS / name / "README.md").read_text()) > 400
    with safe_open(ENCODERS / name / "model.safetensors", "pt") as weights:
        kinds = {weights.get_slice(k).get_dtype() for k in weights.keys()}
    assert kinds <= {"F16", "I64"}


@torch.no_grad()
def test_hub_ids_build_the_size_of_the_paper(
    reading: TextTower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the downloads replaced by fresh weights: ViT-B/16 to 7×7 cells, BERT to its width."""
    create = timm.create_model

    def fresh(name: str, pretrained: bool, **rest: object) -> object:
        assert pretrained
        return create(name, pretrained=False, **rest)

    monkeypatch.setattr(timm, "create_model", fresh)
    vision = load_encoder("timm:vit_base_patch16_224")
    assert isinstance(vision, VisionTower) and len(vision.vit.blocks) == 12
    assert vision(torch.zeros(1, 3, 224, 224)).shape == (1, 49, 768)

    bert = BertModel(BertConfig(num_hidden_layers=2), add_pooling_layer=False)
    monkeypatch.setattr(BertModel, "from_pretrained", lambda *_, **__: bert)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_: reading.tokenizer)
    text = load_encoder("transformers:bert-base-uncased")
    assert isinstance(text, TextTower) and text.width == 768
    ids = torch.tensor([[5, 6, 7]])
    whole = torch.tensor([[text.tokenizer.cls_token_id, 5, 6, 7, text.tokenizer.sep_token_id]])
    expected = bert.eval()(input_ids=whole).last_hidden_state[:, 1:-1]
    torch.testing.assert_close(text(text.embed(ids)), expected, atol=1e-4, rtol=1e-4)

    config = CAAMConfig(("a", "b"), width=768, heads=12, feature_widths=(768, 256, 768))
    model = CAAM(config, towers=False).eval()
    features: dict[Modality, torch.Tensor] = {
        "video": vision(torch.zeros(2, 3, 224, 224)).flatten(0, 1)[None],
        "text": text(text.embed(ids)),
    }
    tokens = model.embed(features, torch.tensor([[0.2, 0.8]]))
    assert model.fuse(tokens).logits.shape == (1, 2)
