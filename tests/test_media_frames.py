"""Which frames of a file become those of a clip, and how they are turned and scaled."""

from __future__ import annotations

import struct
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from core_models import media
from core_models.decoder import painter, pictures
from core_models.decoder.scan import scan
from core_models.decoder.streams import open_source
from core_models.media import LIMITS, load_clip, probe
from tests.media_files import even, grey, make_clip, turn_file

UNEVEN = [0.0, 0.04, 0.08, 0.5, 0.54, 1.3, 1.34, 1.38, 1.42, 1.9]


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
        bicubic = {"interpolation": painter.SCALING, "format": "rgb24"}
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
    request = {"path": str(path), **asdict(LIMITS)}
    index = scan(open_source(request))
    assert index.keys == pytest.approx(range(20))
    count = [0]
    decoded = pictures.decoded

    def counted(*args: Any) -> Any:
        for shown in decoded(*args):
            count[0] += 1
            yield shown

    monkeypatch.setattr(pictures, "decoded", counted)
    shots, faults = pictures.shoot(request, [3.25, 3.75, 15.05], index, painter.Painter((99, 99)))
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
    turned = painter.upright(image, painter.turn(frame))
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
    assert painter.turn(frame) == painter.QUARTERS[round(degrees / 90) % 4]


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
    assert painter.fit(size, bound, step) == fitted
