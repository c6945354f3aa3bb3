"""The film of an export: picture and sound of the clip, with the scores laid over it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from core_models.clip import Clip
from core_models.layout import BandGrid, FrameGrid, Grid, TimeGrid
from core_models.media import load_clip, preview
from explain.analysis import Analysis
from explain.render.tint import tint
from explain.render.video import MOST_FPS, STRIP, Layer, of_attention, overlay
from tests.media_files import even, make_clip, tone

SIZE = (160, 120)
RED = np.array([1.0, 0, 0, 0.8])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "made.mp4"
    return make_clip(path, even(3, 20), size=SIZE, wave=tone(3, 44100))


def film(source: Path, layer: Layer, folder: Path, **window: Any) -> tuple[Clip, Path]:
    clip = load_clip(source, frames=4, **window)
    copy, out = folder / "copy.mp4", folder / "film.mp4"
    preview(source, copy, start=clip.start, length=clip.duration)
    overlay(copy, clip, layer, out, clip.start)
    return clip, out


def pictures(path: Path) -> list[tuple[float, NDArray[np.float64]]]:
    with av.open(str(path)) as film:
        return [(float(f.time), f.to_ndarray(format="rgb24") / 255) for f in film.decode(video=0)]


def half(times: Any, first: int) -> Layer:
    """The right half of the picture red, from one sampled frame on."""
    paint = np.zeros((len(times), 1, 2, 4))
    paint[first:, 0, 1] = RED
    grid: Grid = FrameGrid(np.asarray(times, float), 1, 2)
    return Layer({"video": paint}, {"video": grid})


def test_it_has_the_picture_the_sound_and_the_length_of_the_clip(
    source: Path, tmp_path: Path
) -> None:
    clip, path = film(source, Layer({}, {}), tmp_path)
    with av.open(str(path)) as made:
        seen, heard = made.streams.video[0], made.streams.audio[0]
        assert (seen.codec_context.name, heard.codec_context.name) == ("h264", "aac")
        assert (seen.width, seen.height) == (SIZE[0], SIZE[1] + STRIP)
        for stream in (seen, heard):
            length = float(stream.duration * stream.time_base)
            assert length == pytest.approx(clip.duration, abs=1 / MOST_FPS)
        times = [float(frame.time) for frame in made.decode(seen)]
    assert len(times) <= MOST_FPS * clip.duration + 1 and times[0] == 0
    with av.open(str(path)) as made:
        sound = np.concatenate([f.to_ndarray()[0] for f in made.decode(audio=0)])
    assert np.abs(np.fft.rfft(sound)).argmax() / (len(sound) / 48_000) == pytest.approx(440, abs=2)


def test_it_differs_from_the_plain_clip_just_where_and_when_it_is_hot(
    source: Path, tmp_path: Path
) -> None:
    times = [0.5, 1.5, 2.5]
    folders = [tmp_path / name for name in ("plain", "hot")]
    for folder in folders:
        folder.mkdir()
    clip, plain = film(source, half(times, 3), folders[0])
    _, hot = film(source, half(times, 1), folders[1])
    width, height = SIZE
    for (at, before), (_, after) in zip(pictures(plain), pictures(hot), strict=True):
        change = np.abs(after - before)[:height]
        left, right = change[:, : width // 2 - 8], change[:, width // 2 + 8 :]
        assert left.mean() < 0.02
        if abs(at - 1.0) > 0.05:  # from the nearest sampled frame on
            assert (right.mean() > 0.2) == (at > 1.0)
    assert clip.duration > 2


def test_a_window_is_painted_by_the_time_in_the_file(source: Path, tmp_path: Path) -> None:
    clip, path = film(source, half([1.0, 2.0], 1), tmp_path, start=1.0, length=2.0)
    assert clip.start == 1.0
    red = [picture[:120, 90:, 0].mean() - picture[:120, 90:, 1].mean() > 0.3
           for _, picture in pictures(path)]  # fmt: skip
    times = [at for at, _ in pictures(path)]
    assert not red[0] and red[-1] and times[red.index(True)] == pytest.approx(0.5, abs=0.1)


def test_the_strip_shows_scores_at_their_time_and_pitch(source: Path, tmp_path: Path) -> None:
    paint = np.zeros((3, 2, 4))
    paint[1, 1] = RED  # high tones of the second third
    grid = BandGrid(np.array([0.0, 1.0, 2.0, 3.0]), 2, np.array([0.0, 1000.0, 11025.0]))
    _, path = film(source, Layer({"audio": paint}, {"audio": grid}), tmp_path)
    _, picture = pictures(path)[0]
    strip = picture[SIZE[1] :]
    red = strip[..., 0] - strip[..., 1] > 0.25
    rows, columns = np.nonzero(red)
    assert 50 <= columns.min() and columns.max() <= 110 and rows.max() < STRIP * 0.75
    assert rows.min() < 8 and len(rows) > 500


def test_the_cursor_moves(source: Path, tmp_path: Path) -> None:
    span = TimeGrid(np.array([0.0, 3.0]))
    clip, path = film(source, Layer({"audio": np.zeros((1, 4))}, {"audio": span}), tmp_path)
    for at, picture in pictures(path)[3:-3]:
        bright = picture[SIZE[1] :, :, :].min(axis=(0, 2))
        assert bright.argmax() == pytest.approx(at / clip.duration * SIZE[0], abs=4)


def test_the_same_film_twice_is_the_same_bytes(source: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    one, two = (film(source, half([1.0], 0), folder)[1].read_bytes() for folder in folders)
    assert one == two


def test_a_clip_without_sound_has_no_strip(tmp_path: Path) -> None:
    mute = make_clip(tmp_path / "mute.mp4", even(1, 10), size=SIZE)
    _, path = film(mute, half([0.5], 0), tmp_path)
    with av.open(str(path)) as made:
        assert not made.streams.audio and made.streams.video[0].height == SIZE[1]


def test_attention_stands_in_where_nothing_was_asked(analysis: Analysis) -> None:
    layer = of_attention(analysis)
    assert set(layer.paint) == {"video", "audio"}
    grid = analysis.layout["video"]
    assert isinstance(grid, FrameGrid)
    assert layer.paint["video"].shape == (len(grid.times), grid.rows, grid.cols, 4)
    strongest = tint(np.ones(1, np.float32), 1.0, False)[0, 3]
    for paint in layer.paint.values():
        assert paint[..., 3].min() == 0 and paint[..., 3].max() == strongest
