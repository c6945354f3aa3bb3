"""Start the dashboard: ``python app.py``."""

# ruff: noqa: E402 - what is loaded below takes seconds, in which Ctrl-C should end it quietly

import argparse
import os
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from app.access import VARIABLE, accounts
from app.dashboard import build
from app.jobs import Bounds
from app.launch import launch
from app.memory import shared
from app.storage import Room
from core_models.registry import MODELS, load, pick_device


def options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="FusionScope: look inside a video model")
    # A hosted Space says by Gradio's own variables where to listen.
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    parser.add_argument("--port", type=int, default=os.environ.get("GRADIO_SERVER_PORT", "7860"))
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    which = "a shipped model, a folder or a hub id"
    parser.add_argument("--model", default=MODELS[0].name, help=which)
    parser.add_argument("--share", action="store_true", help="a public link, through Gradio")
    names = "a name under which the server may be asked; *.name: all below it; may be repeated"
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help=names)
    where = f"a file with one name:password a line; else the variable {VARIABLE}"
    parser.add_argument("--auth", metavar="FILE", help=where)
    team = parser.add_argument_group("limits")
    jobs, room = Bounds(), Room()
    team.add_argument("--max-jobs", type=int, default=jobs.jobs, help="at once, in all")
    team.add_argument("--max-jobs-each", type=int, default=jobs.each, help="of one visitor")
    team.add_argument("--max-seconds", type=float, default=jobs.seconds, help="of one job")
    team.add_argument("--keep-gb", type=float, default=room.memory / 2**30, help="of memory")
    team.add_argument("--keep-disk-gb", type=float, default=room.disk / 2**30)
    team.add_argument("--keep-hours", type=float, default=room.idle / 3600)
    return parser


def main() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    shared()
    parser = options()
    given = parser.parse_args()
    bounds = Bounds(given.max_jobs, given.max_jobs_each, given.max_seconds)
    memory, disk = int(given.keep_gb * 2**30), int(given.keep_disk_gb * 2**30)
    try:
        known = accounts(given.auth)
        room = Room(memory, disk, 3600 * given.keep_hours)
        page = build(given.model, given.device, bounds, room)
        at = launch(page, given.host, given.port, given.share, given.allow_host, known)
        print("FusionScope:", at)
        load(given.model, pick_device(given.device))  # the first clip need not wait for it
        page.ready.set()
    except ValueError as error:
        parser.error(str(error))
    except OSError:
        parser.error(f"Cannot listen on {given.host}:{given.port}; choose another --port.")
    except KeyboardInterrupt:
        return
    page.block_thread()


if __name__ == "__main__":
    main()
