"""Of every odd file that is read and that browsers may not play, a copy is made that they do."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from core_models.media import MediaError, playable, preview, probe
from tests.test_media_corpus import ROWS, Row

LONGEST = 5.0  # seconds of a preview; what is tested is not how long it takes


READ = [param for param in ROWS if param.values[0] is None or param.values[0].acceptable]


@pytest.mark.parametrize("row", READ)
def test_a_preview_plays(row: Row, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    try:
        info = probe(row.path)
        if playable(row.path):
            return
    except MediaError:
        with pytest.raises(MediaError):
            preview(row.path, out)
        assert row.refusable and not list(tmp_path.iterdir())
        return
    preview(row.path, out, length=LONGEST)
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"] and playable(out)
    with av.open(str(out)) as copy:
        video = copy.streams.video[0]
        times = [float(frame.time) for frame in copy.decode(video)]
        turned = info.size[0] > info.size[1]
        assert (video.width >= video.height) is turned or video.width == video.height
    assert times and times == sorted(set(times)) and times[-1] <= LONGEST
    assert times[-1] <= info.duration and times[0] <= info.picture[0] + 0.05
