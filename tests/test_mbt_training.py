"""Foreign weights in an MBT's towers, and how it is trained on GRID, on made-up clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from transformers import ASTConfig, ASTForAudioClassification, ASTModel

from core_models.checks.sample import sample
from core_models.mbt import MBT, MBTConfig
from core_models.tensors import CheckpointError
from core_models.training import grid
from core_models.training.convert_mbt import PAPER, adopt, from_ast, from_timm
from core_models.training.evaluate_mbt import guess
from core_models.training.grid import LABELS, RATE, Table, Utterance, with_noise
from core_models.training.grid_views import Views, draw, eased
from core_models.training.mbt_learner import Learner, lively
from core_models.training.train_mbt import scores

FOREIGN = MBTConfig(
    LABELS,
    "late",
    **{
        **PAPER,
        "image_size": 32,
        "frames": 1,
        "mel_bands": 32,
        "mel_frames": 64,
        "width": 192,
        "heads": 3,
        "depth": 2,
        "fusion_layer": 1,
    },
)


def vit() -> nn.Module:
    torch.manual_seed(0)
    return timm.create_model("vit_tiny_patch16_224", img_size=32, depth=2, num_classes=3).eval()


def ast() -> ASTModel:
    torch.manual_seed(0)
    sizes = {"hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3}
    config = ASTConfig(**sizes, intermediate_size=768, max_length=64, num_mel_bins=32)
    return ASTModel(config).eval()


def test_a_timm_vit_becomes_the_tower_over_frames() -> None:
    model, source = MBT(FOREIGN).eval(), vit()
    forward: Callable[[Tensor], Tensor] = source.forward_features  # type: ignore[assignment]
    adopt(model.video, from_timm(source.state_dict()), "vit")
    x = torch.randn(2, 3, 32, 32)
    ours = model.video(x[:, None], torch.zeros(1))
    ours = model.video.norm(model.video.blocks[1](ours))
    torch.testing.assert_close(ours, forward(x), atol=1e-4, rtol=0)


def test_an_ast_becomes_the_tower_over_sound() -> None:
    model, source = MBT(FOREIGN).eval(), ast()
    adopt(model.audio, from_ast(source.state_dict()), "ast")
    x = torch.randn(2, 64, 32)  # (B, frames, bands)
    ours = model.audio.blocks[1](model.audio(x.transpose(1, 2)))
    theirs = source(x).last_hidden_state
    rows, columns = model.audio.grid
    patches = theirs[:, 2:].unflatten(1, (rows, columns)).transpose(1, 2).flatten(1, 2)
    theirs = torch.cat([theirs[:, :2], patches], dim=1)
    torch.testing.assert_close(model.audio.norm(ours), theirs, atol=1e-4, rtol=0)


def test_old_names_of_an_ast_and_its_classifier_are_understood() -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 192, "num_hidden_layers": 2, "num_attention_heads": 3}
    source = ASTForAudioClassification(ASTConfig(**sizes, max_length=64, num_mel_bins=32))
    new = source.state_dict()
    pairs = [("layers.", "encoder.layer."), ("mlp.fc1", "intermediate.dense")]
    pairs += [("mlp.fc2", "output.dense"), ("attention.o_proj", "attention.output.dense")]
    pairs += [(f"attention.{x[0]}_proj", f"attention.attention.{x}") for x in ("query", "key")]
    pairs += [("attention.v_proj", "attention.attention.value")]
    old: dict[str, Tensor] = {}
    for name, value in new.items():
        for now, then in pairs:
            name = name.replace(now, then)
        old[name] = value
    one, two = from_ast(new), from_ast(old)
    assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_weights_that_do_not_fit_are_refused_by_name() -> None:
    model = MBT(replace(FOREIGN, width=96))
    state = from_timm(vit().state_dict())
    with pytest.raises(CheckpointError, match=r"vit: .* has shape .*, the tower needs"):
        adopt(model.video, state, "vit")
    model = MBT(FOREIGN)
    with pytest.raises(CheckpointError, match=r"vit has an unknown parameter extra\."):
        adopt(model.video, {**state, "extra": torch.zeros(1)}, "vit")
    del state["norm.bias"]
    with pytest.raises(CheckpointError, match=r"vit misses parameter norm\.bias\."):
        adopt(model.video, state, "vit")


def test_the_papers_size_builds_without_a_network() -> None:
    with torch.device("meta"):
        model = MBT(MBTConfig(LABELS, **PAPER))
    assert model.audio.grid == (12, 101) and model.video.grid == (14, 14)
    assert 165e6 < sum(p.numel() for p in model.parameters()) < 180e6


# ---- training ----------------------------------------------------------------------------------

TINY = MBTConfig(
    LABELS,
    frames=8,
    image_size=16,
    patch=8,
    mel_bands=16,
    mel_frames=30,
    hop=0.1,
    audio_patch=(16, 4),
    audio_stride=(16, 4),
    width=16,
    heads=2,
    depth=2,
    fusion_layer=1,
)
CLIPS = tuple(
    Utterance(f"{i}.mp4", ("bin", colour, "at", "fgh"[i], digit, "now"))
    for i, (colour, digit) in enumerate([("blue", "two"), ("red", "one"), ("white", "zero")])
)


@pytest.fixture
def clips() -> Table:
    """Three clips of noise in the lower right cell."""
    rng = np.random.default_rng(0)
    frames = np.full((3, grid.FRAMES, 16, 16), 100, np.uint8)
    frames[:, :, 8:, 8:] = rng.integers(0, 256, (3, grid.FRAMES, 8, 8))
    sound = rng.normal(0, 0.1, (3, 3 * RATE)).astype(np.float16)
    return Table(frames, sound, {u.file: i for i, u in enumerate(CLIPS)})


def test_a_step_lowers_the_loss_of_every_part(clips: Table) -> None:
    torch.manual_seed(0)
    learner = Learner(MBT(TINY), CLIPS)
    batch = draw(clips, CLIPS, Views(place=0, masks=0), 8, (16, 30), np.random.default_rng(0))
    optimiser = torch.optim.SGD(learner.parameters(), 0.003)
    losses = []
    for _ in range(3):
        loss = learner.eval()(batch, (1, 1))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[2] < losses[1] < losses[0]
    unused = [k for k, p in learner.named_parameters() if p.grad is None]
    assert not unused


def test_the_cell_that_moves_is_looked_at(clips: Table) -> None:
    frames = torch.from_numpy(clips.frames[:, ::15].astype(np.float32))[:, :, None]
    picked = lively(frames, (2, 2), 1, 2)
    assert (picked[:, 0] == 3).all()
    assert all(len(set(row)) == 3 for row in picked.tolist())


def test_draws_are_those_of_the_seed_and_begin_clean(clips: Table) -> None:
    views = [
        draw(clips, CLIPS, eased(Views(), share), 8, (16, 30), np.random.default_rng(3))
        for share in (1.0, 1.0, 0.0)
    ]
    assert torch.equal(views[0].heard, views[1].heard)
    assert torch.equal(views[0].frames, views[1].frames)
    assert torch.equal(views[2].heard, views[2].clean)
    assert not torch.equal(views[0].heard, views[0].clean)
    assert views[0].shown.any(dim=1).all()


def test_noise_has_the_power_that_it_says() -> None:
    wave = np.sin(np.arange(50_000)).astype(np.float32)
    noise = with_noise(wave, 10.0, np.random.default_rng(0)) - wave
    assert 10 * np.log10(np.mean(wave**2) / np.mean(noise**2)) == pytest.approx(10, abs=0.1)


def test_scores_are_of_clips_as_they_are(clips: Table) -> None:
    model = MBT(TINY).eval()
    found = scores(model, clips, CLIPS)
    assert set(found) == {"V", "A", "V+A"} and found["V"].n == 3
    assert found == scores(model, clips, CLIPS)


def test_every_noise_and_stream_is_measured() -> None:
    said = guess(MBT(TINY).eval(), sample(frames=8, rate=RATE), 0)
    assert len(said) == 9 and ("clean", "V") in said and ("-10 dB", "A+V") in said


def test_grid_is_read_and_split(tmp_path: Path) -> None:
    row = "x{i}.mp4,bin,blue,at,f,{digit},now"
    lines = [row.format(i=i, digit=i % 10) for i in range(900)]
    header = "file,command,color,prep,letter,digit,adverb"
    (tmp_path / "labels.csv").write_text("\n".join([header, *lines]))
    (tmp_path / "words.csv").write_text("file,position,word,start_s,end_s\nx0.mp4,0,bin,0.5,0.7\n")
    clips = grid.read(tmp_path)
    assert clips[2].words == ("bin", "blue", "at", "f", "two", "now")
    assert LABELS[clips[2].label] == "blue two"
    parts = grid.split(clips)
    assert [len(p) for p in (parts.train, parts.validate, parts.test)] == [620, 100, 180]
    assert len({u.file for p in (parts.train, parts.validate, parts.test) for u in p}) == 900
    assert grid.split(clips) == parts
    assert grid.spoken(tmp_path)["x0.mp4"][0].end == 0.7
