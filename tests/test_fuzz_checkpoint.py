"""Hostile checkpoints: whatever is wrong is one sentence, soon, and takes no memory."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.torch import save_file

from core_models.checkpoint import ARCHITECTURES, CheckpointError, load_model
from core_models.reference import FILE, closeness, familiarity, load_reference
from tests.fuzz.mutate import damaged
from tests.fuzz.profile import few
from tests.fuzz.seeds import checkpoints

Folders = dict[str, Path]
KINDS = ("caam", "mbt")
HUGE = [2**15, 2**31, 2**63, 10**400, -1, 0, 1e300, float("nan"), float("inf"), -0.5]
NAMES = ["../../etc", "/etc", "timm:../x", "a\0b", "x" * 5000]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from(HUGE) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
FIELDS = sorted({f for _, form in ARCHITECTURES.values() for f in form.__dataclass_fields__})
FIELDS.append("architecture")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return checkpoints(tmp_path_factory.mktemp("checkpoints"))


def put(folders: Folders, kind: str, name: str, content: bytes) -> None:
    """Load a folder with one file replaced; anything but a model or a sentence is an error."""
    path = folders[kind] / name
    before = path.read_bytes() if path.is_file() else None
    path.write_bytes(content)
    try:
        load_model(folders[kind], towers=False)
    except CheckpointError as error:
        said = str(error)
        assert said.isprintable() and len(said) <= 500 and str(path.parent) not in said
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_bytes(before)


@given(st.sampled_from(KINDS), st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3))
@few(250)
def test_any_value_of_any_field(folders: Folders, kind: str, fields: dict[str, Any]) -> None:
    config = json.loads((folders[kind] / "config.json").read_text())
    put(folders, kind, "config.json", json.dumps({**config, **fields}).encode())


@given(st.sampled_from(KINDS), st.sampled_from(("config.json", "model.safetensors", FILE)),
       st.integers(0, 2**32))  # fmt: skip
@few(200)
def test_damaged_files(folders: Folders, kind: str, name: str, seed: int) -> None:
    path = folders["caam"] / name
    other = (folders["mbt"] / "model.safetensors").read_bytes()
    put(folders, kind, name, damaged(path.read_bytes(), other, seed))


def tensor_of(kind: str, shape: list[int]) -> dict[str, Any]:
    """What a header says of a tensor; of 4 bytes where it has any."""
    return {"dtype": kind, "shape": shape, "data_offsets": [0, 0 if 0 in shape else 4]}


KIND_OF_NUMBER = ["F32", "F16", "BF16", "F64", "F8_E4M3", "F4", "C64", "I64", "BOOL", "none"]
HEADERS = st.dictionaries(
    st.sampled_from(["mean.video", "axes.x", "far", "time.weight", "\n\u202e", "x" * 3000]),
    st.fixed_dictionaries({
        "dtype": st.sampled_from(KIND_OF_NUMBER),
        "shape": st.lists(st.sampled_from([0, 1, 2, 4, -1, 2**62, 2**63]), max_size=3),
        "data_offsets": st.tuples(st.sampled_from([0, 8]), st.sampled_from([0, 4, 8, 16, 2**63])),
    }),
    max_size=2,
)  # fmt: skip


@given(st.sampled_from(("model.safetensors", FILE)), HEADERS | JSON,
       st.sampled_from([0, 0, 1, -3, 2**40]), st.binary(max_size=16))  # fmt: skip
@example("model.safetensors", {"far": tensor_of("F32", [0, 2**63])}, 0, b"")
@example("model.safetensors", {"far": tensor_of("F4", [8])}, 0, b"\0" * 4)
@example("model.safetensors", {"far": tensor_of("C64", [0])}, 0, b"")
@few(120)
def test_headers_that_lie(folders: Folders, name: str, header: Any, more: int, body: bytes) -> None:
    head = json.dumps(header).encode()
    size = struct.pack("<Q", max(0, len(head) + more))
    put(folders, "caam", name, size + head + body)


@pytest.mark.parametrize(
    "written", [b"[" * 10**5, b'{"a":' * 10**5, b"\xff\xfe{", b"9" * 10**4, b" " * 5 * 10**6]
)
def test_deep_and_long_configs(folders: Folders, written: bytes) -> None:
    put(folders, "caam", "config.json", written)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("caam", {"width": 2**15, "heads": 1}),
        ("caam", {"labels": ["a"] * 60_000}),
        ("mbt", {"labels": [f"{i} {i}" for i in range(60_000)]}),
        ("mbt", {"depth": 10**9}),
        ("mbt", {"depth": 200, "width": 2**15, "heads": 1}),
        ("mbt", {"image_size": 2**16, "patch": 1, "frames": 2**16}),
    ],
)
def test_a_config_that_asks_for_too_much_is_refused(
    folders: Folders, kind: str, fields: dict[str, Any]
) -> None:
    config = json.loads((folders[kind] / "config.json").read_text())
    path = folders[kind] / "config.json"
    before = path.read_bytes()
    path.write_text(json.dumps({**config, **fields}))
    try:
        with pytest.raises(CheckpointError):
            load_model(folders[kind], towers=False)
    finally:
        path.write_bytes(before)


PARTS = st.dictionaries(
    st.builds(
        "{}.{}".format,
        st.sampled_from(("mean", "axes", "far", "matched", "other")),
        st.sampled_from(("video", "text", "video-text", "video-video", "text-video")),
    ),
    st.lists(st.sampled_from([0, 1, 4]), max_size=3),
    max_size=5,
)


@given(PARTS)
@few(200)
def test_a_reference_can_be_used_or_is_refused(folders: Folders, parts: dict[str, Any]) -> None:
    path = folders["caam"] / FILE
    before = path.read_bytes()
    base = {"mean.video": [4], "axes.video": [2, 4], "mean.text": [4]}
    save_file({k: torch.ones(shape) for k, shape in {**base, **parts}.items()}, path)
    try:
        known = load_reference(folders["caam"])
        assert known is not None
        here = {m: torch.ones(1, len(x)) for m, x in known.mean.items()}
        assert familiarity(known, here).keys() == known.far.keys()
        if len({len(x) for x in known.mean.values()}) == 1:  # they share a space
            assert closeness(known, here).keys() == known.matched.keys()
    except CheckpointError as error:
        assert "reference.safetensors of caam" in str(error)
    finally:
        path.write_bytes(before)
