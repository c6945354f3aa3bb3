"""Streams of answers: who reads one, who left before its end, and when the next may begin."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from time import monotonic as now
from urllib.parse import parse_qs

from starlette.types import Message, Receive, Scope

JOIN, DATA, CALL = "/gradio_api/queue/join", "/gradio_api/queue/data", "/gradio_api/call/"
BACK = 1.0  # seconds in which the reader of a stream may come back
READ = 1.0  # seconds in which a reader has read the end
CLOSE = re.compile(rb'"msg"\s*:\s*"close_stream"')
SESSION = re.compile(rb'"session_hash"\s*:\s*"([^"\\]+)"')


class Streams:
    """gone: told the session of a stream that its reader left before the end, and when, by the
    monotonic clock.

    A page reads the answers to all its events from one stream, which ends with the last of them.
    An event answered before the page has read that end would be looked for in a stream that is no
    more. So the end is said, the connection stays until the reader hangs up, and events that
    arrive meanwhile are answered after that.
    """

    def __init__(self, gone: Callable[[str, float], None]) -> None:
        self.gone = gone
        self.open: Counter[str] = Counter()  # by session
        self.closing: dict[str, asyncio.Event] = {}  # by session

    def begin(self, session: str) -> None:
        self.open[session] += 1

    def closes(self, session: str, message: Message) -> bool:
        """Whether this part of a stream says that it ends here."""
        found = CLOSE.search(message.get("body", b"")[:100]) is not None
        if found:
            self.closing[session] = asyncio.Event()
        return found

    async def read(self, receive: Receive) -> None:
        """Wait until the reader has hung up, or long enough."""
        try:
            await asyncio.wait_for(_hung_up(receive), READ)
        except (TimeoutError, asyncio.TimeoutError):
            pass

    def end(self, session: str, early: bool) -> None:
        """early: the reader left before the end."""
        self.open -= Counter([session])
        if closed := self.closing.pop(session, None):
            closed.set()
        if early:
            asyncio.get_running_loop().call_later(BACK, self._left, session, now())

    async def settled(self, body: bytes) -> None:
        """Wait until the stream of the session that this event is of is not about to end."""
        found = SESSION.findall(body)
        if found and (closing := self.closing.get(found[-1].decode("utf-8", "replace"))):
            await closing.wait()

    def _left(self, session: str, at: float) -> None:
        if not self.open[session]:
            self.gone(session, at)


def streamed(scope: Scope) -> str:
    """The session of a stream of answers; "" for other requests."""
    path = str(scope["path"])
    if path == DATA:
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        return asked.get("session_hash", [""])[0]
    if scope["method"] == "GET" and path.startswith(CALL):
        return path.rsplit("/", 1)[1]
    return ""


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
