"""What the decoder process may not do, and what is said when it goes wrong."""

from __future__ import annotations

import errno
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core_models import conversation
from core_models.media import UNREADABLE, Limits, MediaError, load_clip, preview
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
        ("import os; os.write(1, bytes(9)); os.kill(os.getpid(), 9)", "The decoder stopped on"),
    ],
    ids=["crash", "exit", "hang", "silent hang", "flood", "chatter", "nothing", "killed"],
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


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no full disk to write to")
def test_a_full_disk_is_no_fault_of_the_file(tmp_path: Path) -> None:
    path, out = make_clip(tmp_path / "a.mp4", even(2, 10)), tmp_path / "copy.mp4"
    (tmp_path / "copy.mp4.part").symlink_to("/dev/full")
    with pytest.raises(OSError) as raised:
        preview(path, out)
    assert raised.value.errno == errno.ENOSPC
    assert not out.exists()


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


def started(out: Path, at_work: Callable[[], bool]) -> None:
    """Wait until a preview is being written."""
    part, end = out.with_name(out.name + ".part"), time.monotonic() + 120
    while not (part.exists() and part.stat().st_size):
        assert at_work() and time.monotonic() < end, "it ended too soon"
        time.sleep(0.005)


def test_a_decoder_killed_at_work_leaves_nothing_and_the_next_clip_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, out = make_clip(tmp_path / "a.mkv", even(60, 50)), tmp_path / "out" / "a.mp4"
    out.parent.mkdir()
    decoders: list[subprocess.Popen[bytes]] = []
    start = conversation._start

    def noted() -> subprocess.Popen[bytes]:
        decoders.append(start())
        return decoders[-1]

    monkeypatch.setattr(conversation, "_start", noted)
    with ThreadPoolExecutor(1) as beside:
        writing = beside.submit(preview, path, out)
        started(out, lambda: not writing.done())
        decoders[0].send_signal(signal.SIGKILL)
        with pytest.raises(MediaError, match=r"^The decoder stopped on this file, "):
            writing.result()
    assert not list(out.parent.iterdir())
    preview(path, out, length=0.5)
    assert [p.name for p in out.parent.iterdir()] == ["a.mp4"] and load_clip(path).duration > 59


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc to find children in")
def test_a_decoder_ends_with_whoever_asked_it(tmp_path: Path) -> None:
    path, out = make_clip(tmp_path / "a.mkv", even(60, 50)), tmp_path / "out.mp4"
    code = "import sys; from core_models.media import preview; preview(*sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path), str(out)], env=conversation.environment()
    ) as asker:
        started(out, lambda: asker.poll() is None)
        tasks = Path(f"/proc/{asker.pid}/task").glob("*/children")
        (decoder,) = [int(pid) for task in tasks for pid in task.read_text().split()]
        asker.kill()
    end = time.monotonic() + 20
    while (state := state_of(decoder)) not in ("", "Z"):
        assert time.monotonic() < end, f"the decoder is still there: {state}"
        time.sleep(0.05)
    assert not out.exists()


def state_of(pid: int) -> str:
    """The letter of a process in /proc, "" where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


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
