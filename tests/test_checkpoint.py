"""What is wrong with a checkpoint is said in one sentence that names the part."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from core_models.caam import CAAM, CAAMConfig
from core_models.checkpoint import CheckpointError, load_model, save_model, weight_hashes
from core_models.registry import WEIGHTS

CONFIG = CAAMConfig(("music", "people"), width=32, heads=4, feature_widths=(6, 5, 7))
Spoil = Callable[[Path], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(CAAM(CONFIG, towers=False), tmp_path / "mine")
    return tmp_path / "mine"


def change(folder: Path, **fields: Any) -> None:
    """Write some fields of a config anew; None takes one out."""
    path = folder / "config.json"
    new = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({k: v for k, v in new.items() if v is not None}))


def refusal(folder: Path, towers: bool = False) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(folder, towers=towers)
    said = str(caught.value)
    assert said.count("\n") == 0 and str(folder.parent) not in said
    return said


def pickled(folder: Path) -> None:
    torch.save({}, folder / "model.safetensors")


def begun(start: bytes) -> Spoil:
    return lambda folder: (folder / "model.safetensors").write_bytes(start + b" " * 40)


def written(config: str) -> Spoil:
    return lambda folder: (folder / "config.json").write_text(config)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "mine has no config.json"),
        (lambda f: (f / "model.safetensors").unlink(), "mine has no model.safetensors"),
        (pickled, "model.safetensors of mine is a pickle"),
        (begun(b"\x80\x04\x95"), "model.safetensors of mine is a pickle"),
        (begun(b"version https://git-lfs.github.com/spec/v1"), "pointer of Git LFS"),
        (begun(b"\xff"), "model.safetensors of mine is damaged"),
        (written("{"), "config.json of mine is not JSON"),
        (written("[]"), "config.json of mine is not a JSON object"),
        (written("{}"), "names the architecture None; known: 'caam'"),
        (lambda f: change(f, colour=3), "an unknown field 'colour'; known: labels, video"),
        (lambda f: change(f, width="wide"), "a width of the wrong kind: 'wide'"),
        (lambda f: change(f, heads=True), "a heads of the wrong kind: True"),
        (lambda f: change(f, labels=None), "has no labels"),
        (lambda f: change(f, variant="four"), "unknown variant 'four'; known: three, fixed"),
        (lambda f: change(f, heads=5), "a width of 32, which 5 heads cannot share"),
        (lambda f: change(f, feature_widths=[6, 5]), "needs 3 feature_widths"),
        (lambda f: change(f, width=64), r"mine: gru.bias_hh_l0 .*96.*192"),
        (lambda f: change(f, feature_widths=[9, 5, 7]), r"project.video.weight .*6\).*9\)"),
        (lambda f: change(f, variant="three"), "has an unknown parameter layers.3"),
        (lambda f: change(f, dropout=-1.0), "cannot be built: dropout"),
    ],
)
def test_a_spoilt_folder_is_refused_by_name(folder: Path, spoil: Spoil, said: str) -> None:
    spoil(folder)
    assert re.search(said, refusal(folder))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"video": "nonesuch"}, "there is no tower 'nonesuch'; shipped: minilm, soundnet"),
        ({"video": "timm:nonesuch"}, "timm knows no model 'nonesuch'"),
        ({"text": "transformers:no/such"}, "the tower 'no/such' cannot be fetched"),
        ({"text": "soundnet"}, "the tower 'soundnet' does not read text"),
        (
            {"feature_widths": [384, 256, 300]},
            "feature_widths gives text 300, but its tower 'minilm' has 384",
        ),
    ],
)
def test_towers_that_do_not_fit_are_named(
    tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(WEIGHTS / "caam-msrvtt" / "config.json", folder)
    change(folder, **fields)
    assert said in refusal(folder, towers=True)


def test_a_folder_without_weights_has_no_hashes(tmp_path: Path) -> None:
    assert weight_hashes(tmp_path) == {} and weight_hashes(tmp_path / "nowhere") == {}
