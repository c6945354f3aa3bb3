"""The program as it is started: how soon there is a page, what clips cost it, what it holds."""

from __future__ import annotations

import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from playwright.sync_api import Browser, Page, expect

from core_models.interface import Captioner
from core_models.media import load_clip
from core_models.registry import load
from tests.bench.measure import Contest, alone
from tests.bench.page import MODEL, browsing, first_look, opened, quiet, rest
from tests.bench.scenes import repeated, scene
from tests.bench.stage import TEXT, Stage, full
from tests.load.server import Server
from tests.page import WAIT

HD, MINUTES = (1280, 720), 10
COLD, BESIDE = 15.0, 150.0  # s; MB
TICKS, PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def contests(stage: Stage) -> Iterator[Contest]:
    """On Linux alone, where a process can be looked at from outside."""
    short = scene(stage.folder / "720p.mp4", 10, HD, sound=True)
    long = repeated(stage.folder / "720p-long.mp4", short, 6 * MINUTES)
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        fresh = Fresh(Path(folder))
        try:
            yield Contest(
                "from the start to the first page",
                f"{COLD:g} s",
                partial(fresh.start, browser),
                lambda: COLD,
                1,
                unit="s of CPU time",
            )
            fresh.look(short)
            yield Contest("the second clip of a new server", "the third",
                          partial(fresh.look, short), partial(fresh.look, short), 1.25,
                          unit="s of CPU time")  # fmt: skip
        finally:
            fresh.stop()
    with browsing() as browser:  # a new server: those clips and what was found of them are kept
        yield Contest(f"memory that {MINUTES} minutes of 720p take beyond model and forward",
                      f"{BESIDE:g} MB", lambda: beside(browser, short, long), lambda: BESIDE,
                      1, unit="MB")  # fmt: skip


def beside(browser: Browser, short: Path, long: Path) -> float:
    """MB that a new server takes for its first clip, beyond its model and what a forward takes."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Fresh(Path(folder))
        try:
            fresh.start(browser)
            most = fresh.peak(partial(fresh.look, long))
        finally:
            fresh.stop()
    threads = torch.get_num_threads()
    return most - float(np.median([alone(forward, short, threads) for _ in range(3)]))


class Fresh:
    """A server of its own, with one page open."""

    server: Server
    tab: Page
    loaded: float  # MB

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, browser: Browser) -> float:
        """CPU seconds until the page stands; nothing of it is done side by side."""
        self.server = Server(self.folder)
        self.server.wait()
        self.tab = opened(browser, self.server.address)
        expect(self.tab.locator("#analyse")).to_be_visible(timeout=WAIT)
        took = self.spent()
        quiet(self.spent)  # the model is loaded after the page stands
        self.loaded = held([self.server.process.pid])
        return took

    def stop(self) -> None:
        if hasattr(self, "server"):
            self.server.stop()

    def look(self, path: Path) -> float:
        """CPU seconds from the upload of a clip to its first heatmap, once nothing else is done."""
        rest(self.tab, self.spent)
        begun = self.spent()
        first_look(self.tab, path)
        return self.spent() - begun

    def spent(self) -> float:
        """CPU seconds of the server and of the decoders that it has waited for."""
        said = Path(f"/proc/{self.server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, said[11:15])) / TICKS

    def peak(self, work: Callable[[], object]) -> float:
        """The most that server and decoders hold meanwhile, beyond the loaded model, in MB."""
        most, over = 0.0, threading.Event()

        def watch() -> None:
            nonlocal most
            while not over.wait(0.02):
                most = max(most, held([self.server.process.pid]))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            work()
            quiet(self.spent)
        finally:
            over.set()
            watcher.join()
        return most - self.loaded


def held(pids: list[int]) -> float:
    """MB of some processes and of the decoders below them."""
    found = 0.0
    for pid in pids:
        with suppress(OSError, IndexError):
            found += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                below = [int(child) for child in task.read_text().split()]
                found += held([child for child in below if decodes(child)])
    return found


def decodes(pid: int) -> bool:
    """Whether it is a decoder, and no copy of its parent that is yet to become one."""
    return b"core_models.decoder" in Path(f"/proc/{pid}/cmdline").read_bytes()


def forward(short: Path, threads: int) -> float:
    """MB that a forward takes beyond the loaded model, in a process that does nothing else."""
    torch.set_num_threads(threads)
    model = load(MODEL, torch.device("cpu"))
    assert not isinstance(model, Captioner)
    clip = load_clip(short, TEXT, frames=model.frames)
    loaded = held([os.getpid()])
    sound = np.tile(clip.waveform, 6 * MINUTES)[: 60 * MINUTES * clip.rate]
    full(model, model.prepare(replace(clip, waveform=sound, duration=60.0 * MINUTES)))
    most = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    assert most
    return int(most[1]) / 1024 - loaded
