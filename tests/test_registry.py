"""The shipped models: there, described, small, and the same on every device."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch
from huggingface_hub.errors import RepositoryNotFoundError

from core_models import registry
from core_models.caam import CAAM, CAAMConfig
from core_models.checkpoint import CheckpointError, save_model, weight_hashes
from core_models.registry import MODELS, WEIGHTS, find, load, pick_device
from explain.analysis import Analysis, analyse
from explain.question import Stopped

NAMES = [info.name for info in MODELS]
CPU = torch.device("cpu")


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_model_is_a_folder_with_a_card(name: str) -> None:
    folder = find(name)
    card = (folder / "README.md").read_text()
    assert "python -m core_models.training" in card
    config = json.loads((folder / "config.json").read_text())
    assert len(config.get("labels") or config["vocabulary"]) > 1
    assert all(len(h) == 64 for h in weight_hashes(folder).values())


def test_all_weights_stay_under_100_megabytes() -> None:
    assert sum(p.stat().st_size for p in WEIGHTS.rglob("*.safetensors")) < 100e6


def test_categories_are_in_the_official_order() -> None:
    model = load("caam-msrvtt", CPU)
    assert isinstance(model, CAAM)
    labels = model.labels
    assert len(labels) == 20
    assert labels[:3] == ("music", "people", "gaming") and labels[-1] == "advertisement"


def test_two_who_ask_at_once_get_one_model() -> None:
    registry._MODELS.clear()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: load(NAMES[0], CPU), range(2))
    assert first is second


def test_who_waits_for_a_model_can_leave_and_it_is_loaded_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loading, goes_on, built = Event(), Event(), object()

    def build(name: str, device: torch.device) -> object:
        loading.set()
        goes_on.wait(30)
        return built

    def leave() -> None:
        if loading.is_set():
            raise Stopped

    monkeypatch.setattr(registry, "_load", build)
    with pytest.raises(Stopped):
        load("theirs", CPU, leave)
    goes_on.set()
    assert load("theirs", CPU) is built
    registry._MODELS.clear()


def test_a_model_that_could_not_be_loaded_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def build(name: str, device: torch.device) -> str:
        tried.append(name)
        if len(tried) == 1:
            raise CheckpointError("no")
        return name

    monkeypatch.setattr(registry, "_load", build)
    with pytest.raises(CheckpointError, match="no"):
        load("theirs", CPU)
    assert load("theirs", CPU) == "theirs" == load("theirs", CPU)  # type: ignore[comparison-overlap]
    assert len(tried) == 2
    registry._MODELS.clear()


def test_an_unknown_model_or_device_is_a_sentence() -> None:
    with pytest.raises(CheckpointError, match="one of: caam-msrvtt"):
        find("nonesuch")
    if not torch.backends.mps.is_available():
        with pytest.raises(ValueError, match="no mps device"):
            pick_device("mps")


def test_a_hub_id_fetches_four_files_and_no_more(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[str, list[str]]] = []

    def fetch(name: str, *, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        save_model(CAAM(CAAMConfig(("a", "b"))), tmp_path)
        return str(tmp_path)

    monkeypatch.setattr(registry, "snapshot_download", fetch)
    model = load("somebody/theirs", CPU)
    assert isinstance(model, CAAM)
    assert model.name == "somebody/theirs" and model.labels == ("a", "b")
    assert find("somebody/theirs") == tmp_path
    files = ["config.json", "model.safetensors", "README.md", "tokenizer.json"]
    assert asked == [("somebody/theirs", files)]


def test_what_is_no_hub_id_asks_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(registry, "snapshot_download")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    assert find("runs/mine") == tmp_path / "runs" / "mine"
    for name in ("a/b/c", "./mine", "../mine", "/mine", "mine/", "https://a.b/c"):
        with pytest.raises(CheckpointError, match="There is no model"):
            find(name)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (None, "hub cannot be reached"),  # the tests are offline
        (TimeoutError(), r"hub cannot be reached \(TimeoutError\)"),
        (RepositoryNotFoundError.__new__(RepositoryNotFoundError), "hub has no such model"),
    ],
)
def test_a_hub_that_cannot_help_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, said: str
) -> None:
    def fail(*_: str, **__: list[str]) -> str:
        assert error is not None
        raise error

    if error is not None:
        monkeypatch.setattr(registry, "snapshot_download", fail)
    with pytest.raises(CheckpointError, match=f"no folder 'no/such', and the {said}"):
        find("no/such")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")
def test_cuda_gives_the_same_answer(analysis: Analysis) -> None:
    there = analyse(load(NAMES[0], torch.device("cuda")), analysis.clip)
    np.testing.assert_allclose(there.probabilities, analysis.probabilities, atol=2e-3)
    for name, weights in analysis.attention.items():
        np.testing.assert_allclose(there.attention[name], weights, atol=2e-3)
