"""CAAM: masks, batches, variants and checkpoints, on random and on trained weights."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from core_models.caam import CAAM, PAIRS, VARIANTS, CAAMConfig
from core_models.checkpoint import load_model, save_model
from core_models.clip import MODALITIES, Modality
from core_models.interface import Tokens, presence
from core_models.trace import Trace
from tests.conftest import make_clip

LABELS = ("music", "people", "gaming")
CONFIG = CAAMConfig(labels=LABELS, width=32, heads=4, feature_widths=(6, 5, 7))
SIZES: Mapping[Modality, int] = {"video": 2 * 4, "audio": 5, "text": 3}
COALITIONS: list[tuple[Modality, ...]] = [
    tuple(m for i, m in enumerate(MODALITIES) if bits >> i & 1) for bits in range(8)
]


@pytest.fixture(params=VARIANTS)
def small(request: pytest.FixtureRequest) -> CAAM:
    """A CAAM without towers, with biases that are not zero: nothing may hide behind a zero."""
    torch.manual_seed(1)
    model = CAAM(replace(CONFIG, variant=request.param), towers=False).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return model


def features(batch: int = 2, seed: int = 0) -> dict[Modality, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    widths = dict(zip(MODALITIES, CONFIG.feature_widths, strict=True))
    return {m: torch.randn(batch, n, widths[m], generator=generator) for m, n in SIZES.items()}


def tokens(model: CAAM, batch: int = 2, seed: int = 0) -> Tokens:
    times = torch.tensor([[0.25, 0.75]]).expand(batch, -1)
    return model.embed(features(batch, seed), times)


@torch.no_grad()
def test_fused_equals_recorded(small: CAAM) -> None:
    trace = Trace()
    fused, recorded = small.fuse(tokens(small)), small.fuse(tokens(small), record=trace)
    torch.testing.assert_close(fused.logits, recorded.logits, atol=1e-5, rtol=1e-5)
    names = [f"fusion.{i}.{q}<-{k}" for i, (q, k) in enumerate(VARIANTS[small.config.variant])]
    assert list(trace) == names
    for name, weights in trace.items():
        q, k = name.split(".")[2].split("<-")
        assert weights.shape == (2, 4, SIZES[q], SIZES[k])  # type: ignore[index]
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))


@torch.no_grad()
@pytest.mark.parametrize("gone", MODALITIES)
def test_a_masked_modality_has_no_influence_at_all(small: CAAM, gone: Modality) -> None:
    first = tokens(small, 1)
    loud = {**first.values, gone: 100 * torch.randn_like(first.values[gone])}
    rows = presence(first, [[m for m in MODALITIES if m != gone]])
    one, two = small.fuse(first, rows), small.fuse(replace(first, values=loud), rows)
    assert torch.equal(one.logits, two.logits)


@torch.no_grad()
@pytest.mark.parametrize("gone", MODALITIES)
def test_masked_equals_missing(small: CAAM, gone: Modality) -> None:
    """Switching a modality off is the same as never having had it."""
    times = torch.tensor([[0.25, 0.75]])
    whole = features(1)
    rest = {m: x for m, x in whole.items() if m != gone}
    rows = presence(small.embed(whole, times), [list(rest)])
    masked = small.fuse(small.embed(whole, times), rows)
    missing = small.fuse(small.embed(rest, times))
    torch.testing.assert_close(masked.logits, missing.logits, atol=1e-5, rtol=1e-5)
    for pair, vote in masked.votes.items():
        torch.testing.assert_close(vote, missing.votes[pair], equal_nan=True, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_coalitions_in_one_batch_equal_one_by_one(small: CAAM) -> None:
    one = tokens(small, 1)
    together = small.fuse(one, presence(one, COALITIONS)).logits
    alone = torch.cat([small.fuse(one, presence(one, [row])).logits for row in COALITIONS])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    assert torch.isfinite(together).all()


@torch.no_grad()
@pytest.mark.parametrize("some", MODALITIES)
def test_what_rows_share_is_computed_once_and_changes_nothing(small: CAAM, some: Modality) -> None:
    one, generator = tokens(small, 1), torch.Generator().manual_seed(0)
    rows = presence(one, [MODALITIES] * 4)
    begin = sum(SIZES[m] for m in MODALITIES[: MODALITIES.index(some)])
    gone = torch.rand(4, SIZES[some], generator=generator) < 0.5
    rows[:, begin : begin + SIZES[some]] &= ~gone
    shared, packed = one.only(rows), one.packed(rows)
    written = replace(shared, values={m: x.contiguous() for m, x in shared.values.items()})
    expected = small.fuse(written).logits
    alike = (gone[:, None] == gone).all(dim=-1)  # (4, 4)
    near = (expected[:, None] - expected).abs().amax(dim=-1) < 1e-5
    assert torch.equal(near, alike) and not alike.all()
    assert all(packed.values[m].stride(0) == 0 for m in MODALITIES if m != some)
    for same in (shared, packed):
        torch.testing.assert_close(small.fuse(same).logits, expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_batch_equals_single_with_padding(small: CAAM) -> None:
    times = torch.tensor([[0.25, 0.75]])
    both = features(2)
    keep = {m: torch.ones(2, n, dtype=torch.bool) for m, n in SIZES.items()}
    keep["audio"][0, 3:] = False
    keep["text"][0, 1:] = False
    batch = small.fuse(small.embed(both, times.expand(2, -1), keep)).logits[:1]
    sizes = {**SIZES, "audio": 3, "text": 1}
    single = small.fuse(small.embed({m: x[:1, : sizes[m]] for m, x in both.items()}, times))
    torch.testing.assert_close(batch, single.logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_answer_is_the_mean_of_the_votes_that_have_a_side(small: CAAM) -> None:
    one = tokens(small, 1)
    alone = [COALITIONS[1]]  # the picture
    out = small.fuse(one, presence(one, alone))
    silent = {f"{a}-{b}" for a, b in PAIRS if "video" not in (a, b)}
    live = [v for pair, v in out.votes.items() if pair not in silent]
    assert all(out.votes[pair].isnan().all() for pair in silent)
    torch.testing.assert_close(out.logits, torch.stack(live).mean(0))


@torch.no_grad()
def test_a_cut_path_is_neither_recorded_nor_felt(small: CAAM) -> None:
    one = tokens(small, 1)
    whole = Trace()
    base = small.fuse(one, record=whole).logits
    for name in whole:
        trace = Trace()
        cut = small.fuse(one, record=trace, cut=(name,)).logits
        assert name not in trace and len(trace) == len(whole) - 1
        assert not torch.equal(cut, base)


def test_gradients_reach_every_map_and_leave_nothing_behind(small: CAAM) -> None:
    trace = Trace()
    score = small.fuse(tokens(small, 1), record=trace).logits[0, 0]
    grads = torch.autograd.grad(score, list(trace.values()))
    assert all(torch.isfinite(g).all() and g.abs().sum() > 0 for g in grads)
    assert all(p.grad is None for p in small.parameters())


@torch.no_grad()
def test_save_and_load_are_identical(small: CAAM, tmp_path: Path) -> None:
    save_model(small, tmp_path / "one")
    loaded = load_model(tmp_path / "one", towers=False)
    assert isinstance(loaded, CAAM) and loaded.config == small.config
    save_model(loaded, tmp_path / "two")
    again = load_model(tmp_path / "two", towers=False)
    assert isinstance(again, CAAM)
    assert torch.equal(loaded.fuse(tokens(loaded)).logits, again.fuse(tokens(again)).logits)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_long_sound_is_averaged_onto_few_tokens(caam: CAAM) -> None:
    clip = make_clip(seconds=60.0, frames=1)
    with torch.no_grad():
        inputs = caam.prepare(clip)
        out = caam.encode(inputs)
    layout = caam.layout(inputs)
    for m, size in out.sizes.items():
        assert layout[m].size == size
    assert out.sizes["audio"] <= caam.config.max_audio_tokens


@torch.no_grad()
@pytest.mark.parametrize("coalition", COALITIONS[1:], ids="+".join)
def test_the_trained_model_takes_every_kind_of_clip(
    caam: CAAM, coalition: tuple[Modality, ...]
) -> None:
    whole = make_clip()
    clip = replace(
        whole,
        frames=whole.frames if "video" in coalition else whole.frames[:0],
        times=whole.times if "video" in coalition else whole.times[:0],
        waveform=whole.waveform if "audio" in coalition else whole.waveform[:0],
        words=whole.words if "text" in coalition else (),
    )
    inputs = caam.prepare(clip)
    assert tuple(inputs.values) == coalition
    trace = Trace()
    tokens = caam.encode(inputs)
    out = caam.fuse(tokens, record=trace)
    assert out.logits.shape == (1, len(caam.labels)) and out.logits.isfinite().all()
    assert {m: g.size for m, g in caam.layout(inputs).items()} == {
        m: n for m, n in tokens.sizes.items() if n
    }
    assert caam.baseline(inputs).values.keys() == inputs.values.keys()
