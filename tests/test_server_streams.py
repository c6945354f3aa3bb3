"""Streams of answers: the end is read before the next begins, and who leaves early is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from app import storage, streams
from app.guard import Guard, Rules
from app.streams import DATA, JOIN

END = b'data: {"msg":"close_stream","event_id":null}\n\n'


def part(body: bytes, more: bool = True) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def server(scope: Scope, receive: Receive, send: Send) -> None:
    """A stream that says its end, or a quiet one that ends when its reader has left."""
    if scope["path"] == JOIN:
        await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == DATA and b"quiet" in scope["query_string"]:
        while (await receive())["type"] != "http.disconnect":
            pass
    elif scope["path"] == DATA:
        await send(part(b"data: {}\n\n"))
        await send(part(END))
    await send(part(b"", more=False))


class Talk:
    """One request to a guard, and what came back."""

    def __init__(self, guard: Guard, path: str, query: str = "", body: bytes = b"") -> None:
        self.hung_up, self.sent = asyncio.Event(), list[Message]()
        self.body: bytes | None = body
        headers = [(b"host", b"localhost"), (b"content-length", str(len(body)).encode())]
        scope: Any = {
            "type": "http", "method": "POST" if path == JOIN else "GET", "path": path,
            "query_string": query.encode(), "headers": headers,
        }  # fmt: skip
        self.over = asyncio.create_task(guard(scope, self.receive, self.send))

    async def receive(self) -> Message:
        if self.body is not None:
            body, self.body = self.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(streams, "BACK", 0.5)
    return []


def run(talk: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """In a thread of its own: the browser's driver has a loop in this one."""
    with ThreadPoolExecutor(1) as beside:
        beside.submit(asyncio.run, talk()).result()


async def said(talk: Talk, many: int) -> None:
    """Until so many messages came back."""
    while len(talk.sent) < many:
        await asyncio.sleep(0.01)


def guarded(gone: list[str]) -> Guard:
    return Guard(
        server, Rules(storage.files()), lambda: True, lambda session, at: gone.append(session)
    )


def test_an_event_is_answered_after_the_end_of_the_stream_before_it_was_read(
    gone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk() -> None:
        guard = guarded(gone)
        stream = Talk(guard, DATA, "session_hash=a%20b")
        await said(stream, 3)
        assert stream.sent[-1]["body"] == END and not stream.over.done()
        words = b'{"data": ["\\"session_hash\\":\\"x\\""], "session_hash":"a b"}'
        same = Talk(guard, JOIN, body=words)
        await Talk(guard, JOIN, body=b'{"session_hash":"c"}').over
        assert not same.sent
        stream.hung_up.set()
        await same.over
        assert same.sent[0]["status"] == 200
        await asyncio.sleep(1)

    monkeypatch.setattr(streams, "READ", 60)
    run(talk)
    assert not gone


def test_a_reader_that_never_hangs_up_is_not_waited_for_long(
    gone: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk() -> None:
        guard = guarded(gone)
        stream = Talk(guard, DATA, "session_hash=a")
        await said(stream, 3)
        event = Talk(guard, JOIN, body=b'{"session_hash":"a"}')
        await asyncio.wait_for(asyncio.gather(stream.over, event.over), 30)
        assert not stream.sent[-1]["more_body"]

    monkeypatch.setattr(streams, "READ", 0.2)
    run(talk)
    assert not gone


@pytest.mark.parametrize("back", [True, False])
def test_who_leaves_before_the_end_is_gone_unless_they_come_back(
    gone: list[str], back: bool
) -> None:
    async def talk() -> None:
        guard = guarded(gone)
        stream = Talk(guard, DATA, "session_hash=a&quiet")
        await said(stream, 1)
        stream.hung_up.set()  # and the server ends the stream as if it were whole
        await stream.over
        again = Talk(guard, DATA, "session_hash=a&quiet") if back else None
        await asyncio.sleep(1)
        assert gone == ([] if back else ["a"])
        if again:
            again.hung_up.set()
            await again.over

    run(talk)
