"""How a captioner is trained: pieces, audio captions, batches, both losses, and going on."""

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core_models.caption_decoder import END, START
from core_models.encoders import TextTower, load_encoder
from core_models.interface import Decoding
from core_models.micap import MICap
from core_models.micap_config import MICapConfig
from core_models.training import prepare_micap
from core_models.training.audio_captions import Matched, nearest
from core_models.training.caption_scores import CaptionScores, describe, faults, gain
from core_models.training.captions import (
    CaptionMix,
    CaptionSampler,
    numbered,
    plain,
    spell,
    vocabulary,
)
from core_models.training.cider import CiderD
from core_models.training.data import Video
from core_models.training.features import Ragged
from core_models.training.prepare_micap import CaptionData, CaptionRecipe, read_caption_recipe
from core_models.training.self_critical import sample
from core_models.training.train_micap import contrastive, critical_epoch, fit, losses, start

SAID = ("A man plays.", "the man plays a banjo", "a banjologist plays the banjo")


@pytest.fixture(scope="module")
def reader() -> TextTower:
    tower = load_encoder("minilm")
    assert isinstance(tower, TextTower)
    return tower


@pytest.fixture(scope="module")
def data(reader: TextTower) -> CaptionData:
    """Four videos with two frames of four cells, and two without."""
    rng = np.random.default_rng(0)
    names = [f"video{i}" for i in range(6)]
    videos = tuple(Video(name, 0, "train", SAID, ("x",) * (i < 4)) for i, name in enumerate(names))
    frames = Ragged(
        rng.normal(size=(8, 4, 384)).astype(np.float16),
        {name: (2 * i, 2 * i + 2) for i, name in enumerate(names[:4])},
    )
    heard = Matched(
        {"0": "a bang", "1": "a long hum"},
        Ragged(rng.normal(size=(5, 384)).astype(np.float16), {"0": (0, 2), "1": (2, 5)}),
        {name: ("0", "1") for name in names},
    )
    spelled = spell(reader.tokenizer, videos)
    config = MICapConfig(vocabulary(spelled, 1), width=32, heads=4, joint_width=8, max_pieces=12)
    pieces = numbered(spelled, config.vocabulary, config.max_pieces)
    mix = CaptionMix(unseen=1, captions=2, frames=2)
    sampler = CaptionSampler(frames, heard, pieces, mix)
    return CaptionData(config, reader, frames, sampler, tuple(names[:4]), tuple(names[4:]), videos)


def test_captions_become_numbers(reader: TextTower) -> None:
    assert plain("A man's DOG, 2nd!") == "a man s dog 2nd"
    spelled = spell(reader.tokenizer, [Video("v", 0, "train", SAID)])
    words = vocabulary(spelled, 2)
    assert words[:2] == ("[CLS]", "[SEP]") and "plays" in words
    assert len(words) < len(vocabulary(spelled, 1))
    (first, *rest), *_ = numbered(spelled, words, 9).values()
    assert [words[i] for i in first] == ["a", "man", "plays", "[SEP]"]
    assert len(rest) == sum(all(p in words for p in pieces) for pieces in spelled["v"][1:])
    assert numbered(spelled, words, 3) == {"v": []}


def test_the_nearest_audio_caption_is_the_most_alike() -> None:
    texts = torch.eye(3)
    first = torch.tensor([[0.1, 5, 0], [0, 0, 0]])  # and one that is not there
    videos = torch.stack([first, torch.tensor([[0, 1.0, 2], [0, 0, 1]])])
    assert nearest(videos, texts, 2).tolist() == [[1, 0], [2, 1]]


def test_a_batch_is_what_was_drawn(data: CaptionData) -> None:
    one, two = (data.sampler.draw(data.seen, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(one.begun, two.begun) and torch.equal(one.shown["text"], two.shown["text"])
    assert one.values["video"].shape == (4, 2 * 2, 384) and len(one.pieces) == 8
    assert (one.begun[:, 0] == START).all() and one.begun.shape == one.pieces.shape
    assert ((one.pieces == END).sum(dim=1) == 1).all()
    read = one.begun[:, 1:]
    assert ((read == one.pieces[:, :-1]) | (read == START)).all()
    assert all((one.shown[m] <= one.keep[m]).all() for m in one.keep)
    blind = data.sampler.draw(data.unseen, np.random.default_rng(3))
    assert blind.values["video"].shape[1] == 0 and blind.times.shape == (2, 0)


def test_contrastive_loss_by_hand() -> None:
    """Two pairs whose true partners are less alike (0.6) than the others (0.8)."""
    video, text = torch.eye(2), torch.tensor([[0.6, 0.8], [0.8, 0.6]])
    by_hand = math.log(1 + math.exp(5 * (0.8 - 0.6)))
    assert contrastive(video, text, torch.tensor(5.0)).item() == pytest.approx(by_hand, abs=1e-6)
    one, two = torch.nn.functional.normalize(torch.randn(2, 5, 3), dim=-1)
    scale = torch.tensor(14.0)
    torch.testing.assert_close(contrastive(one, two, scale), contrastive(two, one, scale))


def test_the_temperature_starts_at_the_papers_and_is_bounded(data: CaptionData) -> None:
    model = MICap(data.config, towers=False)
    assert 1 / model.scale.item() == pytest.approx(0.07)
    with torch.no_grad():
        model.log_scale.fill_(9.0)
    assert model.scale.item() == 100


def test_both_losses_fall_and_a_run_goes_on_as_it_would_have(
    data: CaptionData, tmp_path: Path
) -> None:
    recipe = CaptionRecipe("tiny", epochs=4, batch=2, patience=9, rate=1e-2, average=0.5)
    lines: list[str] = []

    def ended(folder: str, patiences: tuple[int, ...]) -> torch.Tensor:
        for patience in patiences:  # no epoch beats the first, so a run ends by it
            part = replace(recipe, patience=patience)
            run = start(recipe, data.config, data.reader)
            run = fit(run, part, data, lambda _: 0.0, tmp_path / folder, lines.append)
        return torch.cat([p.flatten() for p in run.model.parameters()])

    torch.testing.assert_close(ended("whole", (9,)), ended("parts", (1, 9)))
    assert "going on after epoch 2" in lines
    with (tmp_path / "whole" / "training_log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert float(rows[-1]["caption loss"]) < float(rows[0]["caption loss"])
    assert (tmp_path / "whole" / "curves.png").stat().st_size > 1000
    assert (tmp_path / "whole" / "training_log.csv").read_text() == (
        tmp_path / "parts" / "training_log.csv"
    ).read_text()


def test_the_contrastive_loss_can_be_switched_off(data: CaptionData) -> None:
    batch = data.sampler.draw(data.seen, np.random.default_rng(0))
    model = start(CaptionRecipe("x"), data.config, data.reader).model.eval()
    loss = losses(model, batch, 0.1)
    heads = list(model.joint.parameters())
    for weight in (0.0, 0.1):
        grads = torch.autograd.grad(loss.caption + weight * loss.contrast, heads, retain_graph=True)
        assert all(bool(grad.any()) == bool(weight) for grad in grads)


def test_captions_of_many_videos_are_those_of_each(data: CaptionData) -> None:
    model = start(CaptionRecipe("x"), data.config, data.reader).model.eval()
    many = describe(model, data.frames, data.seen, Decoding(beams=2))
    few = describe(model, data.frames, data.seen, Decoding(beams=2), batch=1)
    assert many == few and set(many) == set(data.seen)


def test_faults_of_captions_are_counted() -> None:
    told = {"a": "a man man runs", "b": "a dog in the", "c": "a cat sits", "d": "a cat sits"}
    assert faults(told) == "repeated word 25.0%  broken off 25.0%  different 75.0%"


def test_a_gain_is_a_mean_over_videos_with_its_interval() -> None:
    names = [f"video{i}" for i in range(200)]
    old = CaptionScores(0, None, 0, 0, dict.fromkeys(names, 30.0))
    same = replace(old, each={name: 32.0 for name in names})
    half = replace(old, each={name: 30.0 + 4 * (i % 2) for i, name in enumerate(names)})
    assert gain(old, old) == (0, 0, 0) and gain(old, same) == (2, 2, 2)
    more, low, high = gain(old, half)
    assert more == 2 and 2 - low == pytest.approx(1.96 * 2 / math.sqrt(200), rel=0.15)
    assert high - 2 == pytest.approx(2 - low, rel=0.2) and gain(old, half) == (more, low, high)


def test_what_is_compared_differs_in_what_its_name_says_alone() -> None:
    folder = Path(prepare_micap.__file__).parent / "recipes"
    names = ("micap-msrvtt", "micap-contrast", "micap-no-contrast", "micap-no-audio")
    shipped, on, off, deaf = (read_caption_recipe(folder / f"{name}.json") for name in names)
    assert shipped.contrast > 0 == off.contrast and shipped.critical > 0 == on.critical
    assert replace(shipped, name=on.name, critical=0) == on
    assert replace(on, name=off.name, contrast=0.0) == off
    assert replace(off.drawing(), text=0.0, alone=0.0) == deaf.drawing()
    assert replace(off, name=deaf.name, mix=deaf.mix) == deaf


def test_cider_by_hand() -> None:
    """What all say is worth 10, what nobody says nothing; a word in every video has no weight."""
    measure = CiderD({"a": ["a man runs fast".split()] * 2, "b": ["a dog sits down".split()]})
    assert measure("a", "a man runs fast".split()) == pytest.approx(10)
    assert measure("a", "x y z".split()) == 0 == measure("a", ["a"])
    one = 2 / math.sqrt(2) / math.sqrt(3)  # two of three weighty words
    two = 2 / math.sqrt(2) / math.sqrt(3)  # two of three pairs
    three = 1 / math.sqrt(1) / math.sqrt(2)
    shorter = 10 * (one + two + three + 0) / 4 * math.exp(-1 / 72)
    assert measure("a", "a man runs".split()) == pytest.approx(shorter)


def test_self_critical_tuning_raises_the_reward(data: CaptionData) -> None:
    """Three passes over a batch, from a model that says anything."""
    recipe = CaptionRecipe("x", batch=4, critical_rate=3e-3, average=0.0)
    run = start(recipe, data.config, data.reader)
    reward = CiderD({**data.sampler.pieces, "other": [[5, 6, 7, END]]})
    gains = [critical_epoch(run, recipe, data, reward) for _ in range(12)]
    assert np.mean(gains[-3:]) > np.mean(gains[:3])


def test_samples_end_with_the_end(data: CaptionData) -> None:
    model = start(CaptionRecipe("x"), data.config, data.reader).model.eval()
    batch = data.sampler.draw(data.seen, np.random.default_rng(0))
    with torch.no_grad():
        tokens = model.embed({"video": batch.values["video"]}, batch.times, batch.keep)
        memory = model.memory(tokens)
    one, two = (sample(model.decoder, memory, 3, 9, seed=4) for _ in range(2))
    assert (torch.equal(one, two) and one.shape == (12, 9)) or one.shape[1] < 9
    for row in one.tolist():
        said = [p for p in row if p >= 0]
        assert START not in said and END not in said[:-1]
        assert row == [*said, *[-1] * (len(row) - len(said))]
