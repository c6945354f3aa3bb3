"""Every hostile or odd file beside the project gives the outcome that its table expects."""

from __future__ import annotations

import csv
import re
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core_models.clip import Clip
from core_models.media import LIMITS, MediaError, load_clip

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
ASKED = 8
TIGHT = replace(LIMITS, wall_seconds=45.0, memory=3 * 2**29)  # less than the page allows
ADVICE = re.compile(r"\b(choose|convert|cut|keep|scale|try)\b")
# What our sentence must say where the table quotes one; other quotations: any sentence.
MEANS = {
    "no video": "no video track|not a video|No frame|cannot be identified",
    "incomplete": "incomplete",
    "not a supported": "not a video|are not read|no video track|still picture",
    "not a media file": "not a video",
    "empty": "empty",
    "no decodable frame": "No frame",
    "encrypted": "encrypted",
    "still image": "still picture",
    "too long": r"over the limit of \d+ s",
    "too large": r"\d+×\d+ are [\d,]+ pixels and the limit is|Files of type .png are not read",
    "animated WebP": "Files of type .webp are not read",
}


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    path: Path
    category: str
    expected: str

    @property
    def refusable(self) -> bool:
        return bool(re.search("clear error|^reject|^refused|audio only", self.expected))

    @property
    def acceptable(self) -> bool:
        return bool(re.search("accept|^decide by|or first N s", self.expected))

    @property
    def needs(self) -> str:
        """``v`` and ``a`` for what an accepted clip must hold."""
        found = re.search(r"accept (av|v)\b", self.expected)
        return found[1] if found else "v"


def rows() -> list[Any]:
    """The rows of every such corpus, or a skip that says why there are none."""
    out: list[Any] = []
    for table in sorted(SHARED.glob("bad_media*/EXPECTED.tsv")):
        above = ""
        with table.open(newline="", encoding="utf-8") as file:
            for line in csv.DictReader(file, delimiter="\t"):
                above = above if line["expected"] == "as above" else line["expected"]
                row = Row(table.parent / line["file"], line["category"], above)
                out.append(pytest.param(row, id=f"{table.parent.name}/{line['file']}"))
    missing = pytest.mark.skip(reason="no corpus of bad media beside the project")
    return out or [pytest.param(None, marks=missing)]


ROWS = rows()


def outcome(row: Row) -> Clip | str:
    """The clip, or the sentence that refuses it; any other error is raised."""
    try:
        return load_clip(row.path, frames=ASKED, limits=TIGHT)
    except MediaError as error:
        return str(error)


@pytest.fixture(scope="module")
def outcomes() -> Iterator[Callable[[Row], Clip | str]]:
    """Two decoders at a time, ahead of the tests that look at what they said."""
    ahead: dict[Path, Future[Clip | str]] = {}
    with ThreadPoolExecutor(2) as pool:
        for param in ROWS:
            if row := param.values[0]:
                ahead[row.path] = pool.submit(outcome, row)
        yield lambda row: ahead[row.path].result()
        pool.shutdown(wait=False, cancel_futures=True)


@pytest.mark.parametrize("row", ROWS)
def test_outcome(row: Row, outcomes: Callable[[Row], Clip | str]) -> None:
    found = outcomes(row)
    if isinstance(found, str):
        assert row.refusable, f"refused ({found}) where the table says: {row.expected}"
        check_refusal(row, found)
    else:
        assert row.acceptable, f"accepted {found.notices} where the table says: {row.expected}"
        check_clip(row, found)


def check_refusal(row: Row, said: str) -> None:
    """One plain sentence that says what is wrong, in the words of the table, and what to do."""
    check_sentence(said)
    assert ADVICE.search(said), said
    for quoted in re.findall('"(.+?)"', row.expected):
        for words, ours in MEANS.items():
            if words in quoted:
                assert re.search(ours, said), f"“{said}” does not say “{quoted}”"


def check_sentence(said: str) -> None:
    assert (
        (said[0].isupper() or said[0].isdigit())
        and said.endswith(".")
        and said.isprintable()
        and len(said) < 250
    )
    assert not re.search(r"/work|/tmp|Traceback|Error|\[Errno|None|nan", said), said


def check_clip(row: Row, clip: Clip) -> None:
    """What every clip must be, and what the table expects of this one."""
    assert len(clip.times) == len(clip.frames) > 0 and (np.diff(clip.times) > 0).all()
    assert max(clip.frames.shape[1:3]) <= 448
    assert clip.start - 0.001 <= clip.times[0] and clip.times[-1] <= clip.start + clip.duration
    assert np.isfinite(clip.waveform).all() and np.abs(clip.waveform).max(initial=0) <= 1
    assert len(clip.waveform) <= round(clip.duration * clip.rate) + 1
    said = " ".join(clip.notices)
    for notice in clip.notices:
        check_sentence(notice)
    if len(clip.frames) < ASKED:
        assert f"only {len(clip.frames)} of the {ASKED} frames" in said
    if len(clip.waveform) < (clip.duration - 0.6) * clip.rate:
        assert re.search("[Ss]ound", said), said
    elif len(clip.waveform) and not np.abs(clip.waveform).max() > 1e-4:
        assert "The sound is silent." in clip.notices
    if "a" in row.needs:
        assert len(clip.waveform) > 0, said
    if re.search("warning|notice|first N s", row.expected):
        assert clip.notices
    if row.category == "truncated":
        assert re.search(r"\d+ of \d+ frames could be read", said), said
    if numbers := re.search(r"only (\d+ of \d+) frames", row.expected):
        assert f"Only {numbers[1]} frames" in said
    if "upright" in row.expected:
        assert np.abs(clip.frames[0].astype(int) - upright(row.path, clip).astype(int)).mean() < 4
    if "silence at start" in row.expected:
        loud = np.flatnonzero(np.abs(clip.waveform) > 0.01)
        assert loud[0] / clip.rate == pytest.approx(1, abs=0.1)


def upright(path: Path, clip: Clip) -> NDArray[np.uint8]:
    """The first frame of the clip, every pixel put where the display matrix of the file says."""
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4
    at += 52 if data[at] else 40  # version 1 has longer times
    a, b, _, c, d = (v / 65536 for v in struct.unpack(">5i", data[at : at + 20]))
    with av.open(str(path)) as source:
        stream = source.streams.video[0]
        first = float((stream.start_time or 0) * stream.time_base)
        want = next(f for f in source.decode(stream) if f.time - first >= clip.times[0] - 1e-3)
        image = want.to_ndarray(format="rgb24")
    row, column = np.indices(image.shape[:2])
    x, y = a * column + c * row, b * column + d * row
    if {abs(v) for v in (a, b, c, d)} != {0.0, 1.0}:
        return clip.frames[0]  # no turn by quarters: any picture will do
    x, y = (x - x.min()).astype(int), (y - y.min()).astype(int)
    out = np.zeros((y.max() + 1, x.max() + 1, 3), np.uint8)
    out[y, x] = image
    height, width = clip.frames.shape[1:3]
    return np.asarray(Image.fromarray(out).resize((width, height), Image.Resampling.BICUBIC))
