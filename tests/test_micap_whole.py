"""MICap with its towers: CLIP's, the paper's size, the contract, checkpoints, odd clips."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, BertConfig, BertModel, CLIPVisionConfig, CLIPVisionModel

from core_models import describer
from core_models.caption_decoder import END
from core_models.check import run
from core_models.checkpoint import load_model, save_model
from core_models.checks.sample import only
from core_models.describer import UNCLEAR, Description
from core_models.encoders import TextTower, load_encoder
from core_models.encoders.clip import ClipTower
from core_models.interface import Decoding
from core_models.micap import MICap
from core_models.micap_config import MICapConfig
from core_models.registry import load
from core_models.trace import Trace
from tests.conftest import make_clip
from tests.test_micap import CONFIG, WORDS, caption


@torch.no_grad()
def test_clip_tower_equals_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )
    clip = CLIPVisionModel(config).eval()
    monkeypatch.setattr(CLIPVisionModel, "from_pretrained", lambda *_, **__: clip)
    tower = load_encoder("transformers:openai/clip-vit-base-patch16")
    assert isinstance(tower, ClipTower) and (tower.grid, tower.width) == (2, 32)
    x, trace = torch.randn(2, 3, 32, 32), Trace()
    whole = clip(x).last_hidden_state[:, 1:].unflatten(1, (2, 2, 2, 2)).mean(dim=(2, 4))
    torch.testing.assert_close(tower(x, trace), whole.flatten(1, 2), atol=1e-4, rtol=1e-4)
    assert list(trace) == ["video.0", "video.1", "video.2"]
    torch.testing.assert_close(trace["video.0"].sum(-1), torch.ones(2, 4, 17))


@torch.no_grad()
def test_the_papers_size_builds_from_hub_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the downloads replaced by fresh weights of fewer layers."""
    reading = load_encoder("minilm")
    assert isinstance(reading, TextTower)
    bert = BertModel(BertConfig(num_hidden_layers=1), add_pooling_layer=False)
    clip = CLIPVisionModel(CLIPVisionConfig(num_hidden_layers=1, patch_size=16))
    monkeypatch.setattr(BertModel, "from_pretrained", lambda *_, **__: bert)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *_: reading.tokenizer)
    monkeypatch.setattr(CLIPVisionModel, "from_pretrained", lambda *_, **__: clip)
    config = replace(
        CONFIG,
        video="transformers:openai/clip-vit-base-patch16",
        text="transformers:bert-base-uncased",
        feature_widths=(768, 768),
        width=768,
        heads=12,
        decoder_layers=6,
        mlp_ratio=4.0,
    )
    model = MICap(config).eval()
    tokens = model.encode(model.prepare(make_clip(frames=5)))
    assert tokens.sizes["video"] == 5 * 7 * 7 and tokens.sizes["text"] >= len(make_clip().words)
    trace = Trace()
    assert model.given(caption()).fuse(tokens, record=trace).logits.shape == (1, 4)
    assert trace["decoder.5.caption<-video+text"].shape[1] == 12


@pytest.fixture(scope="module")
def whole() -> MICap:
    """A MICap with the shipped towers and fresh weights."""
    torch.manual_seed(0)
    return MICap(MICapConfig(("[CLS]", "[SEP]", *WORDS))).eval()


@torch.no_grad()
def test_the_contract_holds(whole: MICap) -> None:
    clip = make_clip()
    said = whole.generate(whole.encode(whole.prepare(clip)), decoding=Decoding(max_length=8))
    findings = run(whole.given(said), clip)
    assert not [what for what, found in findings.items() if not found.ok]


@torch.no_grad()
@pytest.mark.parametrize("count", [0, 10_000])
def test_an_audio_caption_of_any_length_is_read_up_to_its_bound(whole: MICap, count: int) -> None:
    clip = only(make_clip(words=("dog",) * count), ("video", "text"))
    inputs = whole.prepare(clip)
    sizes = whole.encode(inputs).sizes
    assert sizes["text"] == min(count, whole.reading.max_pieces)
    notices = [
        f"The model read the first 128 of the audio caption's {count} words: "
        "it takes 128 word pieces at most."
    ]
    assert list(inputs.notices) == (notices if count else [])


@torch.no_grad()
def test_without_words_the_sound_is_put_into_words(
    whole: MICap, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Description("a dog is barking", 0.9, ())
    monkeypatch.setattr(describer, "describe", lambda clip: None if clip.words else heard)
    inputs = whole.prepare(make_clip(words=()))
    assert [w.text for w in inputs.clip.words] == ["a", "dog", "is", "barking"]
    assert inputs.clip.text_source == "generated"
    assert inputs.notices == ("The sound was put into words by a small tagger, 90% sure.",)
    typed = make_clip(words=("rain",))
    assert whole.prepare(typed).clip is typed
    unclear = Description(UNCLEAR, 0.2, ())
    monkeypatch.setattr(describer, "describe", lambda clip: unclear)
    inputs = whole.prepare(make_clip(words=()))
    assert "text" not in inputs.values and "could not be put into words" in inputs.notices[0]


@torch.no_grad()
def test_a_clip_without_a_picture_says_so(whole: MICap) -> None:
    inputs = whole.prepare(only(make_clip(), ()))
    assert inputs.notices == ("There is no picture to describe: the caption is a guess.",)
    assert whole.generate(whole.encode(inputs), decoding=Decoding(max_length=6)).text


@torch.no_grad()
def test_saved_and_loaded_it_says_the_same(whole: MICap, tmp_path: Path) -> None:
    save_model(whole, tmp_path / "mine")
    again = load_model(tmp_path / "mine")
    assert isinstance(again, MICap) and again.config == whole.config
    tokens = whole.encode(whole.prepare(make_clip()))
    first, second = (m.given(caption()).fuse(tokens).logits for m in (whole, again))
    torch.testing.assert_close(first, second, atol=2e-2, rtol=2e-2)  # saved in half precision


def test_two_threads_do_not_disturb_each_other(whole: MICap) -> None:
    with torch.no_grad():
        both = [whole.encode(whole.prepare(make_clip(seed))) for seed in (0, 1)]
    alone = [whole.generate(x) for x in both]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(whole.generate, both)) == alone


@torch.no_grad()
@pytest.mark.parametrize("seed", [0, 1])
def test_the_shipped_model_says_whole_sentences(seed: int) -> None:
    model = load("micap-msrvtt", torch.device("cpu"))
    assert isinstance(model, MICap)
    said = model.generate(model.encode(model.prepare(make_clip(seed, frames=5, words=()))))
    words = said.text.split()
    assert len(words) > 2 and said.pieces[-1] == END
    assert all(a != b for a, b in pairwise(words))
    assert all(0 < word.probability <= 1 for word in said.words)
