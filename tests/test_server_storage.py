"""The server's files and runs: bounded, swept, gone with it, and never from under a job."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest
import torch

from app import analysing, storage
from app.dashboard import build
from app.problems import DISK, sentence
from app.session import Run, begin, exported, reasoned
from app.storage import FRESH, STRAY, Leases, Room, size, sweep, written
from app.store import Runs
from core_models.caam import CAAM
from core_models.clip import Clip, Modality
from explain.analysis import Analysis
from explain.attribute import attributed
from explain.export.bundle import Footage
from explain.methods.registry import find
from explain.question import Question
from explain.targets import target

HOUR, CPU = 3600.0, torch.device("cpu")
ON: tuple[Modality, ...] = ("video",)


def aged(path: Path, seconds: float, content: bytes = b"x" * 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def made(runs: Runs, analysis: Analysis, name: str, owner: str = "me", many: int = 10) -> Run:
    folder = runs.folder()
    (folder / "maps.bin").write_bytes(b"x" * many)
    return Run(name, analysis, analysis, Footage(folder / "clip.mp4"), folder, owner=owner)


def test_sweep_removes_what_is_old_and_broken_off(tmp_path: Path) -> None:
    old = aged(tmp_path / "a" / "clip.mp4", 2 * HOUR)
    shown = aged(tmp_path / "b" / "clip.mp4", 2 * HOUR)
    new = aged(tmp_path / "c" / "clip.mp4", 60)
    broken = aged(tmp_path / "tmpabc", STRAY + 1)
    arriving = aged(tmp_path / "tmpdef", 1)
    theirs = {old, new}
    assert sweep(tmp_path, {shown}, theirs, Room(idle=HOUR)) == 2
    assert not old.exists() and not broken.exists()
    assert shown.exists() and new.exists() and arriving.exists()


def test_sweep_makes_room_oldest_first(tmp_path: Path) -> None:
    files = [aged(tmp_path / str(i) / "clip.mp4", FRESH + 10 * i) for i in range(1, 5)]
    sweep(tmp_path, {files[3]}, files, Room(disk=250))
    assert [path.exists() for path in files] == [True, False, False, True]
    assert size(tmp_path) == 200


def test_sweep_removes_what_nobody_brought_who_is_there(tmp_path: Path) -> None:
    room, ages = Room(left=600), (500, 700)
    theirs, nobodys = (
        [aged(tmp_path / f"{whose}{age}" / "clip.mp4", age) for age in ages] for whose in "ab"
    )
    assert sweep(tmp_path, (), theirs, room) == 1
    assert [path.exists() for path in (*theirs, *nobodys)] == [True, True, True, False]


def test_what_visitors_bring_stays_until_the_last_of_them_has_gone_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, clip, now = Runs(room=Room(left=600)), aged(tmp_path / "clip.mp4", 0), [1000.0]
    monkeypatch.setattr("app.store.time", SimpleNamespace(monotonic=lambda: now[0]))

    def after(seconds: float) -> set[Path]:
        now[0] += seconds
        runs.expire()
        return runs.brought()

    for session in ("me", "you", ""):
        runs.bring(session, clip, None)
    runs.leave("me")
    assert after(700) == {clip}
    runs.leave("you")
    assert after(500) == {clip}
    runs.bring("you", clip)  # back again
    assert after(700) == {clip}
    runs.leave("you")
    assert after(700) == set()
    runs.bring("me", clip)
    clip.unlink()
    assert after(0) == set()
    runs.close()


def test_every_file_that_can_be_chosen_stays_with_its_page() -> None:
    page = build(device="cpu")
    files = {block for block in page.blocks.values() if isinstance(block, gr.File)}
    brings = [event for event in page.fns.values() if event.name == "bring"]
    assert files == {block for event in brings for block in event.inputs} and len(files) > 2
    page.close()


def test_a_run_stays_a_while_after_its_visitor_however_old_it_is(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, now = Runs(room=Room(left=600)), [1000.0]
    monkeypatch.setattr("app.store.time", SimpleNamespace(monotonic=lambda: now[0]))
    runs.put(made(runs, analysis, "mine", "me"))
    now[0] += 5000
    runs.leave("me")
    runs.expire()
    assert [run.id for run in runs._runs.values()] == ["mine"]
    now[0] += 601
    runs.expire()
    assert not runs._runs
    runs.close()


def test_what_is_written_is_whole_and_its_name_tells_its_content(tmp_path: Path) -> None:
    first, second = written(tmp_path, "maps.bin", b"1"), written(tmp_path, "maps.bin", b"2")
    assert first != second and (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    assert written(tmp_path, "maps.bin", b"1") == first
    assert len([p for p in tmp_path.rglob("*") if p.is_file()]) == 2


def test_only_uploads_are_taken_for_uploads(tmp_path: Path) -> None:
    runs = Runs()
    for path, is_one in (
        (storage.files() / "a" / "clip.mp4", True),
        (runs.folder() / "preview.mp4", False),
        (storage.files() / "a" / ".." / ".." / "lock", False),
        (tmp_path / "clip.mp4", False),
    ):
        assert storage.brought(path) == is_one
    runs.close()


def test_what_a_job_works_with_is_removed_when_it_ends(tmp_path: Path) -> None:
    leases, path = Leases(), aged(tmp_path / "run" / "maps.bin", 0)
    with leases.hold(path.parent):
        with leases.hold(path.parent):
            leases.remove(path.parent)
            assert path.exists() and leases.held() == {path.parent}
        assert path.exists()
    assert not path.parent.exists() and leases.held() == set()


def test_runs_are_bounded_in_bytes_on_disk(analysis: Analysis) -> None:
    runs = Runs(room=Room(disk=250))
    for i in range(4):
        runs.put(made(runs, analysis, f"r{i}", many=100))
    assert [runs.get(f"r{i}") is not None for i in range(4)] == [False, False, True, True]
    runs.close()


def test_runs_are_bounded_in_age_and_go_soon_after_their_visitor(analysis: Analysis) -> None:
    runs = Runs(room=Room(idle=HOUR, left=0.0))
    runs.put(made(runs, analysis, "mine", "me"))
    runs.put(made(runs, analysis, "yours", "you"))
    runs.leave("me")
    time.sleep(0.01)
    runs.expire()
    assert runs.get("mine") is None and runs.get("yours") is not None
    runs.room = replace(runs.room, idle=0.0)
    time.sleep(0.01)
    runs.expire()
    assert runs.get("yours") is None
    runs.close()


def test_a_run_is_shown_to_its_session_alone(analysis: Analysis) -> None:
    runs = Runs()
    runs.put(made(runs, analysis, "mine", "me"))
    runs.put(made(runs, analysis, "nobody's", ""))
    assert runs.own("mine", "me") is not None
    assert runs.own("mine", "you") is None and runs.own("mine", "") is None
    assert runs.own("nobody's", "") is None
    runs.close()


def test_explanations_count(analysis: Analysis) -> None:
    runs = Runs()
    run = made(runs, analysis, "mine")
    question = Question(analysis, target("auto", analysis))
    more = reasoned(run, analysis, attributed(find("gradient-attention"), question), "why")
    held = sum(x.nbytes for x in more.reasons[0].found.scores.values())
    assert more.size >= run.size + held + len(more.reasons[0].drawn.content)
    runs.close()


def test_what_is_held_by_two_counts_once(analysis: Analysis) -> None:
    runs = Runs()
    run = made(runs, analysis, "mine")
    lone = replace(analysis, attention={n: a.copy() for n, a in analysis.attention.items()})
    maps = sum(a.nbytes for a in analysis.attention.values())
    assert run.now is run.full and replace(run, now=lone).size == run.size + maps
    runs.close()


def test_ids_cannot_be_guessed(caam: CAAM, clip: Clip, file: Path, tmp_path: Path) -> None:
    ids = {begin(caam, clip, file, tmp_path, ON, {}).id for _ in range(2)}
    assert len(ids) == 2 and all(len(name) >= 22 for name in ids)  # 128 bits


def test_the_name_of_a_download_is_harmless(caam: CAAM, clip: Clip, file: Path) -> None:
    runs = Runs()
    evil = replace(clip, name='=cmd|" ..<img src=x>\u202e\n.mp4')
    arguments = {"model": "caam-msrvtt"}
    run = begin(caam, evil, file, runs.folder(), ("video", "audio", "text"), arguments)
    path = exported(run, "report")
    assert path.parents[1] == run.folder and path.name == "fusionscope-cmd-..-img-src-x.html"
    runs.close()


def test_a_full_disk_is_a_sentence_and_leaves_nothing_half_written(
    caam: CAAM, clip: Clip, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert sentence(full) == DISK

    def refuse(self: Path, content: bytes) -> int:
        with open(self, "wb") as file:
            file.write(content[:3])
        raise full

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="No space"):
        begin(caam, clip, file, tmp_path, ON, {})
    assert list(tmp_path.iterdir()) == []


SERVE = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from app import storage
print(storage.root(), flush=True)
(storage.files() / "half").write_bytes(b"half-written")
sys.stdin.read()
"""


def test_a_killed_server_leaves_nothing_behind_after_the_next_start(tmp_path: Path) -> None:
    def start() -> tuple[subprocess.Popen[str], Path]:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert server.stdout is not None
        return server, Path(server.stdout.readline().strip())

    killed, orphan = start()
    living, kept = start()
    assert orphan.is_dir() and kept.is_dir()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert orphan.is_dir()
    third, own = start()
    assert not orphan.exists() and kept.is_dir() and own.is_dir()
    for server in (living, third):
        server.communicate("")
    assert not list(tmp_path.glob("fusionscope-*"))


ASK = """
import json, sys
from core_models import conversation
from core_models.media import LIMITS
decoder = conversation._start()
asked = {"task": "probe", "path": sys.argv[1], "memory": 2**31, "cpu_seconds": 60}
asked |= {"file_size": 0} | {n: v for n, v in vars(LIMITS).items() if n.startswith("max_")}
decoder.stdin.write(json.dumps(asked).encode() + b"\\n")
print(decoder.pid, flush=True)
decoder.wait()
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_decoder_ends_with_the_server_that_was_killed(tmp_path: Path) -> None:
    stuck = tmp_path / "clip.mp4"
    os.mkfifo(stuck)  # it waits for a first byte
    server = subprocess.Popen(
        [sys.executable, "-c", ASK, str(stuck)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert server.stdout is not None
    decoder = int(server.stdout.readline())

    def runs() -> bool:
        told = Path(f"/proc/{decoder}/stat")
        return told.exists() and told.read_text().rpartition(")")[2].split()[0] != "Z"

    if not Path("/proc").exists():
        pytest.skip("processes cannot be looked at here")
    time.sleep(3)
    assert runs()
    server.kill()
    server.communicate()
    end = time.monotonic() + 10
    while runs():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_run_that_is_kept_keeps_its_files_though_its_job_is_ended(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(
        job: Any, device: Any, asked: Any, folder: Path, ahead: Any
    ) -> Generator[str, None, Run]:
        (folder / "maps.bin").write_bytes(b"x")
        yield "under way"
        return Run("r", analysis, analysis, Footage(folder / "clip.mp4"), folder)

    monkeypatch.setattr(analysing, "_made", work)
    asked = cast(Any, SimpleNamespace(path="clip.mp4", subtitles=None))
    job = cast(Any, SimpleNamespace(session="me"))
    for steps, files in ((2, 1), (1, 0)):
        runs = Runs()
        under_way = cast(Any, analysing.stages(job, runs, CPU, asked))
        for _ in range(steps):
            next(under_way)
        under_way.close()
        assert len(list(runs.folder().parent.glob("*/maps.bin"))) == files
        assert (runs.get("r") is not None) == bool(files)
