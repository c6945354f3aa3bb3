"""What was missing in a clip is said, with its numbers, in everything that is taken home."""

from __future__ import annotations

import html
import json
import zipfile
from pathlib import Path

import av
import pytest
from matplotlib.figure import Figure

from core_models.media import load_clip
from explain.__main__ import main
from explain.export import bundle
from explain.render import draw
from tests.media_files import even, make_clip, tone

SAID = "The file breaks off at 1.2 s of 3.0 s: 12 of 30 frames could be read."


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MP4 that is cut in the middle of its media data, behind a whole index."""
    folder = tmp_path_factory.mktemp("broken")
    whole = make_clip(folder / "a.mp4", even(3, 10), wave=tone(3, 44100), options={"g": "1"})
    path = folder / "broken.mp4"
    with av.open(str(whole)) as source, av.open(
        str(path), "w", options={"movflags": "faststart"}
    ) as sink:  # fmt: skip
        same = {s.index: sink.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = same[packet.stream.index]
                sink.mux(packet)
    with av.open(str(path)) as made:
        at = made.streams.video[0].index_entries[12].pos
    path.write_bytes(path.read_bytes()[:at])
    return path


def test_the_clip_says_how_much_is_missing(broken: Path) -> None:
    clip = load_clip(broken)
    assert SAID in clip.notices and clip.duration == pytest.approx(1.2, abs=0.05)


def test_every_export_says_so(
    broken: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    captions: list[str] = []

    def noted(figure: Figure) -> dict[str, bytes]:
        captions.append(" ".join(figure.get_supxlabel().split()))
        return draw.drawn(figure, ("png",))

    monkeypatch.setattr(bundle, "drawn", noted)
    out = tmp_path / "out"
    given = ["--method", "input-x-gradient", "--trust", "cheap", "--out", str(out)]
    assert main([str(broken), "--device", "cpu", *given]) == 0
    assert f"  note: {SAID}\n" in capsys.readouterr().out
    assert SAID in json.loads((out / "prediction.json").read_bytes())["notices"]
    assert html.escape(SAID) in (out / "report.html").read_text(encoding="utf-8")
    assert len(captions) > 5 and all(SAID in caption for caption in captions)
    with av.open(str(next(out.glob("overlay.*.mp4")))) as film:
        assert SAID in film.metadata["comment"]
    contents = {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    with zipfile.ZipFile(bundle.bundle(contents, tmp_path / "all.zip")) as archive:
        assert SAID.encode() in archive.read("prediction.json")
