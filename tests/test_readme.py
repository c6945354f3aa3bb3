"""What the README shows is run: the four calls, and a foreign model in the check and the page."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.session import begin, exported, shown, switched
from core_models import registry
from core_models.media import load_clip
from core_models.registry import ModelInfo
from explain.__main__ import main
from explain.render.cards import first_look
from tests.media_files import even, make_clip, tone
from tests.readme import CALLS, CHECK, CLIENT, LINE, WRAP, module


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "clip.mp4", even(2, 5), size=(160, 120), wave=tone(2, 44100))


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's model in the table of models."""
    names = {**module(WRAP), "ModelInfo": ModelInfo}
    monkeypatch.setattr(registry, "MODELS", (*registry.MODELS, eval(LINE, names)))
    registry._MODELS.clear()


def test_the_four_calls(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    module(CALLS)
    assert "fusion.0." in capsys.readouterr().out
    assert (file.parent / "answer.png").stat().st_size > 1000


def test_the_client(
    address: str, file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    assert len(CLIENT.splitlines()) <= 11 and "http://127.0.0.1:7860" in CLIENT
    names = module(CLIENT.replace("http://127.0.0.1:7860", address))
    names["client"].close()
    bundle = capsys.readouterr().out.splitlines()[-1]
    with zipfile.ZipFile(bundle) as archive:
        assert {"report.html", "predictions.csv"} <= set(archive.namelist())
    assert sum(names["why"]["shares"].values()) == pytest.approx(1)
    assert names["quiet"]["before"] == names["seen"]["answer"]


def test_the_wrapped_model_is_short_and_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(WRAP.splitlines()) <= 60
    exec(CHECK, module(WRAP))
    said = capsys.readouterr().out
    assert "✗" not in said and "18 of 18 pass" in said


def test_the_wrapped_model_works_on_the_command_line(
    listed: None, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    given = [str(file), "--model", "tiny", "--text", "a b", "--device", "cpu", "--out", str(out)]
    assert main(given) == 0
    assert "The text is not read by this model." in capsys.readouterr().out
    maps = dict(np.load(out / "attention.npz"))
    assert list(maps) == ["fusion.0.video<-audio", "fusion.1.audio<-video"]
    said = json.loads((out / "prediction.json").read_text())
    assert said["model"] == "tiny" and said["present"] == ["video", "audio"]
    assert (out / "figures" / "attention.1.sound-reads-video.png").exists()
    assert main(["--replay", str(out / "manifest.json"), "--out", str(tmp_path / "again")]) == 0


def test_the_wrapped_model_works_on_the_page(listed: None, file: Path, tmp_path: Path) -> None:
    model = registry.load("tiny", torch.device("cpu"))
    clip = load_clip(file, text="a b")
    everything: dict[str, Any] = {"model": "tiny", "clip": file.name}
    run = begin(model, clip, file, tmp_path, ("video", "audio", "text"), everything)
    assert "Votes" not in first_look(run.now)
    meta = shown(run)["meta"]
    assert [m["query"] for m in meta["maps"]] == ["video", "audio"]
    assert "text" not in meta["streams"]
    quiet = switched(run, ["video", "text"])
    assert quiet.now.present == ("video",) and not quiet.now.attention
    with zipfile.ZipFile(exported(run, "zip")) as archive:
        assert "figures/answer.svg" in archive.namelist()
    assert exported(quiet, "report").stat().st_size > 1000


def test_the_files_that_it_and_the_cards_name_are_there() -> None:
    root = Path(__file__).parents[1]
    for page in (root / "README.md", *root.glob("core_models/weights/**/README.md")):
        named = re.findall(r"(?:core_models|explain|app|tests)/[\w/.-]+\.\w+", page.read_text())
        for path in named:
            assert (root / path).is_file(), f"{page.name} of {page.parent.name} names {path}"
