"""The first look says what was answered, how familiar the clip is, and nothing as markup."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from core_models.interface import Beam, Caption, CaptionWord, Output
from core_models.reference import Closeness, Place
from explain.analysis import Analysis
from explain.render.cards import compare, first_look

CAPTION = Caption(
    "a <b>man</b>",
    (CaptionWord("a", 0.9), CaptionWord("<b>man</b>", 0.25)),
    (1, 2, 3),
    (0, 1, -1),
    (Beam("a <b>man</b>", -0.5), Beam("the man", -1.0)),
)


def said(analysis: Analysis) -> Analysis:
    """The analysis as if a captioner had said CAPTION."""
    return replace(analysis, caption=CAPTION, votes={}, probabilities=np.ones(2, np.float32))


def test_a_far_clip_is_called_outside(analysis: Analysis) -> None:
    near = replace(analysis, familiar={"video": Place(1.0, 0.5)})
    assert not any("outside" in notice for notice in near.notices)
    far = replace(analysis, familiar={"video": Place(9.0, 1.0), "audio": Place(9.0, 0.995)})
    (notice,) = [n for n in far.notices if "outside" in n]
    assert notice.startswith("The picture and the sound of this clip lie outside what this model")
    look = first_look(far)
    assert "How far out: video 100% · sound 100%" in look and notice in look


def test_nearness_is_shown_with_what_it_is_worth(analysis: Analysis) -> None:
    near = replace(
        analysis,
        familiar={"video": Place(1.0, 0.5)},
        close={"video-text": Closeness(0.3, 0.2, 0.9, 0.71)},
    )
    look = first_look(near)
    assert "video · text lie nearer" in look and "71% of the time" in look


def test_a_caption_shows_its_words_and_the_beams(analysis: Analysis) -> None:
    look = first_look(said(analysis))
    assert "<b>man" not in look and "&lt;b&gt;man" in look
    assert look.count('style="--p:') == 2 and "--p:0.25" in look
    assert "0.61" in look and "0.37" in look  # exp of the scores
    assert "fc-bar" not in look


def test_captions_are_compared_word_by_word(analysis: Analysis) -> None:
    before = said(analysis)
    now = replace(before, present=("video",), caption=replace(CAPTION, text="a dog"))
    rows = compare(now, replace(before, model=_Held(analysis)))  # type: ignore[arg-type]
    assert rows.count("<tr>") == 3 and "Now: “a dog”" in rows and "<b>" not in rows


class _Held:
    """A model that gives every word an even chance."""

    def __init__(self, analysis: Analysis) -> None:
        self.modalities = analysis.model.modalities

    def fuse(self, *_: object) -> Output:
        return Output(torch.log(torch.tensor([[0.5, 0.5]])), independent=True)
