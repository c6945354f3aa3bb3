"""The command line and what it writes: complete, replayable, and one line for bad input."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from explain.__main__ import main
from explain.analysis import Analysis
from explain.export import Footage, bundle, files
from tests.media_files import even, make_clip, tone

FIGURE = re.compile(r"figures/[\w.-]+\.(png|svg)")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "made.mp4"
    return make_clip(path, even(3, 10), size=(160, 120), wave=tone(3, 44100))


@pytest.fixture(scope="module")
def written(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    text = "a man <b>plays</b> the drums"
    code = main([str(file), "--model", "caam-msrvtt", "--text", text, "--out", str(out)])
    assert code == 0
    return out


def test_prediction(written: Path, file: Path) -> None:
    said = json.loads((written / "prediction.json").read_text())
    assert {"model", "clip", "present", "top", "pairs", "notices"} <= said.keys()
    assert said["present"] == ["video", "audio", "text"]
    assert len(said["top"]) == 5
    assert all(entry.keys() == {"label", "probability"} for entry in said["top"])
    chances = [entry["probability"] for entry in said["top"]]
    assert chances == sorted(chances, reverse=True) and sum(chances) <= 1 + 1e-6
    clip = said["clip"]
    assert clip["duration_s"] == pytest.approx(3, abs=0.1) and clip["audio"] is True
    assert len(clip["sha256"]) == 64 and len(clip["frame_times"]) == 8
    assert " ".join(clip["words"]) == "a man <b>plays</b> the drums"


def test_attention(written: Path) -> None:
    axes = json.loads((written / "axes.json").read_text())
    sizes = {
        "video": len(axes["video"]["times"]) * axes["video"]["rows"] * axes["video"]["cols"],
        "audio": len(axes["audio"]["edges"]) - 1,
        "text": len(axes["text"]["owner"]),
    }
    with np.load(written / "attention.npz") as arrays:
        assert "fusion.0.video<-audio" in arrays.files
        for name in arrays.files:
            found = re.fullmatch(r"fusion\.\d+\.(\w+)<-(\w+)", name)
            assert found
            weights = arrays[name]  # (heads, Q, K)
            assert weights.shape[1:] == (sizes[found[1]], sizes[found[2]])
            np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


def test_figures_and_report(written: Path) -> None:
    names = {p.relative_to(written).as_posix() for p in (written / "figures").iterdir()}
    assert names and all(FIGURE.fullmatch(name) for name in names)
    assert {n[:-4] for n in names if n.endswith("png")} == {
        n[:-4] for n in names if n.endswith("svg")
    }
    report = (written / "report.html").read_text()
    assert "<b>plays</b>" not in report and "&lt;b&gt;plays" in report
    assert not re.search(r"""(src|href)=["']https?:""", report)


def test_replay_gives_the_same_numbers(written: Path, tmp_path: Path) -> None:
    assert main(["--replay", str(written / "manifest.json"), "--out", str(tmp_path)]) == 0
    for name in ("prediction.json", "axes.json"):
        assert (tmp_path / name).read_text() == (written / name).read_text()
    with np.load(tmp_path / "attention.npz") as new, np.load(written / "attention.npz") as old:
        assert new.files == old.files
        for name in old.files:
            np.testing.assert_allclose(new[name], old[name], atol=1e-6)


def test_without_a_modality(file: Path, tmp_path: Path) -> None:
    assert main([str(file), "--without", "audio", "--text", "drums", "--out", str(tmp_path)]) == 0
    said = json.loads((tmp_path / "prediction.json").read_text())
    assert said["present"] == ["video", "text"]
    assert any("sound is switched off" in n for n in said["notices"])
    with np.load(tmp_path / "attention.npz") as arrays:
        assert arrays.files and not any("audio" in name for name in arrays.files)


def test_picture_alone_has_no_pairs_and_no_empty_files(tmp_path: Path) -> None:
    file = make_clip(tmp_path / "mute.mp4", even(2, 10), size=(160, 120))
    assert main([str(file), "--out", str(tmp_path / "out")]) == 0
    said = json.loads((tmp_path / "out" / "prediction.json").read_text())
    assert said["present"] == ["video"] and said["clip"]["audio"] is False
    assert len(said["notices"]) >= 2
    with np.load(tmp_path / "out" / "attention.npz") as arrays:
        assert arrays.files == []


BAD: dict[str, list[str]] = {
    "no clip": [],
    "absent": ["none.mp4"],
    "zero bytes": ["empty.mp4"],
    "text renamed": ["text.mp4"],
    "no picture": ["sound.mp4"],
    "wrong type": ["notes.srt"],
    "unknown model": ["made.mp4", "--model", "nonesuch"],
    "unknown option": ["made.mp4", "--loud"],
    "nothing left": ["made.mp4", "--without", "video", "--without", "audio"],
    "window before the start": ["made.mp4", "--start", "-3"],
    "window behind the end": ["made.mp4", "--start", "300"],
    "no manifest": ["--replay", "text.mp4"],
    "no such device": ["made.mp4", "--device", "mps"],
}


@pytest.fixture(scope="module")
def oddities(file: Path) -> Path:
    """The folder of the good clip, with bad files beside it."""
    folder = file.parent
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no film")
    (folder / "notes.srt").write_bytes(b"\x00\x01")
    make_clip(folder / "sound.mp4", [], wave=tone(1, 44100))
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_2(
    case: str,
    oddities: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(oddities)
    given = [*BAD[case], "--out", str(tmp_path / "out")]
    try:
        code: object = main(given)
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr()
    assert code == 2 and said.out == ""
    assert said.err.startswith("explain: ") and said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_changed_clip_is_not_replayed(
    written: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_clip(tmp_path / "other.mp4", even(1, 10))
    manifest = str(written / "manifest.json")
    assert main([str(other), "--replay", manifest, "--out", str(tmp_path / "o")]) == 2
    assert "sha256 differs" in capsys.readouterr().err


def test_the_bundle_holds_every_file(analysis: Analysis, file: Path, tmp_path: Path) -> None:
    contents = files(analysis, {"model": "m"}, {}, Footage(file))
    with zipfile.ZipFile(bundle(contents, tmp_path / "all.zip")) as archive:
        assert set(archive.namelist()) == set(contents)
        assert archive.testzip() is None
