"""MBT: what its fusion promises, on small models with random weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core_models.check import report, run
from core_models.checkpoint import load_model, save_model
from core_models.checks.sample import only, sample
from core_models.clip import Clip, Modality
from core_models.interface import Tokens, presence
from core_models.layout import BandGrid, FrameGrid, SlotGrid
from core_models.mbt import CLASS, HALVES, MBT, MBTConfig
from core_models.mbt_towers import FUSIONS
from core_models.registry import WEIGHTS
from core_models.trace import Trace

V: tuple[Modality, ...] = ("video",)
A: tuple[Modality, ...] = ("audio",)
AV: tuple[Modality, ...] = ("video", "audio")
LABELS = tuple(f"{c} {d}" for c in ("blue", "red") for d in ("one", "two", "three"))
SMALL = MBTConfig(
    LABELS,
    frames=3,
    image_size=16,
    patch=8,
    mel_bands=8,
    mel_frames=40,
    audio_patch=(8, 4),
    audio_stride=(8, 4),
    width=16,
    heads=2,
    depth=4,
    fusion_layer=2,
)


def small(fusion: str = "bottleneck", **changes: object) -> MBT:
    """Random weights, large enough for everything to be felt."""
    torch.manual_seed(0)
    model = MBT(replace(SMALL, fusion=fusion, **changes)).eval()  # type: ignore[arg-type]
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(1.5 if p.ndim > 1 else 1.0)
        if fusion == "latent":
            model.scales.fill_(0.5)
    return model


@pytest.fixture(scope="module", params=FUSIONS)
def model(request: pytest.FixtureRequest) -> MBT:
    return small(request.param)


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


def tokens_of(model: MBT, clip: Clip | None = None) -> Tokens:
    return model.encode(model.prepare(clip or sample()))


def louder(tokens: Tokens, m: str) -> Tokens:
    """The same with other tokens and class tokens of one modality."""
    values = {k: x.roll(1, -1) * 3 if k == m else x for k, x in tokens.values.items()}
    extra = {k: x.roll(1, -1) * 3 if k == f"{m}-cls" else x for k, x in tokens.extra.items()}
    return replace(tokens, values=values, extra=extra)


def test_the_contract_is_kept(model: MBT) -> None:
    findings = run(model)
    assert all(found.ok for found in findings.values()), report(findings)


def test_a_record_changes_nothing_and_rows_are_their_own(model: MBT) -> None:
    tokens = tokens_of(model)
    rows = presence(tokens, [AV, V, A, ()])
    fused, kept = model.fuse(tokens, rows), model.fuse(tokens, rows, record=Trace())
    torch.testing.assert_close(fused.logits, kept.logits, atol=1e-5, rtol=0)
    for i, row in enumerate(rows):
        alone = model.fuse(tokens, row[None]).logits
        torch.testing.assert_close(alone, fused.logits[i : i + 1], atol=1e-5, rtol=0)
    assert not fused.logits[3].any()
    assert not model.fuse(tokens_of(model, only(sample(), ()))).logits.any()


def test_a_masked_modality_has_no_influence_at_all(model: MBT) -> None:
    tokens = tokens_of(model)
    row = presence(tokens, [V])
    one, two = (model.fuse(t, row) for t in (tokens, louder(tokens, "audio")))
    assert torch.equal(one.logits, two.logits)
    assert one.votes["audio"].isnan().all()
    without = tokens_of(model, only(sample(), V))
    torch.testing.assert_close(one.logits, model.fuse(without).logits, atol=1e-5, rtol=0)


def test_the_answer_is_the_mean_of_the_heads_that_are_there(model: MBT) -> None:
    tokens = tokens_of(model)
    out = model.fuse(tokens, presence(tokens, [AV, A]))
    both = (out.votes["video"][0] + out.votes["audio"][0]) / 2
    torch.testing.assert_close(out.logits[0], both)
    torch.testing.assert_close(out.logits[1], out.votes["audio"][1])


def test_nothing_is_exchanged_before_the_fusion_layer(model: MBT) -> None:
    both, alone = tokens_of(model), tokens_of(model, only(sample(), V))
    assert torch.equal(both.values["video"], alone.values["video"])
    assert torch.equal(both.extra["video-cls"], alone.extra["video-cls"])


def test_the_new_bottleneck_is_the_mean_over_the_modalities() -> None:
    model = small()
    tokens, expected = tokens_of(model), []
    for m in HALVES:
        tower = model.tower(m)
        x = torch.cat([tokens.extra[CLASS[m]], tokens.values[m], model.bottleneck], dim=1)
        expected.append(tower.blocks[2](x)[:, -4:])
    mean = (expected[0] + expected[1]) / 2
    x = torch.cat([tokens.extra["video-cls"], tokens.values["video"], model.bottleneck], dim=1)
    x = torch.cat([model.video.blocks[2](x)[:, :-4], mean], dim=1)
    vote = model.video.says(model.video.blocks[3](x)) @ model.belongs
    torch.testing.assert_close(model.fuse(tokens).votes["video"], vote)
    masked = model.fuse(tokens, presence(tokens, [V])).votes["video"]
    x = torch.cat([x[:, :-4], expected[0]], dim=1)  # the mean over one
    alone = model.video.says(model.video.blocks[3](x)) @ model.belongs
    torch.testing.assert_close(masked, alone)


@pytest.mark.parametrize("cut", ["fusion.0.bottleneck<-audio", "fusion.1.video-cls<-bottleneck"])
def test_the_bottleneck_is_the_only_way(cut: str) -> None:
    model = small()
    tokens = tokens_of(model)
    shut = [cut, "fusion.0.bottleneck<-audio-cls", "fusion.1.video<-bottleneck"]
    before, after = (
        model.fuse(t, cut=shut).votes["video"] for t in (tokens, louder(tokens, "audio"))
    )
    assert torch.equal(before, after)
    open_ = (model.fuse(t).votes["video"] for t in (tokens, louder(tokens, "audio")))
    assert not torch.equal(*open_)


def test_fresh_latents_exchange_nothing() -> None:
    torch.manual_seed(0)
    model = MBT(replace(SMALL, fusion="latent")).eval()
    tokens = tokens_of(model)
    one, two = (model.fuse(t).votes["video"] for t in (tokens, louder(tokens, "audio")))
    assert torch.equal(one, two)
    model.scales.fill_(0.5)
    assert not torch.equal(model.fuse(tokens).votes["video"], one)


def test_names_of_the_maps() -> None:
    maps = {}
    for fusion in FUSIONS:
        model, trace = small(fusion), Trace()
        model.fuse(tokens_of(model), record=trace)
        maps[fusion] = list(trace)[: len(trace) // 2]
    row = "{m}-cls+{m}+bottleneck"
    video, audio = row.format(m="video"), row.format(m="audio")
    assert maps["bottleneck"] == [f"fusion.0.{x}<-{x}" for x in (video, audio)]
    own = [f"fusion.0.{m}-cls+{m}<-{m}-cls+{m}" for m in ("video", "audio")]
    reads = ["bottleneck<-audio+video", "video<-bottleneck", "audio<-bottleneck"]
    assert maps["latent"] == [*(f"fusion.0.{x}" for x in reads), *own]
    assert maps["late"] == own


def test_a_factorised_head_adds_its_words() -> None:
    model = small()
    logits = model.fuse(tokens_of(model)).logits.view(2, 3)
    contrast = logits[0] - logits[1]  # blue against red, whatever the digit
    torch.testing.assert_close(contrast, contrast[:1].expand(3))
    assert model.video.head.out_features == 5
    assert small(factorised=False).video.head.out_features == 6


def test_layout() -> None:
    model, clip = small(), sample()
    layout = model.layout(model.prepare(clip))
    video, audio = layout["video"], layout["audio"]
    assert isinstance(video, FrameGrid) and (video.rows, video.cols) == (2, 2)
    assert isinstance(audio, BandGrid) and audio.size == 10
    np.testing.assert_allclose(audio.edges[[0, -1]], [clip.start, clip.start + clip.duration])
    assert audio.hertz is not None and len(audio.hertz) == audio.bands + 1
    assert layout["bottleneck"] == SlotGrid(4) and layout["video-cls"] == SlotGrid(1)
    assert "bottleneck" not in small("late").layout(model.prepare(clip))


def test_silent_sound_is_missing_and_long_sound_is_bounded() -> None:
    model, clip = small(), sample()
    silent = model.prepare(replace(clip, waveform=clip.waveform * 0))
    assert set(silent.values) == {"video"}
    assert silent.notices == ("The model takes the silent sound as missing.",)
    for seconds in (0.01, 0.3, 40.0):
        other = replace(clip, waveform=np.resize(clip.waveform[9:], int(seconds * clip.rate)))
        inputs = model.prepare(replace(other, duration=seconds))
        tokens, layout = model.encode(inputs), model.layout(inputs)
        assert tokens.sizes["audio"] == layout["audio"].size <= 10
        assert (np.diff(layout["audio"].edges) > 0).all()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fusion": "early"}, "unknown fusion 'early'"),
        ({"width": 30, "heads": 4}, "width of 30, which 4 heads cannot share"),
        ({"fusion_layer": 5}, "in rising order"),
        ({"patch": 7}, "image_size of 16, which patch 7"),
        ({"audio_patch": (8,)}, "two numbers above 0 as audio_patch"),
        ({"audio_patch": (9, 4)}, "larger than the spectrogram"),
        ({"bottlenecks": 0}, "bottlenecks of 1 at least"),
    ],
)
def test_a_config_that_cannot_be_is_named(change: dict[str, object], said: str) -> None:
    assert said in replace(SMALL, **change).fault()  # type: ignore[arg-type]
    assert not SMALL.fault()


def test_saved_and_loaded_it_is_the_same(model: MBT, tmp_path: Path) -> None:
    halved = copy.deepcopy(model).half().float()
    save_model(halved, tmp_path)
    again = load_model(tmp_path)
    assert isinstance(again, MBT) and again.config == model.config
    rows = tokens_of(again)
    assert torch.equal(again.fuse(rows).logits, halved.fuse(tokens_of(halved)).logits)


def test_the_shipped_one_keeps_the_contract() -> None:
    findings = run(load_model(WEIGHTS / "mbt-grid"), sample())
    assert all(found.ok for found in findings.values()), report(findings)
