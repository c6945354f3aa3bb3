"""Start a server, set users on it, and say what became of their jobs and of its memory."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from tests.load.clips import Marker, marker
from tests.load.pages import browse
from tests.load.server import Sample, Server
from tests.load.speak import Leave
from tests.load.tally import Tally
from tests.load.user import METHOD, SLOW, User

WAYS: tuple[Literal["cancel", "hang up"], ...] = ("cancel", "hang up")
EVERY = 2.0  # seconds from one look at the server to the next


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="load-") as name:
        folder = Path(name)
        server = Server(folder, tuple(options.server.split()))
        try:
            server.wait()
            rounds = [load(server, folder, options) for _ in range(options.rounds)]
        finally:
            server.stop()
        found = {"rounds": rounds, "log": server.log.read_text(errors="replace")[-3000:]}
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")
    bad = [r for r in rounds if not r["alive"] or r["jobs"]["lost"] or r["jobs"]["mixed"]]
    return 1 if bad else 0


def load(server: Server, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One load: each user alone, all together, and the quiet behind it."""
    count = options.clients + options.pages
    marks = [marker(folder, number, count) for number in range(count)]
    tally, runs = Tally(), dict[int, str]()
    users = [User(server.address, m, marks, Tally(), runs) for m in marks[: options.clients]]
    for user in users:
        user.alone()
        user.tally = tally
    freed = {how: _freed(users[0], users[-1], how) for how in WAYS}
    time.sleep(3)
    before = server.sample()
    during = _together(server, users, marks[options.clients :], tally, options)
    for user in users:
        user.leave()
    found = {
        "clients": options.clients, "pages": options.pages, "minutes": options.minutes,
        "freed": freed, "jobs": tally.report(), "before": asdict(before),
        "largest during": server.stages(during), "at the end": asdict(server.sample()),
    }  # fmt: skip
    print(json.dumps(found, indent=1), file=sys.stderr)  # the quiet behind it may last
    after = _settled(server, before, options.settle)
    return {
        **found, "alive": server.alive(),
        f"after {options.settle} s at most": asdict(after),
        "off the baseline": {
            name: round(value - asdict(before)[name], 1) for name, value in asdict(after).items()
        },
    }  # fmt: skip


def _freed(one: User, other: User, how: Literal["cancel", "hang up"]) -> dict[str, Any]:
    """What became of a long job that was left in its middle, and how long another then takes, with
    and without such a job before it.
    """
    usual = other.compare()
    given = (one.run, METHOD, "auto", SLOW)
    left = one.session.ask("attribute", *given, leave=Leave(2.0, how))
    after = other.compare()
    took = [round(answer.seconds, 2) if answer else None for answer in (usual, after)]
    return {"left": left.outcome, "seconds alone": took[0], "seconds behind it": took[1]}


def _together(
    server: Server, users: list[User], pages: list[Marker], tally: Tally, options: Any
) -> list[Sample]:
    until = time.monotonic() + 60 * options.minutes
    threads = [threading.Thread(target=u.go_on, args=(until,)) for u in users]
    threads += [
        threading.Thread(target=browse, args=(server.address, one, pages, tally, until))
        for one in pages
    ]
    for thread in threads:
        thread.start()
    samples = []
    while any(thread.is_alive() for thread in threads):
        samples.append(server.sample())
        time.sleep(EVERY)
    return samples


def _settled(server: Server, before: Sample, seconds: float) -> Sample:
    """What is held when nothing goes down any more, or when the time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        now = server.sample()
        if now.temp_mb <= before.temp_mb and now.rss_mb <= 1.02 * before.rss_mb:
            return now
        time.sleep(EVERY)
    return server.sample()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pages", type=int, default=0, help="users with a real browser, besides")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--settle", type=float, default=60.0, help="seconds to wait at the end")
    again = "loads one after another, with other users: the first warms the server up"
    parser.add_argument("--rounds", type=int, default=1, help=again)
    parser.add_argument("--server", default="", help="further arguments of app.py")
    parser.add_argument("--out", type=Path, help="a file for the report")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
