"""What the decoder process may not do, and what is said when it goes wrong."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core_models import conversation
from core_models.media import UNREADABLE, Limits, MediaError
from tests.media_files import even, make_clip, refusal


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What is said when the decoder process does something else."""
    clip = make_clip(tmp_path / "a.mp4", even(1, 10))

    def ask(code: str) -> str:
        package = tmp_path / "fake" / "core_models"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "decoder.py").write_text(code)
        environment = conversation.environment() | {"PYTHONPATH": str(package.parent)}
        monkeypatch.setattr(conversation, "environment", lambda: environment)
        return refusal(clip, limits=Limits(wall_seconds=2, max_seconds=1))

    return ask


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("import os; os.kill(os.getpid(), 11)", "The decoder stopped on this file"),
        ("raise SystemExit(3)", "The decoder stopped on this file"),
        ("while True: pass", "took longer than 2 s"),
        ("import os, time; os.close(1); time.sleep(60)", "took longer than 2 s"),
        ("while True: print('x' * 10**6)", ""),
        ("print('all fine')", UNREADABLE),
        ("", UNREADABLE),
    ],
    ids=["crash", "exit", "hang", "silent hang", "flood", "chatter", "nothing"],
)
def test_a_decoder_gone_wrong_is_one_sentence(
    code: str, sentence: str, pretend: Callable[[str], str]
) -> None:
    assert sentence in pretend(code)


def test_the_decoder_inherits_no_secrets(
    pretend: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "hush")
    said = pretend(
        "import json, os, struct, sys\n"
        "text = ' '.join([os.getcwd(), *sorted(os.environ)])\n"
        "head = json.dumps({'facts': {'refused': text}, 'arrays': []}).encode()\n"
        "sys.stdout.buffer.write(struct.pack('>I', len(head)) + head)\n"
    )
    assert said.split()[0] == os.path.abspath(os.sep)
    assert "PYTHONPATH" in said and "TOKEN" not in said


@pytest.mark.skipif(sys.platform == "win32", reason="no resource limits there")
@pytest.mark.parametrize(
    ("action", "error"),
    [
        ("open(sys.argv[1], 'wb', 0).write(b'x')", "OSError"),
        ("bytearray(2**31)", "MemoryError"),
        ("[open(os.devnull) for _ in range(99)]", "OSError"),
    ],
)
def test_the_decoder_is_restricted(action: str, error: str, tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom core_models.decoder.__main__ import restrict\n"
        "restrict(2**30, 9, 0)\n"
        f"try:\n    {action}\nexcept {error}: print('stopped')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        capture_output=True, text=True, env=conversation.environment(), check=False,
    )  # fmt: skip
    assert done.stdout == "stopped\n", done.stderr


def test_too_little_memory_is_one_sentence(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(1, 10))
    assert refusal(path, limits=Limits(memory=2**26)).endswith((".", "again."))


def test_the_decoder_needs_av_and_numpy_alone() -> None:
    code = "import sys, core_models.decoder.__main__; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, env=conversation.environment(), check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    ours = {name for name in loaded if name.startswith("core_models.")}
    assert all(name.startswith("core_models.decoder") for name in ours) and len(ours) > 5
    assert not {"torch", "pysubs2", "gradio", "PIL"} & loaded


def reply(arrays: list[Any], body: bytes, facts: Any = None) -> bytearray:
    head = json.dumps({"facts": facts or {}, "arrays": arrays}).encode()
    return bytearray(struct.pack(">I", len(head)) + head + body)


def test_an_answer_is_taken_apart() -> None:
    facts, arrays = conversation.parse(reply([["x", "uint8", [2, 2]]], b"abcd", {"a": 1}))
    assert facts == {"a": 1} and arrays["x"].tolist() == [[97, 98], [99, 100]]
    assert arrays["x"].flags.writeable


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff\xff\xff\xff",
        reply([["x", "uint8", [5]]], b"abcd"),
        reply([["x", "uint8", [3]]], b"abcd"),
        reply([["x", "uint8", [10**15]]], b"abcd"),
        reply([["x", "uint8", [-1, -4]]], b"abcd"),
        reply([["x", "object", [4]]], b"abcd"),
        reply([["x", "uint8", [[4]]]], b"abcd"),
        reply([["x"]], b""),
        struct.pack(">I", 2) + b"[]",
    ],
)
def test_an_answer_that_lies_is_refused(answer: bytes) -> None:
    with pytest.raises(MediaError), conversation.distrust():
        conversation.parse(bytearray(answer))
