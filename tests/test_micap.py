"""MICap: masks, records, cuts, the search and its stop, losses, and CLIP's tower."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from core_models.caption_decoder import END
from core_models.clip import Modality
from core_models.interface import Caption, CaptionWord, Decoding, Tokens, presence
from core_models.layout import WordGrid
from core_models.micap import MICap
from core_models.micap_config import MICapConfig
from core_models.speaker import join, search
from core_models.trace import Trace
from tests.conftest import make_clip

WORDS = ("a", "man", "##sion", "plays", "ban", "##jo", "dog", "the", "in", "street")
CONFIG = MICapConfig(
    ("[CLS]", "[SEP]", *WORDS), width=32, heads=4, feature_widths=(6, 7), max_pieces=12
)
BOTH: tuple[Modality, ...] = ("video", "text")
ROWS: list[tuple[Modality, ...]] = [(), ("video",), ("text",), BOTH]
MAPS = [
    *(f"fusion.{i}.{way}" for i in range(2) for way in ("video<-text", "text<-video")),
    *(f"decoder.{i}.caption<-{keys}" for i in range(3) for keys in ("caption", "video+text")),
]


@pytest.fixture
def small() -> MICap:
    """A MICap without towers, with biases that are not zero: nothing may hide behind a zero."""
    torch.manual_seed(1)
    model = MICap(CONFIG, towers=False).eval()
    with torch.no_grad():
        model.decoder.words.normal_()
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def tokens(model: MICap, seed: int = 0) -> Tokens:
    """Two frames of four cells, and an audio caption of three pieces."""
    generator = torch.Generator().manual_seed(seed)
    features: dict[Modality, Tensor] = {
        "video": torch.randn(1, 8, 6, generator=generator),
        "text": torch.randn(1, 3, 7, generator=generator),
    }
    with torch.no_grad():
        return model.embed(features, torch.tensor([[0.25, 0.75]]))


def caption(text: Sequence[str] = ("a", "man", "plays", "ban", "##jo")) -> Caption:
    """A caption of the small vocabulary, with its end."""
    words, owner = join(text)
    pieces = (*(CONFIG.vocabulary.index(piece) for piece in text), END)
    shown = tuple(CaptionWord(word, 1.0) for word in words)
    return Caption(" ".join(words), shown, pieces, (*owner, -1))


@torch.no_grad()
def test_fused_equals_recorded_and_rows_sum_to_one(small: MICap) -> None:
    trace, given = Trace(), small.given(caption())
    fused, recorded = given.fuse(tokens(small)), given.fuse(tokens(small), record=trace)
    torch.testing.assert_close(fused.logits, recorded.logits, atol=1e-5, rtol=1e-5)
    assert given.labels == ("a", "man", "plays", "banjo")
    assert fused.logits.shape == (1, 4) and fused.independent
    assert sorted(trace) == sorted(MAPS)
    for name, weights in trace.items():
        want = torch.ones(weights.shape[:-1])
        if name.endswith("caption<-caption"):
            want[..., 0] = 0  # the first piece reads no piece
            assert weights.shape[-2:] == (6, 6) and not weights.triu().any()
        torch.testing.assert_close(weights.sum(-1), want)


@torch.no_grad()
@pytest.mark.parametrize("gone", BOTH)
def test_a_masked_modality_has_no_influence_and_equals_a_missing_one(
    small: MICap, gone: Modality
) -> None:
    given, first = small.given(caption()), tokens(small)
    loud = {**first.values, gone: 100 * torch.randn_like(first.values[gone])}
    row = presence(first, [[m for m in BOTH if m != gone]])
    masked = given.fuse(first, row).logits
    assert torch.equal(masked, given.fuse(replace(first, values=loud), row).logits)
    empty = {**first.values, gone: first.values[gone][:, :0]}
    never = replace(first, values=empty, keep={**first.keep, gone: first.keep[gone][:, :0]})
    torch.testing.assert_close(masked, given.fuse(never).logits, atol=1e-5, rtol=1e-5)
    assert small.generate(first, row).text == small.generate(never).text


@torch.no_grad()
def test_coalitions_in_one_batch_equal_one_by_one(small: MICap) -> None:
    given, one = small.given(caption()), tokens(small)
    together = given.fuse(one, presence(one, ROWS)).logits
    alone = torch.cat([given.fuse(one, presence(one, [row])).logits for row in ROWS])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert together.isfinite().all() and len(together.unique(dim=0)) == len(ROWS)


@torch.no_grad()
@pytest.mark.parametrize("name", MAPS)
def test_a_cut_path_sends_nothing(small: MICap, name: str) -> None:
    given, one = small.given(caption()), tokens(small)
    whole, trace = given.fuse(one).logits, Trace()
    without = given.fuse(one, record=trace, cut=(name,)).logits
    assert set(trace) == set(MAPS) - {name}
    assert not torch.equal(whole, without)
    torch.testing.assert_close(without, given.fuse(one, cut=(name,)).logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_one_stream_of_a_joined_path_can_be_cut(small: MICap) -> None:
    """The keys of that stream are gone, the others share the whole row."""
    trace = Trace()
    cut = [f"decoder.{i}.caption<-text" for i in range(3)]
    without = small.given(caption()).fuse(tokens(small), record=trace, cut=cut).logits
    row = trace["decoder.1.caption<-video+text"]
    assert not row[..., 8:].any()
    torch.testing.assert_close(row[..., :8].sum(-1), torch.ones(row.shape[:-1]))
    both = [*cut, *(f"decoder.{i}.caption<-video" for i in range(3))]
    names = [f"decoder.{i}.caption<-video+text" for i in range(3)]
    nothing, named = (
        small.given(caption()).fuse(tokens(small), cut=c).logits for c in (both, names)
    )
    torch.testing.assert_close(nothing, named)
    assert not torch.equal(nothing, without)


@torch.no_grad()
def test_a_later_word_has_no_influence_on_an_earlier_one(small: MICap) -> None:
    one = small.given(caption()).fuse(tokens(small)).logits
    two = small.given(caption(("a", "man", "dog", "street"))).fuse(tokens(small)).logits
    torch.testing.assert_close(one[:, :2], two[:, :2])
    assert not torch.equal(one[:, 2], two[:, 2])


def test_gradients_reach_every_map_and_nothing_is_left_behind(small: MICap) -> None:
    trace, one = Trace(), tokens(small)
    out = small.given(caption()).fuse(one, record=trace)
    grads = torch.autograd.grad(out.logits.sum(), list(trace.values()))
    assert all(grad.isfinite().all() and grad.any() for grad in grads)
    assert all(p.grad is None for p in small.parameters())


@pytest.mark.parametrize("beams", [1, 4])
def test_the_cache_changes_nothing(small: MICap, beams: int) -> None:
    with torch.no_grad():
        memory = small.memory(tokens(small))
    wish = Decoding(beams=beams)
    assert search(small.decoder, memory, wish) == search(small.decoder, memory, wish, cache=False)


@torch.no_grad()
def test_what_the_search_says_is_what_the_forced_pass_scores(small: MICap) -> None:
    one = tokens(small)
    said = small.generate(one, decoding=Decoding(beams=5))
    scores = [beam.score for beam in said.beams]
    assert len(said.beams) == 5 and said.beams[0].text == said.text
    assert all(a >= b - 1e-6 for a, b in pairwise(scores))
    forced = small.score(small.memory(one), torch.tensor([said.pieces]))
    torch.testing.assert_close(forced.mean().item(), scores[0], atol=1e-5, rtol=1e-5)
    words = small.given(said).fuse(one).probabilities[0]
    torch.testing.assert_close(words, torch.tensor([w.probability for w in said.words]))
    assert said.text == " ".join(word.text for word in said.words)
    assert len(said.owner) == len(said.pieces)


@torch.no_grad()
def test_captions_of_several_lengths_have_the_scores_of_each_alone(small: MICap) -> None:
    memory, captions = small.memory(tokens(small)), [[3, 4, END], [5, END], [6, 7, 8, 9], [END]]
    for pieces, together in zip(captions, small._scores(memory, captions), strict=True):
        alone = small.score(memory, torch.tensor([pieces]))[0]
        torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("there", ROWS[1:])
def test_what_is_recorded_of_a_caption_is_what_the_forced_pass_records(
    small: MICap, there: tuple[Modality, ...]
) -> None:
    one, written, forced = tokens(small), Trace(), Trace()
    row = presence(one, [there])
    said = small.generate(one, row, record=written)
    output = small.given(said).fuse(one, row, record=forced)
    assert list(written) == list(forced) and said == small.generate(one, row)
    for name, weights in written.items():
        torch.testing.assert_close(weights, forced[name], atol=1e-5, rtol=0)
    torch.testing.assert_close(said.output.logits, output.logits, atol=1e-5, rtol=0)
    assert said.output.independent and output.independent


@torch.no_grad()
def test_the_search_keeps_to_its_wishes(small: MICap) -> None:
    one = tokens(small)
    assert len(small.generate(one, decoding=Decoding(min_length=9)).pieces) >= 9
    assert len(small.generate(one, decoding=Decoding(max_length=4)).pieces) <= 4
    assert len(small.generate(one, decoding=Decoding(min_length=40, max_length=99)).pieces) == 12
    plain, strict = (
        small.generate(one, decoding=Decoding(min_length=12, repetition=r)).pieces
        for r in (1.0, 9.0)
    )
    assert len(set(strict)) > len(set(plain))
    asked = iter([False, False, True])
    assert len(small.generate(one, stop=lambda: next(asked, True)).pieces) == 3


def test_layout_places_the_pieces_of_the_caption(small: MICap) -> None:
    clip = make_clip()
    grid = small.given(caption()).layout(
        type("Empty", (), {"values": {}, "clip": clip, "owner": ()})()
    )["caption"]
    assert isinstance(grid, WordGrid) and grid.size == 6
    assert [word.text for word in grid.words] == ["a", "man", "plays", "banjo"]
    assert grid.owner.tolist() == [0, 1, 2, 3, 3, -1]


def test_words_are_joined_from_their_pieces() -> None:
    assert join(("a", "ban", "##jo", "man")) == (["a", "banjo", "man"], [0, 1, 1, 2])
    assert join(("##jo",)) == (["jo"], [0]) and join(()) == ([], [])


def test_faults_of_a_config_are_named() -> None:
    assert not CONFIG.fault()
    assert "vocabulary" in replace(CONFIG, vocabulary=("a",)).fault()
    assert "heads" in replace(CONFIG, heads=5).fault()
    assert "feature_widths" in replace(CONFIG, feature_widths=(1, 2, 3)).fault()  # type: ignore[arg-type]
    assert "decoder_layers" in replace(CONFIG, decoder_layers=0).fault()
