"""One session with the server over bare HTTP, so that it can be broken off at any point."""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

API = "/gradio_api"
PATIENCE = 300.0  # seconds for one job, with its wait in the queue
Outcome = Literal["finished", "refused", "told", "cancelled", "dropped", "lost"]


@dataclass(frozen=True)
class Answer:
    """What became of one job. said: the sentence of a refusal, or how it was lost.

    seconds: from the question to its end; waited: to its start; after: from a cancel to the end.
    """

    outcome: Outcome
    value: Any = None
    said: str = ""
    seconds: float = 0.0
    waited: float = 0.0
    after: float | None = None


@dataclass(frozen=True)
class Leave:
    """Break a job off some seconds after it was asked for: by a cancel, or by hanging up."""

    seconds: float
    how: Literal["cancel", "hang up"]


class Session:
    """A page's session: an id, a heartbeat for as long as it is open, and questions."""

    def __init__(self, address: str) -> None:
        self.host = urlsplit(address).netloc
        self.hash = secrets.token_hex(8)
        self.ends = {
            d["api_name"]: d["id"] for d in json.loads(self.fetch("/config"))["dependencies"]
        }
        self.pulse = self.connect()
        self.pulse.request("GET", f"{API}/heartbeat/{self.hash}")

    def close(self) -> None:
        """As when the browser's tab is closed."""
        self.pulse.close()

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, timeout=60)

    def fetch(self, path: str) -> bytes:
        """The body of a page; OSError unless it is 200."""
        status, body = self.send("GET", path)
        if status != 200:
            raise OSError(f"{path} gave {status}")
        return body

    def send(self, verb: str, path: str, body: bytes = b"", kind: str = "") -> tuple[int, bytes]:
        with contextlib.closing(self.connect()) as line:
            line.request(verb, path, body or None, {"Content-Type": kind} if kind else {})
            answer = line.getresponse()
            return answer.status, answer.read()

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        status, said = self.send("POST", path, json.dumps(body).encode(), "application/json")
        with contextlib.suppress(ValueError):
            return status, json.loads(said)
        return status, {}

    def upload(self, path: Path) -> dict[str, Any]:
        """A file as the endpoints take it."""
        head, tail, kind = _form(path.name)
        status, said = self.send("POST", f"{API}/upload", head + path.read_bytes() + tail, kind)
        if status != 200:
            raise OSError(f"upload gave {status}: {said[:200]!r}")
        given = {"path": json.loads(said)[0], "orig_name": path.name}
        return {**given, "meta": {"_type": "gradio.FileData"}}

    def abort_upload(self, size: int, sent: int) -> None:
        """Announce so many bytes, send some, and hang up."""
        head, tail, kind = _form("aborted.mp4")
        name, _, port = self.host.partition(":")
        with socket.create_connection((name, int(port or 80)), timeout=30) as line:
            top = (
                f"POST {API}/upload HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: {kind}\r\n"
                f"Content-Length: {len(head) + size + len(tail)}\r\n\r\n"
            )
            line.sendall(top.encode() + head)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                line.sendall(b"\0" * sent)

    def ask(self, end: str, *data: Any, leave: Leave | None = None) -> Answer:
        """A job from beginning to end, or to where it is left."""
        begun = time.monotonic()
        given = {"data": list(data), "fn_index": self.ends[end], "session_hash": self.hash}
        try:
            status, said = self.post(f"{API}/queue/join", **given)
            if status != 200:
                return _refusal(status, said, time.monotonic() - begun)
            return self._follow(said["event_id"], given["fn_index"], begun, leave)
        except (OSError, http.client.HTTPException) as error:
            return Answer("lost", None, f"{type(error).__name__}: {error}"[:200])

    def _follow(self, event: str, index: int, begun: float, leave: Leave | None) -> Answer:
        line = self.connect()
        left: list[float] = []

        def go() -> None:
            left.append(time.monotonic())
            if leave and leave.how == "cancel":
                names = {"fn_index": index, "session_hash": self.hash, "event_id": event}
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self.post(f"{API}/cancel", **names)
            else:
                _hang_up(line)

        waited, end = 0.0, None
        timer = threading.Timer(leave.seconds if leave else PATIENCE, go)
        timer.daemon = True
        with contextlib.closing(line):
            line.request("GET", f"{API}/queue/data?session_hash={quote(self.hash)}")
            timer.start()
            try:
                for message in _messages(line):
                    if message.get("msg") == "process_starts" and message["event_id"] == event:
                        waited = time.monotonic() - begun
                    if _ends(message, event):
                        end = message
                        break
            finally:
                timer.cancel()
        now = time.monotonic()
        if left and leave:
            how: Outcome = "cancelled" if leave.how == "cancel" else "dropped"
            if how == "dropped" or end is not None:
                return Answer(how, None, "", now - begun, waited, now - left[0])
        if left and not leave:
            return Answer("lost", None, f"no answer in {PATIENCE:g} s", now - begun, waited)
        return replace(_answer(end, now - begun), waited=waited)


def _form(name: str) -> tuple[bytes, bytes, str]:
    """What stands before and after the bytes of a file in a form, and the form's type."""
    border = secrets.token_hex(12)
    head = (
        f'--{border}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: video/mp4\r\n\r\n"
    )
    tail = f"\r\n--{border}--\r\n"
    return head.encode(), tail.encode(), f"multipart/form-data; boundary={border}"


def _hang_up(line: http.client.HTTPConnection) -> None:
    with contextlib.suppress(OSError):
        if line.sock:
            line.sock.shutdown(socket.SHUT_RDWR)


def _messages(line: http.client.HTTPConnection) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        answer = line.getresponse()
        while block := answer.readline():
            if block.startswith(b"data:"):
                yield json.loads(block[5:])


def _ends(message: dict[str, Any], event: str) -> bool:
    kind, whose = message.get("msg"), message.get("event_id")
    return kind == "unexpected_error" or (kind == "process_completed" and whose == event)


def _refusal(status: int, said: Any, seconds: float) -> Answer:
    why = str(said.get("detail", "") if isinstance(said, dict) else said)[:200]
    plain = status in (429, 503) and "full" in why.lower()
    return Answer("refused" if plain else "lost", None, why or f"HTTP {status}", seconds)


def _answer(end: dict[str, Any] | None, seconds: float) -> Answer:
    if end is None:
        return Answer("lost", None, "the stream ended without an answer", seconds)
    if end["msg"] == "unexpected_error":
        return Answer("lost", None, str(end.get("message"))[:200], seconds)
    output = end["output"]
    if end["success"] and "data" in output:
        return Answer("finished", (output["data"] or [None])[0], "", seconds)
    said = str(output.get("error") or "")[:200]
    if "full" in said.lower():
        return Answer("refused", None, said, seconds)
    return Answer("told" if said else "lost", None, said or "failed without a word", seconds)
