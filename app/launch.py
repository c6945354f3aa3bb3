"""Serve the page: bound to this machine, with nothing fetched from elsewhere."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Collection, Mapping

from starlette.middleware import Middleware

from app import storage
from app.access import door
from app.dashboard import Dashboard
from app.guard import LOOPBACK, Guard, Rules, name
from app.memory import freed
from app.theme import CSS, theme
from core_models.media import LIMITS

SWEEP = 30.0  # seconds from one look at what nobody needs any more to the next
ENVELOPE = 2**16  # bytes of a form around the file in it
PAUSE = 0.02  # seconds from one look at the queue to the next; Gradio's own is a thousandth


def launch(
    page: Dashboard,
    host: str = "127.0.0.1",
    port: int = 7860,
    share: bool = False,
    allowed: Collection[str] = (),
    accounts: Mapping[str, str] | None = None,
) -> str:
    """Serve beside what follows, and return the address: the public one when it is shared.

    allowed: names under which it may be asked too. accounts: passwords by name, if it takes one
    to come in. OSError when the port is taken.
    """
    guard = Middleware(Guard, rules(host, share, allowed), page.ready.is_set, page.line.end)
    queued = page.queue(max_size=64, api_open=False)
    queued._queue.sleep_when_free = PAUSE  # else a server at rest takes twice as much of a core
    _, address, public = queued.launch(
        server_name=host,
        server_port=port,
        share=share,
        theme=theme(),
        # As `css` it would be rewritten, and selectors with commas inside :is() broken.
        head=f"<style>{CSS}</style>",
        footer_links=[],
        max_file_size=LIMITS.max_bytes,
        max_threads=2 * page.line.bounds.jobs,  # those that wait for their job hold one each
        run_history=False,
        ssr_mode=False,
        prevent_thread_lock=True,
        quiet=True,
        auth=door(accounts) if accounts else None,
        app_kwargs={"middleware": [guard]},
    )
    threading.Thread(target=_sweep, args=(page,), daemon=True).start()
    return public or address


def rules(host: str, share: bool = False, allowed: Collection[str] = ()) -> Rules:
    """Who may ask, for an address to listen on. A hosted Space says its own name."""
    names = {given.lower() for given in allowed}
    names |= {own for own in os.environ.get("SPACE_HOST", "").lower().split(",") if own}
    wide = name(host if ":" not in host else f"[{host.strip('[]')}]") not in LOOPBACK
    if wide:
        names |= {host.lower(), socket.gethostname().lower()}
    if share:
        names.add("*.gradio.live")
    return Rules(
        storage.files(),
        frozenset(names),
        addresses=wide,
        frames=("https://huggingface.co",) if os.environ.get("SPACE_ID") else (),
        upload=LIMITS.max_bytes + ENVELOPE,
    )


def _sweep(page: Dashboard) -> None:
    """Drop old runs, and files that nobody needs, as long as the page is served."""
    while page.is_running:
        page.runs.expire()
        runs = page.runs
        storage.sweep(storage.files(), runs.files(), runs.brought(), runs.room)
        freed()
        page.closed.wait(SWEEP)
