"""Packets that no wanted frame is made from are not decoded, and the pictures stay the same."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from core_models.decoder import painter, pictures
from core_models.decoder.refused import Request
from core_models.decoder.scan import scan
from core_models.decoder.streams import open_source
from core_models.decoder.unneeded import unneeded, unreferenced
from core_models.limits import LIMITS
from tests.media_files import even, make_clip

BETWEEN = {"g": "50", "bf": "3", "b_strategy": "0"}  # frames that refer to others on both sides
TARGETS = [0.3, 1.99, 2.0, 2.75, 3.1]


def request(path: Path) -> Request:
    return {"path": str(path), **asdict(LIMITS)}


def shot(path: Path, indexed: bool) -> list[tuple[float, bytes]]:
    """Times and pictures at the targets, read with an index or in order."""
    index = scan(open_source(request(path))) if indexed else None
    shots, _ = pictures.shoot(request(path), TARGETS, index, painter.Painter((64, 64)))
    return [(at, image.tobytes()) for at, image in shots]


def counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames are decoded from here on."""
    count, decoded = [0], pictures.decoded

    def counted(*args: Any) -> Any:
        for shown in decoded(*args):
            count[0] += 1
            yield shown

    monkeypatch.setattr(pictures, "decoded", counted)
    return count


@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv"])
def test_fewer_frames_are_decoded_and_the_pictures_are_the_same(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_clip(tmp_path / f"a.{kind}", even(4, 25), options=BETWEEN)
    count = counting(monkeypatch)
    expected, all_in_order = shot(path, False), count[0]
    count[0] = 0
    assert shot(path, True) == expected and len(expected) == len(TARGETS)
    assert all_in_order > 75 and count[0] < 50  # half of the frames are referred to by none


def test_nothing_is_left_out_where_it_is_not_known(tmp_path: Path) -> None:
    for name, codec in (("a.mp4", "mpeg4"), ("a.webm", "libvpx"), ("a.ts", "libx264")):
        source = open_source(request(make_clip(tmp_path / name, even(1, 10), codec=codec)))
        assert unneeded(source, frozenset({0.5})) is None
    source = open_source(request(make_clip(tmp_path / "b.mp4", even(1, 10))))
    assert unneeded(source, frozenset()) is None


@pytest.mark.parametrize("seed", range(6))
def test_a_damaged_clip_gives_what_decoding_it_in_order_gives(seed: int, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(4, 25), options=BETWEEN, size=(160, 120))
    with av.open(str(path)) as source:
        places = [p.pos for p in source.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(seed)
    for at in random.choice(places[1:], 4, replace=False):
        data[at + 8 + int(random.integers(8))] ^= 1 << int(random.integers(8))
    path.write_bytes(data)
    assert shot(path, True) == shot(path, False)


def unit(kind: int, importance: int, size: int = 3) -> bytes:
    """A unit of H.264 after its length in four bytes."""
    return size.to_bytes(4, "big") + bytes([importance << 5 | kind]) + bytes(size - 1)


@pytest.mark.parametrize(
    ("data", "spare"),
    [
        (unit(1, 0), True),
        (unit(1, 1), False),
        (unit(5, 3), False),
        (unit(6, 0) + unit(1, 0) + unit(1, 0), True),  # a message and two slices
        (unit(1, 0) + unit(1, 2), False),  # two fields, of which the second is referred to
        (unit(6, 0), False),  # no slice
        (b"", False),
        (unit(1, 0)[:-1], False),  # cut off
        (unit(1, 0) + b"\0", False),
        (bytes(4), False),  # a unit of no bytes
        (unit(1, 0, 1) * 65, False),  # too many to look into
    ],
)
def test_a_packet_is_spare_if_no_slice_is_referred_to(data: bytes, spare: bool) -> None:
    assert unreferenced(memoryview(data), 4) is spare
