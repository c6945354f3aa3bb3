"""What if: a changed clip is read as it would be from a file, and cuts do what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from core_models.clip import Clip, Modality, Word
from core_models.interface import FusionModel, Model
from explain.analysis import Analysis, analyse, toggle
from explain.modality import edits
from explain.modality.edits import GREY, Edit, EditError
from explain.modality.interventions import cut, effect, encoded
from explain.modality.pathways import PathError, Pathway, attended, known, pathways, single
from explain.question import Question
from explain.targets import target
from tests.conftest import make_clip

Change = Callable[[Clip], Edit]

CHANGES: dict[str, Change] = {
    "silence": lambda clip: edits.silence(clip, 0.5, 1.0),
    "all silent": edits.silence,
    "box": lambda clip: edits.blank(clip, (0.2, 0.2, 0.6, 0.8)),
    "frames": lambda clip: edits.blank(clip, start=0.0, end=0.7),
    "word": lambda clip: edits.leave_out(clip, [5]),
    "text": lambda clip: edits.reword(clip, "a dog barks"),
    "other picture": lambda clip: edits.swap(clip, "video", make_clip(3, frames=4)),
    "other sound": lambda clip: edits.swap(clip, "audio", make_clip(3, seconds=1.5)),
    "other text": lambda clip: edits.swap(clip, "text", make_clip(3, words=("a", "dog"))),
}


@pytest.fixture(scope="module")
def question(model: Model, clip: Clip) -> Question:
    run = analyse(model, clip)
    return Question(run, target("auto", run))


@pytest.mark.parametrize("name", ["silence", "all silent", "other picture", "text"])
def test_only_what_changed_is_encoded_and_that_is_enough(
    question: Question, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tokens are those of the whole changed clip, though one tower ran."""
    run, edit = question.analysis, CHANGES[name](question.analysis.clip)
    if edit.modality not in run.present:
        with pytest.raises(EditError, match="does not read"):
            effect(question, edit)
        return
    whole = run.model.encode(run.model.prepare(edit.clip))
    seen: list[set[Modality]] = []
    encode = type(run.model).encode

    def watched(self: FusionModel, inputs: object, *given: object) -> object:
        seen.append(set(inputs.values))  # type: ignore[attr-defined]
        return encode(self, inputs, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(type(run.model), "encode", watched)
    tokens = encoded(run, edit)
    assert seen in ([{edit.modality}], [])  # silence everywhere leaves nothing to encode
    assert list(tokens.values) == list(whole.values)
    for m, x in whole.values.items():
        torch.testing.assert_close(tokens.values[m], x, atol=1e-5, rtol=1e-5)
    assert tokens.extra.keys() == whole.extra.keys()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_effect_is_the_difference_of_two_readings(
    analysis: Analysis, clip: Clip, change: Change
) -> None:
    run = analysis
    question, edit = Question(run, target("auto", run)), change(clip)
    found, anew = effect(question, edit), analyse(run.model, edit.clip)
    np.testing.assert_allclose(found.probabilities[0], run.probabilities, atol=1e-5)
    np.testing.assert_allclose(found.probabilities[1], anew.probabilities, atol=1e-5)
    assert found.answer == (run.answer, anew.answer) and found.said == edit.said
    assert found.turned == (run.answer != anew.answer)
    at = question.target.plus[0]
    assert found.change == pytest.approx(found.logits[1, at] - found.logits[0, at])
    label, most = found.changes[0]
    assert abs(most) == pytest.approx(
        np.abs(anew.probabilities - run.probabilities).max(), abs=1e-5
    )
    assert label in run.model.labels


def test_a_caption_is_held_and_written_anew(question: Question) -> None:
    run = question.analysis
    if run.captioner is None:
        pytest.skip("it answers with a label")
    edit = edits.swap(run.clip, "text", make_clip(3, words=("a", "dog", "barks")))
    found = effect(question, edit)
    assert found.labels == run.model.labels and found.answer[0] == run.answer
    assert found.answer[1] == analyse(run.captioner, edit.clip).answer
    assert effect(question, edit, rewrite=False).answer[1] is None


def test_edits_leave_the_clip_as_it_was(clip: Clip) -> None:
    frames, wave, words = clip.frames.copy(), clip.waveform.copy(), clip.words
    for change in CHANGES.values():
        edit = change(clip)
        assert edit.clip.notices[-1] == edit.said and edit.said.endswith((".", "”"))
    np.testing.assert_array_equal(frames, clip.frames)
    np.testing.assert_array_equal(wave, clip.waveform)
    assert clip.words == words


def test_what_is_silenced_and_blanked_is_where_it_was_asked(clip: Clip) -> None:
    wave = edits.silence(clip, 0.5, 1.0).clip.waveform
    a, b = clip.rate // 2, clip.rate
    assert not wave[a:b].any()
    np.testing.assert_array_equal(
        np.delete(wave, slice(a, b)), np.delete(clip.waveform, slice(a, b))
    )
    frames = edits.blank(clip, (0.25, 0.5, 0.5, 1.0), 0.0, 0.5).clip.frames
    inside = np.zeros(clip.frames.shape[:3], bool)
    inside[:1, 45:90, 40:80] = True  # the first frame alone lies in the span
    assert (frames[inside] == GREY).all()
    np.testing.assert_array_equal(frames[~inside], clip.frames[~inside])


def test_as_many_words_keep_their_times() -> None:
    spoken = (Word("bin", 0.1, 0.4), Word("blue", 0.4, 0.8))
    timed = replace(make_clip(), words=spoken)
    assert edits.reword(timed, "bin red").clip.words == (spoken[0], Word("red", 0.4, 0.8))
    assert edits.reword(timed, "red").clip.words == (Word("red"),)
    assert edits.leave_out(timed, [1]).said == "“bin” is left out of the text."


def test_a_swapped_picture_spans_the_time_of_the_clip() -> None:
    here, there = make_clip(seconds=4.0), make_clip(3, frames=5, seconds=2.0)
    times = edits.swap(replace(here, start=1.0), "video", there).clip.times
    np.testing.assert_allclose(times, 1 + np.array([0.4, 1.2, 2.0, 2.8, 3.6]))
    sound = edits.swap(here, "audio", there)
    assert len(sound.clip.waveform) == len(here.waveform) and "then silence" in sound.said


BAD: dict[str, tuple[Change, str]] = {
    "outside": (lambda clip: edits.silence(clip, 1.0, 5.0), "read from 0 to 2 s"),
    "before": (lambda clip: edits.blank(clip, start=-1.0, end=1.0), "not inside"),
    "backwards": (lambda clip: edits.silence(clip, 1.0, 0.5), "is empty"),
    "nan": (lambda clip: edits.silence(clip, float("nan"), 0.5), "is empty"),
    "between frames": (lambda clip: edits.blank(clip, start=0.4, end=0.5), "No frame"),
    "empty box": (lambda clip: edits.blank(clip, (0.5, 0.1, 0.5, 0.2)), "box is empty"),
    "turned box": (lambda clip: edits.blank(clip, (0.5, 0.9, 0.7, 0.2)), "box is empty"),
    "large box": (lambda clip: edits.blank(clip, (0.5, 0.1, 1.5, 0.2)), "inside the picture"),
    "no such word": (lambda clip: edits.leave_out(clip, [8]), "words 1 to 7"),
    "no word": (lambda clip: edits.leave_out(clip, []), "No word is marked"),
    "all words": (lambda clip: edits.leave_out(clip, range(1, 8)), "switch the text off"),
    "no text": (lambda clip: edits.reword(clip, "  "), "type a text"),
    "nothing there": (lambda clip: edits.swap(clip, "text", make_clip(words=())), "has no text"),
    "no sound": (lambda clip: edits.silence(replace(clip, waveform=clip.waveform[:0])), "no sound"),
}


@pytest.mark.parametrize(("change", "said"), BAD.values(), ids=BAD)
def test_what_cannot_be_done_is_a_sentence(clip: Clip, change: Change, said: str) -> None:
    with pytest.raises(EditError, match=said) as caught:
        change(clip)
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_a_modality_that_is_off_cannot_be_changed(analysis: Analysis, clip: Clip) -> None:
    less = toggle(analysis, ["video", "text"])
    with pytest.raises(EditError, match="The sound is switched off"):
        effect(Question(less, target("auto", less)), edits.silence(clip))


def test_nothing_left_is_a_sentence(caam: Model, clip: Clip) -> None:
    alone = analyse(caam, clip, ["audio"])
    with pytest.raises(EditError, match="Nothing would be left"):
        effect(Question(alone, target("auto", alone)), edits.silence(clip))


def test_cuts_are_those_of_the_model(question: Question) -> None:
    run = question.analysis
    for way in pathways(run):
        found = cut(question, way)
        with torch.no_grad():
            output = run.model.fuse(run.tokens, cut=way.paths)
        np.testing.assert_allclose(
            found.probabilities[1], output.probabilities[0].double().numpy(), atol=1e-6
        )
        assert found.attended is not None and 0 <= found.attended <= 1 + 1e-5
        assert found.said.startswith("Cut ") and set(way.paths) <= set(known(run))


def test_single_cuts_agree_with_the_analysis(question: Question) -> None:
    run = question.analysis
    if run.caption is not None:
        pytest.skip("its cuts are of the mean word")
    for name, change in run.cuts.items():
        before, after = cut(question, single(run, name)).chance
        assert after - before == pytest.approx(change, abs=1e-5)


def test_what_is_cut_does_not_pass(question: Question) -> None:
    """Cut into the bottleneck, or the caption: what is said of one side leaves the other alone."""
    run = question.analysis
    ways = {way.name: way.paths for way in pathways(run)}
    if "bottleneck<-audio" not in ways:
        pytest.skip("no bottleneck")
    noise = {**run.tokens.values, "audio": torch.randn_like(run.tokens.values["audio"])}
    other = replace(run.tokens, values=noise)
    with torch.no_grad():
        for paths, same in ((ways["bottleneck<-audio"], True), ((), False)):
            here, there = (run.model.fuse(t, cut=paths).votes["video"] for t in (run.tokens, other))
            assert torch.allclose(here, there, atol=1e-6) == same


def test_attention_into_a_caption_is_shared_out(question: Question) -> None:
    run = question.analysis
    ways = [way for way in pathways(run) if way.name.startswith("caption<-")]
    if not ways:
        pytest.skip("it writes no caption")
    assert sum(attended(run, way.paths) for way in ways) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("paths", [("fusion.9.video<-audio",), ("nothing",), ()])
def test_unknown_paths_are_a_sentence(question: Question, paths: tuple[str, ...]) -> None:
    with pytest.raises(PathError, match=r"path") as caught:
        cut(question, Pathway("", "", paths))
    assert str(caught.value).endswith(".")
    with pytest.raises(PathError):
        single(question.analysis, "nothing")


def test_paths_of_what_is_off_are_not_there(analysis: Analysis) -> None:
    less = toggle(analysis, ["video", "text"])
    assert [way.name for way in pathways(less)] == ["video-text"]
    assert not any("audio" in name for name in known(less))
