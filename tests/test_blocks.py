"""Maps over several streams, taken apart: hand-worked."""

from __future__ import annotations

import numpy as np
import pytest

from core_models.clip import Modality, Word
from core_models.layout import Layout, SlotGrid, TimeGrid, WordGrid
from core_models.trace import Path, path
from explain.attention.blocks import blocks, parts
from explain.attention.route import routes
from explain.attention.streams import crossings, live

LAYOUT: Layout = {
    "audio": TimeGrid(np.array([0.0, 1.0, 2.0])),
    "text": WordGrid((Word("a"),), np.array([0])),
    "bottleneck": SlotGrid(2),
}


def test_a_name_taken_apart_and_put_together() -> None:
    name = "decoder.2.caption<-video+text"
    assert path(name) == Path("decoder", 2, ("caption",), ("video", "text"))
    assert str(path(name)) == name
    assert [str(b) for b in path(name).blocks] == [
        "decoder.2.caption<-video",
        "decoder.2.caption<-text",
    ]
    assert path("fusion.0.video-cls<-video").queries == ("video-cls",)


@pytest.mark.parametrize("name", ["fusion.video<-audio", "tower.0.a<-b", "fusion.0.a->b", ""])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a map"):
        path(name)


def test_a_block_is_scaled_and_says_what_went_elsewhere() -> None:
    #            audio       text  bottleneck
    weights = np.array([[[0.3, 0.1, 0.2, 0.3, 0.1], [0.0, 0.5, 0.5, 0.0, 0.0]]], np.float32)
    name = "fusion.1.bottleneck<-audio+text+bottleneck"
    shown = blocks({name: weights}, LAYOUT)
    assert list(shown) == ["fusion.1.bottleneck<-audio", "fusion.1.bottleneck<-text"]
    audio, text = shown.values()
    np.testing.assert_allclose(audio.weights, [[[0.75, 0.25], [0.0, 1.0]]])
    np.testing.assert_allclose(audio.elsewhere, [0.55], rtol=1e-6)
    np.testing.assert_allclose(text.weights, np.ones((1, 2, 1)))
    np.testing.assert_allclose(text.elsewhere, [0.65], rtol=1e-6)


def test_a_map_of_two_streams_stays_as_it_is() -> None:
    weights = np.array([[[0.4, 0.6]]], np.float32)
    (block,) = blocks({"fusion.0.text<-audio": weights}, LAYOUT).values()
    assert block.weights is not None and (block.weights == weights).all()
    assert block.elsewhere.tolist() == [0.0]


def test_a_row_without_keys_stays_zero_and_counts_for_nothing() -> None:
    weights = np.array([[[0.0, 0.0, 0.0], [0.2, 0.3, 0.5]]], np.float32)
    shown = blocks({"decoder.0.bottleneck<-audio+text": weights}, LAYOUT)
    audio = shown["decoder.0.bottleneck<-audio"]
    np.testing.assert_allclose(audio.weights, [[[0.0, 0.0], [0.4, 0.6]]], rtol=1e-6)
    np.testing.assert_allclose(audio.elsewhere, [0.5], rtol=1e-6)


def test_a_stream_without_tokens_gives_no_block() -> None:
    weights = np.ones((1, 1, 1), np.float32)
    assert list(blocks({"fusion.0.text<-video+text": weights}, LAYOUT)) == []
    assert [p.keys for p, _ in parts(path("fusion.0.text<-video+text"), weights, LAYOUT)] == [
        ("video",),
        ("text",),
    ]


def test_the_way_through_the_bottleneck_is_a_product() -> None:
    into = np.array([[[0.5, 0.1, 0.4], [0.2, 0.2, 0.6]]], np.float32)  # bottleneck <- audio, text
    out_of = np.array([[[0.3, 0.1, 0.6]]], np.float32)  # text <- bottleneck, text
    attention = {
        "fusion.0.bottleneck<-audio+text": into,
        "fusion.0.text<-bottleneck+text": out_of,
    }
    found = routes(attention, LAYOUT)
    assert list(found) == [(0, 0, "text", "audio")]  # read and passed on in the same layer
    way, elsewhere = found[0, 0, "text", "audio"]
    raw = np.array([0.3 * 0.5 + 0.1 * 0.2, 0.3 * 0.1 + 0.1 * 0.2])
    np.testing.assert_allclose(way[0, 0], raw / raw.sum(), rtol=1e-5)
    np.testing.assert_allclose(elsewhere, [1 - raw.sum()], rtol=1e-5)


def test_an_mbt_passes_on_in_the_next_layer_and_the_mean_halves_each_way() -> None:
    audio = np.array([[[0, 0, 0.5, 0.5], [0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]], np.float32)
    text = np.array([[[0.2, 0.4, 0.4], [1, 0, 0], [1, 0, 0]]], np.float32)
    attention = {
        f"fusion.{i}.{m}+bottleneck<-{m}+bottleneck": weights
        for i in range(2)
        for m, weights in (("audio", audio), ("text", text))
    }
    way, elsewhere = routes(attention, LAYOUT)[0, 1, "text", "audio"]
    np.testing.assert_allclose(way, [[[0.5, 0.5]]])  # each bottleneck token reads one span
    np.testing.assert_allclose(elsewhere, [1 - 0.8 / 2], rtol=1e-6)
    assert (0, 1, "audio", "text") in routes(attention, LAYOUT)
    assert all(route[0] == 0 for route in routes(attention, LAYOUT))


def test_which_streams_are_live_and_which_paths_cross() -> None:
    on: tuple[Modality, ...] = ("audio",)
    assert live("audio-cls", on) and not live("video-cls", on) and live("bottleneck", on)
    name = "fusion.0.audio-cls+audio+bottleneck<-audio-cls+audio+bottleneck"
    assert crossings([name, "fusion.0.audio<-text"], on) == [
        "fusion.0.audio-cls<-audio",
        "fusion.0.audio-cls<-bottleneck",
        "fusion.0.audio<-bottleneck",
        "fusion.0.bottleneck<-audio",
    ]
