"""The sound describer: phrases, the shipped tagger on made and real sounds, taggers of others."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

from core_models import describer
from core_models.clip import Clip, Word
from core_models.describer import (
    PHRASES,
    UNCLEAR,
    Tagger,
    TaggerConfig,
    describe,
    interpret,
    over_time,
    phrase,
    resample,
)
from core_models.encoders import SoundTower, Tower, load_encoder
from core_models.hub_describer import describe_with, described_by
from core_models.tensors import CheckpointError
from core_models.training.evaluate_describer import calibration_error, verdict
from core_models.training.heard import truth_of
from core_models.training.sounds import waveform
from explain.__main__ import main
from tests import media_files
from tests.conftest import make_clip

ESC10 = Path(__file__).parents[2] / "shared" / "data" / "esc10"
RATE = 22050


def sounding(wave: Sequence[float] | np.ndarray, rate: int = RATE) -> Clip:
    return replace(make_clip(), waveform=np.asarray(wave, np.float32), rate=rate)


def tone(seconds: float = 2.0, rate: int = RATE) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)


def burst() -> np.ndarray:
    wave = np.zeros(3 * RATE)
    wave[RATE : RATE + RATE // 5] = 0.5 * np.random.default_rng(0).standard_normal(RATE // 5)
    return wave


def windows(*heard: str) -> dict[str, np.ndarray]:
    """ "dog": "110" is a dog in the first two of three windows."""
    pairs = (text.split(":") for text in heard)
    return {label: np.array([c == "1" for c in row]) for label, row in pairs}


@pytest.mark.parametrize(
    ("heard", "text"),
    [
        ((), UNCLEAR),
        (("speech:010",), "a person is speaking"),
        (("speech:0110", "music:1111"), "music is playing while a person is speaking"),
        (("rain:0011", "dog:1100"), "a dog is barking, then rain is falling"),
        (("rain:001111", "dog:110000"), "a dog is barking, then rain is falling"),
        (("fire:1000", "rain:0111", "sea:0110"), "rain is falling while waves are breaking"),
    ],
)
def test_a_phrase_names_what_is_heard_longest_in_order(heard: Sequence[str], text: str) -> None:
    assert phrase(windows(*heard))[0] == text


def fixed(rows: Sequence[Sequence[float]]) -> tuple[Tagger, torch.Tensor]:
    """A tagger of dog, rain and music whose logits for its windows are these."""
    labels = ("dog", "rain", "music")
    tagger = Tagger(TaggerConfig(labels, feature_width=3, width=6))
    with torch.no_grad():
        for p in tagger.parameters():
            p.zero_()
        tagger.hidden.weight.copy_(torch.eye(6))
        tagger.out.weight[:, :3] = torch.eye(3)
        tagger.out.weight[:, 3:] = -torch.eye(3)
    x = torch.tensor(rows)
    return tagger, torch.cat([x.clamp(min=0), (-x).clamp(min=0)], dim=1)


def test_probabilities_become_words_with_the_least_sure_class_as_confidence() -> None:
    said = interpret(*fixed([[3.0, -4.0, -4.0]] * 4 + [[-4.0, 1.0, -4.0]] * 4))
    assert said.text == "a dog is barking, then rain is falling"
    assert said.confidence == pytest.approx(torch.sigmoid(torch.tensor(1.0)).item())
    assert [label for label, _ in said.tags] == ["dog", "rain", "music"]


def test_where_nothing_is_sure_the_phrase_says_so() -> None:
    said = interpret(*fixed([[-1.0, -2.0, -3.0]] * 3))
    assert said.text == UNCLEAR
    assert said.confidence == said.tags[0][1] == pytest.approx(0.2689, abs=1e-4)


def test_a_short_sound_counts_in_a_long_clip() -> None:
    logits = torch.full((8, 1), -5.0)
    logits[:2] = 4.0
    assert over_time(logits).item() == 4.0


@pytest.mark.parametrize("wave", [[], np.zeros(RATE), np.full(RATE, 1e-5)])
def test_without_sound_there_is_no_description(wave: np.ndarray) -> None:
    assert describe(sounding(wave)) is None
    assert describe_with("transformers:nobody/nothing", sounding(wave)) is None


@pytest.mark.parametrize("wave", [burst(), tone(), tone(0.05), tone() * 1e-3, tone(70.0)])
def test_made_sounds_are_described_within_bounds_and_the_same_twice(wave: np.ndarray) -> None:
    said = describe(sounding(wave))
    assert said is not None and said == describe(sounding(wave))
    chances = [chance for _, chance in said.tags]
    assert all(0 <= chance <= 1 for chance in [*chances, said.confidence])
    assert chances == sorted(chances, reverse=True)
    assert {label for label, _ in said.tags} == set(PHRASES)
    assert said.text == UNCLEAR or any(words in said.text for words in PHRASES.values())


def test_another_rate_is_resampled() -> None:
    wave = resample(sounding(tone(1.0, 16000), 16000), RATE)
    assert abs(len(wave) - RATE) < 64
    assert np.abs(wave[500:20000] - tone(1.0)[500:20000]).max() < 0.02
    low, high = (describe(sounding(tone(2.0, rate), rate)) for rate in (16000, RATE))
    assert low is not None and high is not None
    assert dict(low.tags) == pytest.approx(dict(high.tags), abs=0.05)


def test_a_tower_that_is_there_is_used() -> None:
    tower = load_encoder(describer.TOWER)
    assert isinstance(tower, SoundTower)
    assert describe(sounding(burst()), tower) == describe(sounding(burst()))


def test_two_at_once_get_one_tower(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counted(source: str) -> Tower:
        made.append(source)
        return load_encoder(source)

    monkeypatch.setattr(describer, "load_encoder", counted)
    describer._load.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(describe, [sounding(burst())] * 4))
    assert made == [describer.TOWER]
    assert len(set(said)) == 1


@pytest.mark.skipif(not ESC10.is_dir(), reason="needs ../shared/data/esc10")
def test_dogs_are_heard_to_bark() -> None:
    paths = sorted((ESC10 / "001_Dog_bark").glob("*"))[::4]
    for_dogs = 0
    for path in paths:
        said = describe(sounding(waveform(path, RATE)))
        for_dogs += said is not None and PHRASES["dog"] in said.text
    assert for_dogs >= 0.7 * len(paths)


def test_verdicts_count_what_is_named_and_what_is_not() -> None:
    def said(*labels: str) -> describer.Description:
        return describer.Description(" while ".join(PHRASES[x] for x in labels), 0.9, ())

    both = truth_of(("speech", "music"))
    assert verdict(said("speech", "music"), both) == "right"
    assert verdict(said("music"), both) == verdict(said("music", "dog"), both) == "partly"
    assert verdict(said("dog"), both) == "wrong"
    assert verdict(said("music", "speech"), truth_of(("music", "speech?"))) == "right"
    unclear = describer.Description(UNCLEAR, 0.2, ())
    assert verdict(unclear, both) == "unclear"
    assert verdict(unclear, truth_of(())) == "right"


def test_calibration_error_is_the_gap_of_confidence_and_truth() -> None:
    assert calibration_error([0.75] * 4, [True, True, True, False]) == pytest.approx(0.0)
    assert calibration_error([0.9, 0.9], [False, False]) == pytest.approx(0.9)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny AST with random weights and three labels, in a folder."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("ast")
    labels = {0: "Speech", 1: "Music", 2: "Dog"}
    config = ASTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_length=64,
        num_mel_bins=32,
        id2label=labels,
        label2id={label: i for i, label in labels.items()},
    )
    ASTForAudioClassification(config).save_pretrained(folder)
    ASTFeatureExtractor(max_length=64, num_mel_bins=32).save_pretrained(folder)
    return folder


def test_a_tagger_of_others_describes(stranger: Path) -> None:
    said = describe_with(f"transformers:{stranger}", sounding(tone(12.0)))
    assert said is not None and said == describe_with(
        f"transformers:{stranger}", sounding(tone(12.0))
    )
    assert {label for label, _ in said.tags} == {"Speech", "Music", "Dog"}
    assert sum(chance for _, chance in said.tags) == pytest.approx(1.0, abs=1e-5)
    assert said.tags[0][0].lower() in said.text and said.text == said.text.lower()
    assert 0 <= said.confidence <= said.tags[0][1]


def test_a_taggers_words_become_the_text_and_are_called_its_own(stranger: Path) -> None:
    name = f"transformers:{stranger}"
    clip = replace(sounding(tone()), words=(), text_source="none")
    said, now = describe_with(name, clip), described_by(name, clip)
    assert said is not None and " ".join(word.text for word in now.words) == said.text
    assert now.text_source == "generated" and name in now.notices[-1]


def test_a_tagger_is_not_asked_where_there_are_words_or_no_sound() -> None:
    name = "transformers:nobody/nothing"
    told = replace(sounding(tone()), words=(Word("drums"),), text_source="typed")
    silence = replace(sounding(np.zeros(RATE)), words=(), text_source="none")
    for clip in (told, silence):
        now = described_by(name, clip)
        assert now.words == clip.words and now.text_source == clip.text_source
        assert name in now.notices[-1] and len(now.notices) == len(clip.notices) + 1


@pytest.mark.usefixtures("sketched")
def test_the_command_line_says_on_screen_and_in_the_export_who_described_the_sound(
    stranger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wave = media_files.tone(3, RATE)
    video = media_files.make_clip(tmp_path / "clip.mp4", media_files.even(3, 10), wave=wave)
    name, out = f"transformers:{stranger}", tmp_path / "out"
    asked = [str(video), "--model", "micap-msrvtt", "--described-by", name, "--out", str(out)]
    assert main(asked) == 0
    written = json.loads((out / "prediction.json").read_text())
    (notice,) = [line for line in written["notices"] if name in line]
    assert notice in capsys.readouterr().out and "put into words by" in notice
    assert not any("a small tagger" in line for line in written["notices"])
    heard = {word.strip(",") for word in written["clip"]["words"]} - {"and"}
    assert heard and heard <= {"speech", "music", "dog"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("transformers:nobody/nothing", "cannot be loaded"),
        ("somebody/tagger", "name one as transformers:<hub id>"),
    ],
)
def test_a_tagger_that_cannot_be_had_is_refused_in_a_sentence(name: str, words: str) -> None:
    with pytest.raises(CheckpointError, match=words) as caught:
        describe_with(name, sounding(tone()))
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_checkpoint_without_a_trained_head_or_as_a_pickle_is_refused(
    stranger: Path, tmp_path: Path
) -> None:
    model = ASTForAudioClassification.from_pretrained(stranger)
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text((stranger / name).read_text())
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        describe_with(f"transformers:{tmp_path}", sounding(tone()))
    model.audio_spectrogram_transformer.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="not trained: it misses classifier"):
        describe_with(f"transformers:{tmp_path}", sounding(tone()))
