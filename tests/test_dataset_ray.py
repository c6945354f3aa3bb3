"""The same rows and report from two Ray workers as from one process."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from core_models.registry import WEIGHTS
from explain.dataset.__main__ import STOPPED, main
from explain.dataset.columns import Row, Seconds
from tests.media_files import even, make_clip, tone

if missing := [x for x in ("ray", "pyarrow") if importlib.util.find_spec(x) is None]:
    pytest.skip(
        f"{' and '.join(missing)} not installed; see explain/dataset/requirements.txt",
        allow_module_level=True,
    )
CLIPS = 21  # more chunks than wait at once


def rows(out: Path) -> list[Row]:
    from explain.dataset import store

    return [replace(row, seconds=Seconds()) for row in store.read(out / "rows.parquet")]


# Ray leaves its pipes to the garbage collector.
@pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_two_workers_give_the_rows_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for i in range(CLIPS - 1):
        wave = tone(1, 44100, 200.0 + 100 * i)
        make_clip(clips / f"{i:02d}.mp4", even(1, 4), size=(96, 96), wave=wave)
    (clips / "bad.mp4").write_bytes(b"no clip at all")
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    given = [str(clips), "--model", str(WEIGHTS / "planted" / "late"), "--device", "cpu",
             "--method", "token-input-x-gradient"]  # fmt: skip
    alone, spread = tmp_path / "alone", tmp_path / "spread"
    assert main([*given, "--out", str(alone)]) == 0
    over = [*given, "--engine", "ray", "--workers", "2", "--out", str(spread)]
    with TemporaryDirectory() as temp:  # a short path, as that of a socket must be
        begun_and_ended(over, Path(temp))
    assert main(over) == 0  # goes on from there
    found = rows(spread)
    assert len(found) == CLIPS and sum(bool(row.error) for row in found) == 1
    assert found == rows(alone)
    assert (spread / "report.html").read_bytes() == (alone / "report.html").read_bytes()
    assert not (home / ".ray").exists()  # no token, no log of it is left behind


def begun_and_ended(given: list[str], temp: Path) -> None:
    """A run that is told to end after its first rows; nothing of it stays but these."""
    run = subprocess.Popen(
        [sys.executable, "-m", "explain.dataset", *given],
        stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(temp)},
    )  # fmt: skip
    with run:
        assert run.stderr is not None and any("clips, " in line for line in run.stderr)
        assert list(temp.glob("ray*"))
        run.send_signal(signal.SIGTERM)
        said = run.stderr.read()
    assert run.returncode == STOPPED and "the same command goes on" in said
    assert not list(temp.glob("ray*"))
    if Path("/proc/self/cmdline").exists():
        assert not [pid for pid, command in commands() if str(temp) in command]


def commands() -> Iterator[tuple[str, str]]:
    """Every process, by its number, with its command line."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield file.parent.name, file.read_bytes().decode(errors="replace")
