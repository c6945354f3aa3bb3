"""An analysis: computed once, toggled cheaply, described honestly."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from core_models.caam import CAAM
from core_models.clip import MODALITIES, Clip, Word
from core_models.layout import TimeGrid, WordGrid
from explain.analysis import Analysis, NothingToReadError, analyse, toggle
from explain.attention.cells import on_cells
from explain.attention.maps import focus, hygiene, maps
from explain.spectrogram import log_mel
from explain.viewer.payload import payload, quantise


def test_probabilities_and_votes(analysis: Analysis) -> None:
    assert analysis.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert [p for _, p in analysis.top] == sorted(analysis.probabilities.tolist(), reverse=True)
    assert set(analysis.votes) == {"video-audio", "audio-text", "text-video"}


def test_maps_are_of_the_run(analysis: Analysis) -> None:
    assert len(analysis.attention) == 6
    for weights in analysis.attention.values():
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    for m in maps(analysis):
        grid = analysis.layout[m.key]
        np.testing.assert_allclose(m.weights.sum(-1), 1, atol=1e-5)
        assert m.weights.shape[2] == grid.spread(np.ones(grid.size)).size


def test_toggling_equals_analysing_anew(analysis: Analysis) -> None:
    without = toggle(analysis, ["video", "text"])
    fresh = analyse(analysis.model, analysis.clip, ["video", "text"])
    np.testing.assert_allclose(without.probabilities, fresh.probabilities, atol=1e-6)
    assert without.present == ("video", "text")
    assert set(without.attention) == {n for n in analysis.attention if "audio" not in n}
    back = toggle(without, None)
    np.testing.assert_allclose(back.probabilities, analysis.probabilities, atol=1e-6)


def test_toggling_does_not_encode(analysis: Analysis, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("encoded again")

    monkeypatch.setattr(analysis.model, "encode", never)
    toggle(analysis, ["video"])


def test_cuts_are_the_change_of_the_answer(analysis: Analysis) -> None:
    top = int(analysis.probabilities.argmax())
    with torch.no_grad():
        for name, change in analysis.cuts.items():
            cut = analysis.model.fuse(analysis.tokens, cut=(name,)).logits.softmax(-1)[0, top]
            assert float(cut) - analysis.probabilities[top] == pytest.approx(change, abs=1e-5)


def test_nothing_left_is_a_sentence(analysis: Analysis) -> None:
    with pytest.raises(NothingToReadError, match="switch on"):
        toggle(analysis, [])


def test_what_was_missing_is_said(caam: CAAM, clip: Clip) -> None:
    mute = analyse(caam, replace(clip, words=(), text_source="none"), ["video"])
    said = " ".join(mute.notices)
    assert "No text was given" in said and "The sound is switched off" in said


def test_silence_is_taken_as_missing(caam: CAAM, clip: Clip) -> None:
    silent = analyse(caam, replace(clip, waveform=0 * clip.waveform))
    assert silent.present == ("video", "text")
    assert any("silent" in notice for notice in silent.notices)


def test_no_gradient_is_left_behind(analysis: Analysis) -> None:
    assert all(p.grad is None for p in analysis.model.parameters())  # type: ignore[attr-defined]
    assert not any(t.requires_grad for t in analysis.tokens.values.values())


def test_words_are_sums_as_keys_and_means_as_queries() -> None:
    words = WordGrid((Word("a"), Word("b")), np.array([0, 1, 1]))
    sound = TimeGrid(np.array([0.0, 1.0, 2.0]))
    as_key = np.array([[[0.2, 0.3, 0.5], [0.0, 1.0, 0.0]]], np.float32)  # (1, 2 sounds, 3 pieces)
    np.testing.assert_allclose(on_cells(as_key, sound, words), [[[0.2, 0.8], [0.0, 1.0]]])
    as_query = np.array([[[1.0, 0.0], [0.2, 0.8], [0.6, 0.4]]], np.float32)
    np.testing.assert_allclose(
        on_cells(as_query, words, sound), [[[1.0, 0.0], [0.4, 0.6]]], atol=1e-7
    )


def test_focus_by_hand() -> None:
    weights = np.array([[[0.25] * 4], [[1.0, 0, 0, 0]], [[0.5, 0.5, 0, 0]]], np.float32)
    np.testing.assert_allclose(focus(weights), [0, 1, 0.5], atol=1e-6)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (np.ones((2, 3, 1)), "over one key"),
        (np.full((2, 3, 8), 1 / 8), "uniform"),
        (np.eye(8)[[0, 0, 0]][None], "sink"),
        (np.eye(8)[[0, 3, 6]][None], ""),
    ],
    ids=["single key", "uniform", "sink", "nothing"],
)
def test_hygiene(weights: np.ndarray, said: str) -> None:
    weights = weights.astype(np.float32)
    warning = hygiene(weights, focus(weights), "audio")
    assert said in warning and bool(said) == bool(warning)


def test_bytes_give_the_weights_back() -> None:
    weights = np.random.default_rng(0).dirichlet(np.ones(50), (3, 20)).astype(np.float32)
    scaled, low, high = quantise(weights)
    for head in range(3):
        back = low[head] + scaled[head] / 255 * (high[head] - low[head])
        assert np.abs(back - weights[head]).max() <= (high[head] - low[head]) / 510 + 1e-6
    flat, low, high = quantise(np.full((1, 2, 2), 0.5, np.float32))
    assert low == high == [0.5] and (flat == 0).all()


def test_payload_describes_its_own_bytes(analysis: Analysis) -> None:
    made = payload(analysis, "run")
    end = 0
    for m in made.meta["maps"]:
        assert m["offset"] == end
        end += m["heads"] * m["q"] * m["k"]
    assert end == len(made.tensor)
    assert made.strip is not None and made.strip[:2] == b"\xff\xd8"
    assert made.sound is not None and made.sound[1:4] == b"PNG"
    assert {m: s["on"] for m, s in made.meta["streams"].items()} == dict.fromkeys(MODALITIES, True)


def test_a_tone_lies_at_its_frequency() -> None:
    time = np.arange(22050) / 22050
    picture = log_mel(np.sin(2 * np.pi * 1000 * time).astype(np.float32), 22050)
    band = int(picture.mean(axis=1).argmax())
    mel = 2595 * np.log10(1 + 1000 / 700)
    top = 2595 * np.log10(1 + 11025 / 700)
    assert band == pytest.approx(mel / top * 81 - 1, abs=1)
    assert np.isfinite(log_mel(np.zeros(500, np.float32), 22050)).all()
