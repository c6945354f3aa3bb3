"""From a file to a Clip: what is read, what is refused, and what the decoder may not do."""

from __future__ import annotations

import csv
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from core_models import decoder, media
from core_models.clip import Word
from core_models.media import (
    Limits,
    MediaError,
    load_clip,
    playable,
    preview,
    probe,
    thumbnails,
)
from core_models.subtitles import cue_words, plain
from tests.media_files import clicks, even, grey, make_clip, tone, turn_file

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
RATE = 22050
UNEVEN = [0.0, 0.04, 0.08, 0.5, 0.54, 1.3, 1.34, 1.38, 1.42, 1.9]


@pytest.fixture
def refused() -> Callable[..., str]:
    """The sentence with which a file is refused."""

    def read(*args: Any, **kwargs: Any) -> str:
        with pytest.raises(MediaError) as caught:
            load_clip(*args, **kwargs)
        return str(caught.value)

    return read


# ---- frames ----------------------------------------------------------------------------------


def test_frames_are_those_shown_at_the_middle_of_equal_segments(tmp_path: Path) -> None:
    clip = load_clip(make_clip(tmp_path / "a.mp4", even(2, 10)), frames=4)
    # segments of 0.5 s, middles 0.25, 0.75, 1.25 and 1.75 s: frames 2, 7, 12 and 17
    assert clip.times == pytest.approx([0.2, 0.7, 1.2, 1.7])
    assert clip.frames.shape == (4, 48, 64, 3) and clip.frames.dtype == np.uint8
    shown = clip.frames[:, -8:, -8:].mean((1, 2, 3))
    assert shown == pytest.approx([grey(n) for n in (2, 7, 12, 17)], abs=4)
    assert (clip.size, clip.start, clip.duration, clip.file_duration) == ((64, 48), 0, 2, 2)


def sequential(path: Path, targets: list[float]) -> list[np.ndarray[Any, Any]]:
    """Every frame decoded in order; the last one shown at or before each target."""
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        first = float(stream.start_time * stream.time_base)
        shown = [(float(f.pts * f.time_base) - first, f) for f in source.decode(stream)]
        picked = [max((s for s in shown if s[0] <= t), key=lambda s: s[0])[1] for t in targets]
        bicubic = {"interpolation": decoder.SCALING, "format": "rgb24"}
        return [f.reformat(56, 42, **bicubic).to_ndarray() for f in picked]


CODINGS: dict[str, tuple[list[float], dict[str, Any]]] = {
    "long-gop.mp4": (even(4, 25), {}),
    "short-gop.mp4": (even(4, 25), {"options": {"g": "10"}}),
    "b-frames.mp4": (even(4, 25), {"options": {"g": "15", "bf": "3", "b_strategy": "0"}}),
    "open-gop.mkv": (even(4, 25), {"options": {"g": "12", "bf": "3", "x264-params": "open-gop=1"}}),
    "uneven.mp4": (UNEVEN, {"options": {"g": "3", "bf": "2"}}),
    "intra.mov": (even(2, 25), {"codec": "mjpeg", "pixels": "yuvj420p"}),
    "vp9.webm": (even(2, 25), {"codec": "libvpx-vp9", "options": {"g": "8"}}),
    "b-frames.ts": (even(2, 25), {"options": {"g": "8", "bf": "2"}}),
    "mpeg4.avi": (even(2, 25), {"codec": "mpeg4", "options": {"g": "8"}}),
}


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize("window", [(0.0, None), (0.9, 0.7)], ids=["whole", "window"])
def test_frames_equal_a_sequential_decode(
    name: str, window: tuple[float, float | None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "SIDE", 56)
    times, how = CODINGS[name]
    path = make_clip(tmp_path / name, times, **how)
    clip = load_clip(path, frames=6, start=window[0], length=window[1])
    low, high = max(clip.start, 0), min(clip.start + clip.duration, probe(path).picture[1])
    targets = [low + (high - low) * (i + 0.5) / 6 for i in range(6)]
    expected = sequential(path, targets)
    different = [0, *(i for i in range(1, 6) if not np.array_equal(expected[i], expected[i - 1]))]
    assert np.array_equal(clip.frames, np.stack([expected[i] for i in different]))
    assert (np.diff(clip.times) > 0).all()


def test_only_groups_that_hold_a_wanted_frame_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip(tmp_path / "a.mp4", even(20, 10), options={"g": "10"})
    request = {"path": str(path), "max_pixels": 10**6}
    keys = decoder.scan(decoder.open_source(request)).keys
    assert keys == pytest.approx(range(20))
    count = [0]
    decoded = decoder.decoded

    def counted(*args: Any) -> Any:
        for shown in decoded(*args):
            count[0] += 1
            yield shown

    monkeypatch.setattr(decoder, "decoded", counted)
    shots, faults = decoder.shoot(request, [3.25, 3.75, 15.05], keys, decoder.Painter((99, 99)))
    assert [at for at, _ in shots] == pytest.approx([3.2, 3.7, 15.0]) and faults == 0
    assert count[0] <= 12  # of 200: nine in the group at 3 s, two in the one at 15 s


def test_a_clip_with_fewer_frames_than_asked_says_so(tmp_path: Path) -> None:
    clip = load_clip(make_clip(tmp_path / "a.mp4", [0.0, 0.5, 1.0]))
    assert clip.times == pytest.approx([0, 0.5, 1])
    assert "This window holds only 3 of the 8 frames asked for." in clip.notices


@pytest.mark.parametrize(
    ("matrix", "corner"),
    [
        ((1, 0, 0, 1), "upper left"),
        ((0, 1, -1, 0), "upper right"),  # a quarter turn clockwise
        ((-1, 0, 0, -1), "lower right"),
        ((0, -1, 1, 0), "lower left"),
        ((-1, 0, 0, 1), "upper right"),  # mirrored
        ((1, 0, 0, -1), "lower left"),
        ((0, 1, 1, 0), "upper left"),  # transposed
        ((0, -1, -1, 0), "lower right"),
        ((0, 0, 0, 0), "upper left"),  # no matrix at all
    ],
)
def test_pictures_are_upright(matrix: tuple[int, int, int, int], corner: str) -> None:
    a, b, c, d = (v << 16 for v in matrix)
    data = struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    image = np.zeros((2, 3, 3), np.uint8)
    image[0, 0] = 255
    frame = SimpleNamespace(side_data={"DISPLAYMATRIX": data})
    turned = decoder.upright(image, decoder.turn(frame))
    assert turned.shape == ((3, 2, 3) if matrix[1] else (2, 3, 3))
    row, column = (0 if "upper" in corner else -1), (0 if "left" in corner else -1)
    assert turned[row, column, 0] == 255 and turned.sum() == 3 * 255


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_the_angle_says_the_same_as_the_matrix(degrees: int) -> None:
    turns = {0: (1, 0, 0, 1), 90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), -90: (0, 1, -1, 0)}
    a, b, c, d = turns[degrees]
    frame = SimpleNamespace(
        side_data={"DISPLAYMATRIX": struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1)}
    )
    assert decoder.turn(frame) == decoder.QUARTERS[round(degrees / 90) % 4]


def test_a_file_filmed_sideways_is_upright(tmp_path: Path) -> None:
    clip = load_clip(turn_file(make_clip(tmp_path / "a.mp4", even(1, 10)), (0, 1, -1, 0)))
    assert clip.size == (48, 64) and clip.frames.shape[1:3] == (64, 48)
    assert clip.frames[0, 8, -8].mean() > 240 and clip.frames[0, 8, 8].mean() < 100


def test_large_pictures_are_scaled_down_and_keep_their_shape(tmp_path: Path) -> None:
    clip = load_clip(make_clip(tmp_path / "a.mp4", [0.0, 0.1], size=(1344, 672)))
    assert clip.frames.shape[1:3] == (224, 448) and clip.size == (1344, 672)


@pytest.mark.parametrize(
    ("size", "bound", "step", "fitted"),
    [
        ((100, 50), (448, 448), 1, (100, 50)),
        ((896, 448), (448, 448), 1, (448, 224)),
        ((4096, 2), (448, 448), 1, (448, 1)),
        ((101, 51), (640, 640), 2, (100, 52)),
    ],
)
def test_fit(
    size: tuple[int, int], bound: tuple[int, int], step: int, fitted: tuple[int, int]
) -> None:
    assert decoder.fit(size, bound, step) == fitted


# ---- sound -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "layout", "rate"),
    [
        ("a.mp4", "aac", "stereo", 44100),
        ("a.mkv", "pcm_s16le", "7.1", 48000),
        ("b.mkv", "flac", "5.1", 96000),
        ("c.mkv", "pcm_f32le", "mono", 8000),
        ("a.avi", "mp3", "mono", 44100),
        ("a.webm", "libopus", "7.1", 48000),
    ],
)
def test_sound_is_the_mean_of_its_channels(
    name: str, codec: str, layout: str, rate: int, tmp_path: Path
) -> None:
    video = {"a.webm": "libvpx", "a.avi": "mpeg4"}.get(name, "libx264")
    path = make_clip(
        tmp_path / name, even(2, 10), codec=video, wave=tone(2, rate), rate=rate, layout=layout,
        sound_codec=codec,
    )  # fmt: skip
    wave = load_clip(path, frames=1).waveform
    assert wave.dtype == np.float32 and len(wave) == pytest.approx(2 * RATE, abs=0.06 * RATE)
    spectrum = np.abs(np.fft.rfft(wave[: 2 * RATE]))
    assert spectrum.argmax() * RATE / len(wave[: 2 * RATE]) == pytest.approx(440, abs=1)
    # codecs that know of a bass channel leave the tone out of it: 7 of 8 channels
    assert np.abs(wave[4000:-4000]).max() == pytest.approx(0.5, abs=0.08)


def test_eight_planes_of_sound_are_read(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10), wave=tone(1, 48000), rate=48000, layout="7.1")
    assert probe(path).audio_channels == 8
    assert np.abs(load_clip(path, frames=1).waveform).max() > 0.4


@pytest.mark.parametrize("name", ["a.mp4", "a.ts", "a.mkv"])
@pytest.mark.parametrize("start", [0.0, 0.5])
def test_sound_and_picture_share_one_time(name: str, start: float, tmp_path: Path) -> None:
    path = make_clip(tmp_path / name, even(3, 25), wave=clicks(3, 44100, [1.0, 2.5]))
    clip = load_clip(path, frames=4, start=start, length=2.4)
    loud = start + np.flatnonzero(np.abs(clip.waveform) > 0.2) / RATE
    assert loud[0] == pytest.approx(1.0, abs=0.03)
    assert loud[-1] == pytest.approx(2.52 if start else 1.02, abs=0.03)


def test_sound_that_starts_late_is_led_by_silence(tmp_path: Path) -> None:
    wave = tone(1, 44100)
    path = make_clip(
        tmp_path / "a.mkv", even(2, 10), wave=wave, sound_start=1.0, sound_codec="pcm_s16le"
    )
    clip = load_clip(path)
    loud = np.flatnonzero(np.abs(clip.waveform) > 0.01)
    assert loud[0] / RATE == pytest.approx(1, abs=0.002) and len(clip.waveform) == 2 * RATE
    assert "The sound covers 1.0 s to 2.0 s of 2.0 s." in clip.notices


def test_sound_that_is_no_number_is_silence(tmp_path: Path) -> None:
    wave = tone(1, 8000)
    wave[100:110], wave[200], wave[300] = np.nan, np.inf, 1e30
    path = make_clip(
        tmp_path / "a.mkv", even(1, 10), wave=wave, rate=8000, layout="mono",
        sound_codec="pcm_f32le",
    )  # fmt: skip
    clip = load_clip(path)
    assert np.abs(clip.waveform).max() < 0.6
    assert "12 sound samples were not valid numbers and were set to 0." in clip.notices


@pytest.mark.parametrize(
    ("wave", "notice"),
    [
        (None, "This clip has no sound track."),
        (np.zeros(44100, np.float32), "The sound is silent."),
        (tone(0.28, 44100), "The sound covers 0.0 s to 0.3 s of 1.0 s."),
        (tone(3, 44100), "The picture covers 0.0 s to 1.0 s of 3.0 s."),
    ],
    ids=["none", "silent", "short", "long"],
)
def test_sound_that_is_missing_is_said(wave: Any, notice: str, tmp_path: Path) -> None:
    clip = load_clip(make_clip(tmp_path / "a.mp4", even(1, 10), wave=wave))
    assert clip.notices == (notice,) and len(clip.times) == 8


# ---- the window ------------------------------------------------------------------------------


def test_a_long_clip_is_read_whole_with_a_notice(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(95, 2))
    whole = load_clip(path)
    line = "8 frames over 95 s: one every 11.9 s; choose a window to look closer."
    assert line in whole.notices
    part = load_clip(path, start=40, length=4)
    assert line not in part.notices and (part.start, part.duration) == (40, 4)
    assert part.times == pytest.approx(np.arange(40, 44, 0.5))


def test_a_window_ends_where_the_clip_ends(tmp_path: Path) -> None:
    clip = load_clip(make_clip(tmp_path / "a.mp4", even(2, 10)), start=1, length=5)
    assert clip.duration == pytest.approx(1)
    assert "The window was shortened from 5.0 s to 1.0 s." in clip.notices


def test_no_more_is_read_than_the_limit(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(4, 10), wave=tone(4, 44100))
    clip = load_clip(path, limits=Limits(max_seconds=2))
    assert clip.duration == 2 and len(clip.waveform) == 2 * RATE and clip.times[-1] < 2
    assert "Only 2 s of 4 s were read; choose a window to see another part." in clip.notices


def test_a_window_after_the_end_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = make_clip(tmp_path / "a.mp4", even(2, 10))
    assert "the clip ends at 2.0 s" in refused(path, start=3)


@pytest.mark.parametrize("bad", [{"start": -1}, {"length": 0}, {"start": np.nan}, {"frames": 0}])
def test_an_impossible_window_is_refused(bad: dict[str, Any], refused: Callable[..., str]) -> None:
    assert refused("any.mp4", **bad).startswith("Choose")


# ---- files that are refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("empty.mp4", b"", "This file is empty (0 bytes); choose another one."),
        ("text.mp4", b"no film, only words\n" * 99, media.UNREADABLE),
        ("noise.mp4", bytes(range(256)) * 40, media.UNREADABLE),
        ("page.html", b"<html>", "Files of type .html are not read"),
        ("none", b"abc", "Files of type (none) are not read"),
    ],
)
def test_what_is_no_video_is_refused(
    name: str, content: bytes, sentence: str, tmp_path: Path, refused: Callable[..., str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert refused(tmp_path / name).startswith(sentence)


def test_a_missing_file_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    assert "does not exist" in refused(tmp_path / "gone.mp4")


def test_a_file_without_picture_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = make_clip(tmp_path / "a.mp4", [], wave=tone(1, 44100))
    assert refused(path) == "This file has no video track; choose a clip with a picture."


def test_a_file_over_the_limit_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10))
    path.write_bytes(path.read_bytes() + bytes(3_000_000))
    assert "3 MB and the limit is 2 MB" in refused(path, limits=Limits(max_bytes=2_000_000))


def test_a_codec_that_is_not_on_the_list_is_refused(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    assert "coded as magicyuv" in refused(
        make_clip(tmp_path / "a.avi", even(1, 10), codec="magicyuv")
    )


def test_a_picture_over_the_limit_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10))
    assert load_clip(path, limits=Limits(max_pixels=64 * 64)).size == (64, 48)
    assert "larger than the limit" in refused(path, limits=Limits(max_pixels=1000))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_read_as_far_as_it_goes(share: float, tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "a.mkv", even(4, 25), options={"g": "10"}, wave=tone(4, 44100))
    data = whole.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: int(share * len(data))])
    clip = load_clip(cut)
    assert clip.file_duration < 4 and len(clip.times)
    assert any(n.startswith("The file breaks off at") and "of 4.0 s" in n for n in clip.notices)


def test_a_file_cut_before_its_index_is_refused(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = make_clip(tmp_path / "a.mp4", even(2, 10))
    path.write_bytes(path.read_bytes()[:500])
    assert refused(path) == media.UNREADABLE


def test_a_playlist_opens_no_other_file(tmp_path: Path, refused: Callable[..., str]) -> None:
    make_clip(tmp_path / "secret.ts", even(2, 10))
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n"
    for name, text in {
        "a.mp4": playlist,
        "b.ts": playlist,
        "c.mp4": "ffconcat version 1.0\nfile secret.ts\n",
    }.items():
        (tmp_path / name).write_text(text)
        assert refused(tmp_path / name) == media.UNREADABLE
    assert load_clip(tmp_path / "secret.ts").size == (64, 48)


# ---- the decoder process ---------------------------------------------------------------------


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What is said when the decoder process does something else."""
    clip = make_clip(tmp_path / "a.mp4", even(1, 10))

    def ask(code: str) -> str:
        package = tmp_path / "fake" / "core_models"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "decoder.py").write_text(code)
        environment = media._environment() | {"PYTHONPATH": str(package.parent)}
        monkeypatch.setattr(media, "_environment", lambda: environment)
        with pytest.raises(MediaError) as caught:
            load_clip(clip, limits=Limits(wall_seconds=2, max_seconds=1))
        return str(caught.value)

    return ask


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import os; os.kill(os.getpid(), 11)", "The decoder stopped on this file"),
        ("raise SystemExit(3)", "The decoder stopped on this file"),
        ("while True: pass", "took longer than 2 s"),
        ("import os, time; os.close(1); time.sleep(60)", "took longer than 2 s"),
        ("while True: print('x' * 10**6)", ""),
        ("print('all fine')", media.UNREADABLE),
        ("", media.UNREADABLE),
    ],
    ids=["crash", "exit", "hang", "silent hang", "flood", "chatter", "nothing"],
)
def test_a_decoder_gone_wrong_is_one_sentence(
    code: str, sentence: str, pretend: Callable[[str], str]
) -> None:
    assert sentence in pretend(code)


def test_the_decoder_inherits_no_secrets(
    pretend: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "hush")
    said = pretend(
        "import json, os, struct, sys\n"
        "text = ' '.join([os.getcwd(), *sorted(os.environ)])\n"
        "head = json.dumps({'facts': {'refused': text}, 'arrays': []}).encode()\n"
        "sys.stdout.buffer.write(struct.pack('>I', len(head)) + head)\n"
    )
    assert said.split()[0] == os.path.abspath(os.sep)
    assert "PYTHONPATH" in said and "TOKEN" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits there")
@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("open(sys.argv[1], 'wb', 0).write(b'x')", "OSError"),
        ("bytearray(2**31)", "MemoryError"),
        ("[open(os.devnull) for _ in range(99)]", "OSError"),
    ],
)
def test_the_decoder_is_restricted(action: str, error: str, tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom core_models.decoder import restrict\nrestrict(2**30, 9, 0)\n"
        f"try:\n    {action}\nexcept {error}: print('stopped')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        capture_output=True, text=True, env=media._environment(), check=False,
    )  # fmt: skip
    assert done.stdout == "stopped\n", done.stderr


def test_too_little_memory_is_one_sentence(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10))
    assert refused(path, limits=Limits(memory=2**26)).endswith((".", "again."))


def test_the_decoder_needs_av_and_numpy_alone() -> None:
    code = "import sys, core_models.decoder; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, env=media._environment(), check=True,
    )  # fmt: skip
    assert not {"torch", "pysubs2", "gradio", "PIL"} & set(done.stdout.split())


def reply(arrays: list[Any], body: bytes, facts: Any = None) -> bytearray:
    head = json.dumps({"facts": facts or {}, "arrays": arrays}).encode()
    return bytearray(struct.pack(">I", len(head)) + head + body)


def test_an_answer_is_taken_apart() -> None:
    facts, arrays = media._parse(reply([["x", "uint8", [2, 2]]], b"abcd", {"a": 1}))
    assert facts == {"a": 1} and arrays["x"].tolist() == [[97, 98], [99, 100]]
    assert arrays["x"].flags.writeable


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\xff\xff\xff",
        reply([["x", "uint8", [5]]], b"abcd"),
        reply([["x", "uint8", [3]]], b"abcd"),
        reply([["x", "uint8", [10**15]]], b"abcd"),
        reply([["x", "uint8", [-1, -4]]], b"abcd"),
        reply([["x", "object", [4]]], b"abcd"),
        reply([["x", "uint8", [[4]]]], b"abcd"),
        reply([["x"]], b""),
        struct.pack(">I", 2) + b"[]",
    ],
)
def test_an_answer_that_lies_is_refused(answer: bytes) -> None:
    with pytest.raises(MediaError), media._distrust():
        media._parse(bytearray(answer))


# ---- words -----------------------------------------------------------------------------------

SRT = """1
00:00:00,000 --> 00:00:01,000
<i>hello</i> you

2
00:00:01,000 --> 00:00:02,000
bye
"""
VTT = """WEBVTT

00:00.000 --> 00:01.000
<v Ann>hello</v> you

00:01.000 --> 00:02.000
bye
"""


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "a.mp4", even(2, 10), cues=[(0.5, 1.5, "ab cdef")])


def texts(words: tuple[Word, ...]) -> list[str]:
    return [w.text for w in words]


def test_a_cue_is_shared_out_by_word_length() -> None:
    assert cue_words([(1, 4, "ab cdef")], 0, 9) == (Word("ab", 1, 2), Word("cdef", 2, 4))
    assert texts(cue_words([(1, 4, "ab cdef")], 2, 9)) == ["cdef"]
    assert cue_words([], 0, 9) == cue_words([(1, 2, " ")], 0, 9) == ()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (r"{\an8}up\Nhere", "up here"),
        ("<c.red>a</c> &amp; <00:01.000>b", "a & b"),
        ("1 < 2 > 0", "1 < 2 > 0"),
        ("a\x00\x1b[31mb\u202e", "a [31mb"),
    ],
)
def test_markup_is_stripped(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_the_clips_own_words(spoken: Path) -> None:
    clip = load_clip(spoken)
    assert clip.text_source == "embedded" and texts(clip.words) == ["ab", "cdef"]
    assert [w.start for w in clip.words] == pytest.approx([0.5, 0.5 + 1 / 3], abs=0.01)
    assert probe(spoken).subtitles == ("mov_text",)
    assert texts(load_clip(spoken, start=1, length=1).words) == ["cdef"]


@pytest.mark.parametrize(("name", "content"), [("a.srt", SRT), ("a.vtt", VTT)])
def test_a_subtitle_file_comes_before_the_clips_own_words(
    name: str, content: str, spoken: Path, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content)
    clip = load_clip(spoken, subtitles=path)
    assert clip.text_source == "subtitles" and texts(clip.words) == ["hello", "you", "bye"]
    assert clip.words[2] == Word("bye", 1, 2)
    late = load_clip(spoken, subtitles=path, start=1.6)
    assert late.text_source == "none" and "No subtitle falls into this window." in late.notices


def test_typed_words_come_first_and_have_no_time(spoken: Path, tmp_path: Path) -> None:
    clip = load_clip(spoken, text=" a  red\ncar ", subtitles=tmp_path / "unused.srt")
    assert clip.text_source == "typed"
    assert clip.words == (Word("a"), Word("red"), Word("car"))


def test_words_are_bounded(spoken: Path) -> None:
    clip = load_clip(spoken, text="word " * 2500)
    assert len(clip.words) == 2000
    assert "Only the first 2,000 of 2,500 words are read." in clip.notices


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_subtitles_in_other_encodings(encoding: str, spoken: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(SRT.replace("hello", "déjà").encode(encoding))
    clip = load_clip(spoken, subtitles=path)
    assert texts(clip.words) == ["déjà", "you", "bye"]
    assert any("not UTF-8" in n for n in clip.notices) == (encoding == "cp1252")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.ass", b"x", ".srt and .vtt files only"),
        ("a.srt", b"nothing timed", "No subtitle could be read"),
        ("a.vtt", b"\xff\xfe\x00", "No subtitle could be read"),
        ("a.srt", b"x" * 1_000_001, "larger than 1 MB"),
        ("a.srt", None, "cannot be opened"),
    ],
)
def test_a_bad_subtitle_file_is_refused(
    name: str, content: bytes | None, sentence: str, spoken: Path, tmp_path: Path,
    refused: Callable[..., str],
) -> None:  # fmt: skip
    path = tmp_path / "text" / name
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    assert sentence in refused(spoken, subtitles=path)


# ---- probe, thumbnails, preview --------------------------------------------------------------


def test_probe_says_what_the_file_holds(tmp_path: Path) -> None:
    info = probe(make_clip(tmp_path / "a.mp4", even(2, 10), wave=tone(2, 44100)))
    assert (info.video_codec, info.audio_codec, info.audio_rate) == ("h264", "aac", 44100)
    assert info.has_audio and info.size == (64, 48) and info.tracks == (1, 1)
    assert info.duration == pytest.approx(2, abs=0.05) and info.fps == pytest.approx(10)


@pytest.mark.parametrize("group", ["250", "5"])
def test_thumbnails_lie_along_the_file(group: str, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(6, 10), options={"g": group}, size=(128, 96))
    times, pictures = thumbnails(path, count=6, height=48)
    assert pictures.shape == (6, 48, 64, 3)
    assert times == pytest.approx(np.arange(6) + 0.5)


def test_a_preview_plays_and_keeps_time(tmp_path: Path) -> None:
    wave = clicks(2, 44100, [1.0])
    path = make_clip(
        tmp_path / "a.avi", even(2, 25), size=(1280, 720), codec="mpeg4", wave=wave,
        sound_codec="mp3",
    )  # fmt: skip
    out = tmp_path / "out.mp4"
    preview(path, out)
    assert not playable(path) and playable(out)
    info, clip = probe(out), load_clip(out)
    assert (info.video_codec, info.audio_codec, info.size) == ("h264", "aac", (640, 360))
    assert info.duration == pytest.approx(2, abs=0.06)
    loud = np.flatnonzero(np.abs(clip.waveform) > 0.2) / RATE
    assert loud[0] == pytest.approx(1, abs=0.04)
    original = load_clip(path)
    assert clip.times == pytest.approx(original.times, abs=0.05)
    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.avi", "out.mp4"]


def test_a_preview_of_a_window(tmp_path: Path) -> None:
    path = turn_file(make_clip(tmp_path / "a.mp4", even(4, 10)), (0, 1, -1, 0))
    out = tmp_path / "out.mp4"
    preview(path, out, start=1, length=2)
    info = probe(out)
    assert info.duration == pytest.approx(2, abs=0.11) and info.size == (48, 64)


def test_a_preview_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nonsense" * 99)
    with pytest.raises(MediaError):
        preview(tmp_path / "a.mp4", tmp_path / "out.mp4")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("name", "how", "plays"),
    [
        ("a.mp4", {}, True),
        ("a.mov", {}, True),
        ("a.mkv", {}, False),
        ("a.webm", {"codec": "libvpx"}, True),
        ("a.mp4", {"codec": "mpeg4"}, False),
        ("a.mp4", {"pixels": "yuv444p"}, False),
    ],
)
def test_playable(name: str, how: dict[str, Any], plays: bool, tmp_path: Path) -> None:
    assert playable(make_clip(tmp_path / name, even(1, 10), **how)) is plays


def test_the_key_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"abc")
    assert media.file_key(path).startswith("ba7816bf8f01cfea414140de5dae2223b00361a3")


# ---- real files ------------------------------------------------------------------------------


def some(folder: str, table: str, every: int) -> list[Any]:
    """Every nth file of a table, or a skip that says why."""
    try:
        with (SHARED / folder / table).open(newline="") as file:
            names = [row["file"] for row in csv.DictReader(file, delimiter=_comma(table))]
    except OSError:
        return [pytest.param("", marks=pytest.mark.skip(reason=f"no {folder} beside the project"))]
    return names[::every]


def _comma(table: str) -> str:
    return "\t" if table.endswith(".tsv") else ","


@pytest.mark.parametrize("name", some("clips", "labels.csv", 5))
def test_real_clips(name: str) -> None:
    clip = load_clip(SHARED / "clips" / name)
    assert clip.frames.shape[0] == 8 and max(clip.frames.shape[1:3]) <= 448
    assert len(clip.waveform) / RATE == pytest.approx(clip.duration, abs=0.25)
    assert clip.frames.std() > 10 and np.abs(clip.waveform).max() > 0.01


@pytest.mark.parametrize("name", some("bad_media", "EXPECTED.tsv", 12))
def test_hostile_files_are_read_or_refused_in_one_sentence(name: str) -> None:
    try:
        clip = load_clip(SHARED / "bad_media" / name)
    except MediaError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
    else:
        assert len(clip.times) and np.isfinite(clip.waveform).all()
        assert (np.diff(clip.times) > 0).all()
