"""The command line and what it writes: complete, replayable, and one line for bad input."""

from __future__ import annotations

import json
import re
import zipfile
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from core_models.registry import MODELS
from explain.__main__ import main
from explain.analysis import Analysis
from explain.cli.asking import attributions
from explain.export.bundle import Footage, bundle, files, report
from explain.export.folder import write
from explain.methods.registry import METHODS
from explain.render.draw import KINDS, drawn
from tests.media_files import even, make_clip, tone

FIGURE = re.compile(r"figures/[\w.-]+\.(png|svg|pdf)")
TWO = ("token-integrated-gradients", "token-gradient-shap")
SMALL = ["--frames", "2", "--length", "1"]
WHY = ["--method", ",".join(TWO), "--set", f"{TWO[0]}.steps=4", "--set", "samples=4"]


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
    stems = [{n[:-4] for n in names if n.endswith(kind)} for kind in ("png", "svg", "pdf")]
    assert stems[0] == stems[1] == stems[2]
    report = (written / "report.html").read_text()
    assert "<b>plays</b>" not in report and "&lt;b&gt;plays" in report
    assert not re.search(r"""(src|href)=["']https?:""", report)


@pytest.mark.parametrize("name", [info.name for info in MODELS])
def test_a_replay_gives_the_same_bytes_and_says_what_it_does_not(
    name: str,
    file: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With two methods, one of them random: all but the manifest, which says how long it took.

    Figures of the first model as every kind, of others as SVG, as drawing takes longest.
    """
    kinds = KINDS if name == MODELS[0].name else ("svg",)
    monkeypatch.setattr("explain.export.bundle.drawn", partial(drawn, kinds=kinds))
    first, again, changed = tmp_path / "first", tmp_path / "again", tmp_path / "changed.json"
    given = [str(file), "--model", name, "--text", "blue two", *SMALL]
    assert main([*given, *WHY, "--out", str(first)]) == 0
    old = json.loads((first / "manifest.json").read_text())
    altered = {**old, "files": {**old["files"], "axes.json": "0" * 64}}
    changed.write_text(json.dumps(altered))
    capsys.readouterr()
    assert main(["--replay", str(changed), "--out", str(again)]) == 0
    said = capsys.readouterr().out
    assert "axes.json is not what it was" in said and said.count("is not what it was") == 1
    new = json.loads((again / "manifest.json").read_text())
    assert old["files"] == new["files"] and old["seeds"] == {TWO[1]: 0}
    assert [one["settings"] for one in old["explanations"]] == [
        {"steps": 4}, {"samples": 4, "noise": 0.1, "seed": 0},
    ]  # fmt: skip
    there = {p.relative_to(again).as_posix() for p in again.rglob("*") if p.is_file()}
    assert there == {*old["files"], "manifest.json"}
    for method in TWO:
        made = {f"attribution.{method}.npz", f"attribution.{method}.csv", f"overlay.{method}.mp4"}
        assert made <= there
        stems = [f"figures/{x}.{method}" for x in ("attribution", "trust", "agreement")]
        assert {f"{stem}.{kind}" for stem in stems for kind in kinds} <= there
    assert {"modalities.csv", "figures/modalities.svg"} <= there
    metrics = json.loads((first / "metrics.json").read_text())
    assert list(metrics["methods"]) == list(TWO)
    assert all(one["trust"]["verdict"] for one in metrics["methods"].values())


def test_an_earlier_export_gives_way_and_other_files_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    made = {"figures/a.png": b"a", "figures/b.png": b"b", "c.json": b"c"}
    digests = {name: sha256(content).hexdigest() for name, content in made.items()}
    outside = tmp_path / "outside"
    outside.write_bytes(b"a")
    digests |= {"../outside": digests["figures/a.png"], str(outside): digests["figures/a.png"]}
    write({**made, "manifest.json": json.dumps({"files": digests}).encode()}, out)
    (out / "mine.txt").write_text("kept")
    (out / "figures" / "b.png").write_bytes(b"changed by hand")
    write({"c.json": b"new", "manifest.json": b"{}"}, out)
    left = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert left == {"figures/b.png", "c.json", "manifest.json", "mine.txt"}
    assert (out / "c.json").read_bytes() == b"new" and outside.exists()
    write({"d.json": b"d"}, out)  # no list of files: nothing is taken for ours
    assert (out / "c.json").exists() and not list(tmp_path.glob(".explained*"))


@pytest.mark.usefixtures("sketched")
def test_a_stop_leaves_nothing(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    for where in (
        "explain.export.bundle.overlay",
        "explain.cli.asking.attribute",
        "explain.__main__.write",
    ):
        with monkeypatch.context() as patch:
            patch.setattr(where, stopped)
            assert main([str(file), *SMALL, *WHY, "--out", str(tmp_path / "out")]) == 130
        said = capsys.readouterr()
        assert said.err == "explain: Stopped; nothing half-done was kept.\n" and said.out == ""
        assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("sketched")
def test_progress_is_one_line_where_somebody_watches(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(file), *SMALL, *WHY, "--trust", "none", "--out", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main([str(file), *SMALL, *WHY, "--trust", "none", "--out", str(tmp_path / "b")]) == 0
    err = capsys.readouterr().err
    assert "Integrated gradients of tokens 100%" in err and "\n" not in err
    assert err.endswith("\r\x1b[K")


def test_the_list_of_methods(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-methods"]) == 0
    alone = capsys.readouterr().out.splitlines()
    assert len(alone) == len(METHODS) + 1 and all(m.name in "".join(alone) for m in METHODS)
    assert main([str(file), "--list-methods"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(alone)


def test_the_report_shows_why(analysis: Analysis, file: Path) -> None:
    found = attributions(analysis, [(TWO[0], "auto", {"steps": 4})])
    plain, with_it = report(analysis, Footage(file)), report(analysis, Footage(file), found)
    assert '"scores": []' in plain and '"method": "token-integrated-gradients"' in with_it
    assert "Integrated gradients of tokens: why" in with_it and "fc-facts" in with_it


@pytest.mark.usefixtures("sketched")
def test_without_a_modality(file: Path, tmp_path: Path) -> None:
    assert main([str(file), "--without", "audio", "--text", "drums", "--out", str(tmp_path)]) == 0
    said = json.loads((tmp_path / "prediction.json").read_text())
    assert said["present"] == ["video", "text"]
    assert any("sound is switched off" in n for n in said["notices"])
    with np.load(tmp_path / "attention.npz") as arrays:
        assert arrays.files and not any("audio" in name for name in arrays.files)


@pytest.mark.usefixtures("sketched")
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
    "unknown method": ["made.mp4", "--method", "relevance,nonesuch"],
    "unknown target": ["made.mp4", "--target", "nonesuch", "--method", "relevance"],
    "target of a caption": ["made.mp4", "--target", "word:2"],
    "unknown setting": ["made.mp4", "--method", "relevance", "--set", "steps=4"],
    "no value": ["made.mp4", "--method", "relevance", "--set", "steps"],
    "out of range": ["made.mp4", "--method", TWO[0], "--set", "steps=100000"],
    "no number": ["made.mp4", "--method", TWO[0], "--set", "steps=many"],
    "setting of nothing": ["made.mp4", "--set", "steps=4"],
    "method of a missing stream": ["made.mp4", "--without", "text", "--target", "A rather than B"],
    "a file as the folder": ["made.mp4", "--out", "made.mp4"],
    "a folder in a file": ["made.mp4", "--out", "made.mp4/out"],
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
    given = ["--out", str(tmp_path / "out"), *BAD[case]]
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


@pytest.mark.usefixtures("sketched")
def test_the_bundle_holds_every_file(analysis: Analysis, file: Path, tmp_path: Path) -> None:
    contents = files(analysis, {"model": "m"}, {}, Footage(file))
    with zipfile.ZipFile(bundle(contents, tmp_path / "all.zip")) as archive:
        assert set(archive.namelist()) == set(contents)
        assert archive.testzip() is None
    first = (tmp_path / "all.zip").read_bytes()
    assert bundle(contents, tmp_path / "again.zip").read_bytes() == first
