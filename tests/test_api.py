"""The named endpoints, asked by a real client: typed answers, and one sentence for what fails."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from app.api import uploaded
from core_models.media import MediaError
from explain.__main__ import main

METHOD = "token-integrated-gradients"


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[Client]:
    made = Client(address, verbose=False)
    yield made
    made.close()


@pytest.fixture(scope="module")
def seen(client: Client, file: Path) -> dict[str, Any]:
    made: dict[str, Any] = client.predict(handle_file(file), "a man plays", api_name="/analyse")
    return made


def test_the_endpoints_have_names_and_types(client: Client) -> None:
    known: Any = client.view_api(return_format="dict")
    ends = known["named_endpoints"]
    assert set(ends) == {"/analyse", "/attribute", "/compare", "/export"}
    for end in ends.values():
        assert all(part["type"] for part in (*end["parameters"], *end["returns"]))
    assert "probability" in str(ends["/analyse"]["returns"][0]["python_type"])


def test_analyse(seen: dict[str, Any]) -> None:
    assert seen["model"] == "caam-msrvtt" and seen["present"] == ["video", "audio", "text"]
    chances = [one["probability"] for one in seen["top"]]
    assert seen["top"][0]["label"] == seen["answer"]
    assert chances == sorted(chances, reverse=True) and sum(chances) == pytest.approx(1)


def test_attribute(client: Client, seen: dict[str, Any]) -> None:
    given = (seen["run"], METHOD, "music rather than cooking", {"steps": "4"})
    why = client.predict(*given, api_name="/attribute")
    again = client.predict(*given, api_name="/attribute")
    assert why["scores"] == again["scores"] and why["settings"] == {"steps": 4}
    total = sum(np.sum(x) for x in why["scores"].values())
    assert total == pytest.approx(why["change"] + why["residual"], abs=1e-3)
    for m, share in why["shares"].items():
        assert 0 <= share <= 1 and np.isfinite(why["scores"][m]).all()
    frames = np.array(why["scores"]["video"])  # (T, rows, cols)
    assert frames.shape[0] == len(why["axes"]["video"]["times"])
    assert frames.shape[2] == len(why["axes"]["video"]["x"]) - 1
    assert why["axes"]["text"]["words"] == ["a", "man", "plays"]


def test_the_export_holds_what_was_asked_and_replays(
    client: Client, file: Path, tmp_path: Path
) -> None:
    short = client.predict(
        handle_file(file), "a man plays", length=1.0, without=["audio"], api_name="/analyse"
    )
    for method, target in ((METHOD, "music rather than cooking"), ("relevance", "auto")):
        settings = {"steps": 4} if method == METHOD else {}
        client.predict(short["run"], method, target, settings, api_name="/attribute")
    folder = tmp_path / "zip"
    with zipfile.ZipFile(client.predict(short["run"], api_name="/export")) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    wanted = {"manifest.json", "report.html", "metrics.json", "modalities.csv"}
    drawn = {"modalities"}
    for method in (METHOD, "relevance"):
        wanted |= {f"attribution.{method}.{kind}" for kind in ("npz", "csv")}
        wanted.add(f"overlay.{method}.mp4")
        drawn |= {f"attribution.{method}", f"trust.{method}"}
    wanted |= {f"figures/{name}.{kind}" for name in drawn for kind in ("png", "svg", "pdf")}
    assert wanted <= {p.relative_to(folder).as_posix() for p in folder.rglob("*")}
    assert '"method": "relevance"' in (folder / "report.html").read_text()
    said = json.loads((folder / "metrics.json").read_text())["methods"]
    assert said.keys() == {METHOD, "relevance"}
    assert all(one["trust"]["verdict"] for one in said.values())
    held, out = json.loads((folder / "manifest.json").read_text()), tmp_path / "again"
    sent = Path(shutil.copy(file, tmp_path / held["arguments"]["clip"]))  # its name on the server
    manifest = str(folder / "manifest.json")
    assert main([str(sent), "--replay", manifest, "--device", "cpu", "--out", str(out)]) == 0
    assert json.loads((out / "manifest.json").read_text())["files"] == held["files"]


def test_compare(client: Client, seen: dict[str, Any]) -> None:
    quiet = client.predict(
        seen["run"], without=["audio"], method=METHOD, settings={"steps": 4}, api_name="/compare"
    )
    assert quiet["before"] == seen["answer"] and quiet["why"] == ""
    assert set(quiet["scores"]) == {"video", "text"}
    deltas = [one["delta"] for one in quiet["changes"]]
    assert sum(deltas) == pytest.approx(0, abs=1e-4)
    assert [abs(d) for d in deltas] == sorted(map(abs, deltas), reverse=True)
    same = client.predict(seen["run"], seen["run"], method=METHOD, api_name="/compare")
    assert not any(np.any(x) for x in same["scores"].values())


@pytest.mark.parametrize(
    ("end", "given", "why"),
    [
        ("/attribute", ("RUN", "nonesuch"), "There is no method"),
        ("/attribute", ("RUN", METHOD, "nonesuch"), "no label"),
        ("/attribute", ("RUN", METHOD, "auto", {"steps": "many"}), "whole number"),
        ("/attribute", ("RUN", METHOD, "auto", {"steps": 10**6}), "must lie between"),
        ("/attribute", ("gone", METHOD), "no such run"),
        ("/export", ("gone",), "no such run"),
        ("/compare", ("RUN", "", ["smell"]), "cannot be left out"),
        ("/compare", ("RUN", "", ["video", "audio", "text"]), "Nothing is left"),
        ("/analyse", (__file__,), "Send the clip as a file"),
        ("/analyse", ({"path": __file__},), "Send the clip as a file"),
        ("/analyse", ("FILE", "", "/etc"), "There is no model"),
    ],
)
def test_what_fails_is_one_sentence(
    client: Client, seen: dict[str, Any], file: Path, end: str, given: tuple[Any, ...], why: str
) -> None:
    stands: dict[Any, Any] = {"RUN": seen["run"], "FILE": handle_file(file)}
    real = [stands.get(x, x) if isinstance(x, str) else x for x in given]
    with pytest.raises(AppError, match=why) as caught:
        client.predict(*real, api_name=end)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("given", [None, "/etc/passwd", {}, {"path": 1}, {"path": "/etc/passwd"}])
def test_a_file_of_the_server_is_not_an_upload(given: object) -> None:
    with pytest.raises(MediaError, match="Send the clip"):
        uploaded(given)
