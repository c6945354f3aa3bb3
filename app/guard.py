"""What stands before every route: who may ask, for what, and how much may be sent."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.policy import page_policy, policy
from app.problems import DISK, FULL
from app.storage import remove_parts
from app.streams import JOIN, Streams, streamed

API = "/gradio_api/"
UPLOAD = f"{API}upload"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Routes = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]  # by method: exact, and beginnings
PAGE = "/ /config /config/ /theme.css /favicon.ico /robots.txt /manifest.json /pwa_icon /logout"
ASKED = (
    "user login_check app_id info info/ openapi.json theme.css startup-events upload_progress "
    "queue/data queue/status"
)
OPEN: Routes = {
    "GET": (tuple(PAGE.split()), ("/assets/", "/static/", "/pwa_icon/")),
    "POST": (("/login", "/login/"), ()),
}
OPEN_API: Routes = {
    "GET": (tuple(ASKED.split()), ("heartbeat/", "file=", "call/")),
    "POST": (("queue/join", "cancel", "upload", "reset", "reset/"), ("run/", "call/", "api/")),
}


@dataclass(frozen=True)
class Rules:
    """hosts: names under which the server may be asked, `*.name` for all below one, `*` for any.

    addresses: it may be asked by a bare IP address too. frames: sites that may show the page in
    theirs. files: the folder that files are served from. upload, body: bytes of an upload, and of
    any other request. patience: seconds between two parts of a request.
    """

    files: Path
    hosts: frozenset[str] = frozenset()
    addresses: bool = False
    frames: tuple[str, ...] = ()
    upload: int = 200 * 2**20
    body: int = 2**20
    patience: float = 60.0


class TooLargeError(Exception):
    """More was sent than may be."""


class Guard:
    """Middleware. ready: whether the models are loaded; gone: told the session of a stream of
    answers that its reader left before the end, and when, by the monotonic clock.
    """

    def __init__(
        self,
        app: ASGIApp,
        rules: Rules,
        ready: Callable[[], bool],
        gone: Callable[[str, float], None],
    ) -> None:
        self.app, self.rules, self.ready = app, rules, ready
        self.streams = Streams(gone)
        self.uploads = 0  # under way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            answer = self.health(scope) or refusal(scope, self.rules)
            protected = _hardened(scope, send, self.rules)
            if answer is not None:
                await answer(scope, receive, protected)
            else:
                await self._bounded(scope, receive, protected)

    def health(self, scope: Scope) -> Response | None:
        """Live when it answers at all; ready when the models are loaded."""
        if scope["path"] == "/healthz":
            return PlainTextResponse("live\n")
        if scope["path"] == "/readyz":
            return PlainTextResponse(*(("ready\n",) if self.ready() else ("loading\n", 503)))
        return None

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, as long as its body and pauses are not too long."""
        most, had, whole = _most(scope, self.rules), 0, scope["method"] != "POST"
        begun, ended, left, session = False, False, False, streamed(scope)
        answer: Response | None = None
        event = b"" if scope["path"] == JOIN else None  # what was sent of it
        if session:
            self.streams.begin(session)
        uploads = scope["path"] == UPLOAD
        self.uploads += uploads

        async def read() -> Message:
            nonlocal had, whole, answer, event, left
            try:
                patience = None if whole else self.rules.patience
                message = await asyncio.wait_for(receive(), patience)
            except (TimeoutError, asyncio.TimeoutError):
                answer = refused(408, "The request stopped halfway; send it again.", uploads)
                raise TooLargeError from None
            had += len(message.get("body", b""))
            whole = not message.get("more_body")
            left = left or message["type"] == "http.disconnect"
            if had > most:
                answer = refused(413, too_large(most), uploads)
                raise TooLargeError
            if event is not None:
                event += message.get("body", b"")
            return message

        async def write(message: Message) -> None:
            nonlocal begun, ended
            if answer is not None and not begun:
                return
            if not begun and event is not None:
                await self.streams.settled(event)
            last = message["type"] == "http.response.body" and not message.get("more_body")
            if last and ended:
                await self.streams.read(receive)
            begun = True
            if session and not left:
                ended = self.streams.closes(session, message) or last or ended
            await send(message)

        try:
            await self.app(scope, read, write)
        except (TooLargeError, ClientDisconnect):
            pass  # told below, or gone
        except OSError as error:
            if error.errno not in FULL or begun:
                raise
            answer = refused(507, DISK, uploads)
        finally:
            if session:
                self.streams.end(session, early=begun and not ended)
            self.uploads -= uploads
            if uploads and not self.uploads:
                remove_parts(self.rules.files)  # whole files have been moved on
        if answer is not None and not begun:
            await answer(scope, receive, send)


def refusal(scope: Scope, rules: Rules) -> Response | None:
    """Why a request is not passed on; None where it is."""
    headers, path = Headers(scope=scope), scope["path"]
    host = headers.get("host", "")
    if not welcome(host, rules):
        return refused(
            421,
            f"This server does not answer to the name “{name(host)[:80]}”; "
            "whoever runs it can allow it with --allow-host.",
        )
    if not _own(headers, path, host, rules):
        return refused(403, "Another site may not use this server; open its own page.")
    if not offered(scope["method"], path):
        return refused(404, "There is nothing here.")
    if path.startswith(f"{API}file=") and not served(path, rules.files):
        return refused(403, "This file is not served.")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > _most(scope, rules):
        return refused(413, too_large(_most(scope, rules)), path == UPLOAD)
    return None


def name(host: str) -> str:
    """The name in a Host header or an origin's host:port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def welcome(host: str, rules: Rules) -> bool:
    """Whether the server may be asked under this name; an IP address no other site can borrow."""
    asked = name(host)
    if "*" in rules.hosts or asked in LOOPBACK or asked in rules.hosts:
        return True
    if any(h.startswith("*.") and asked.endswith(h[1:]) for h in rules.hosts):
        return True
    try:
        ipaddress.ip_address(asked)
    except ValueError:
        return False
    return rules.addresses


def _own(headers: Headers, path: str, host: str, rules: Rules) -> bool:
    """Whether the page itself asks, or a program; no page of another site."""
    origin = headers.get("origin")
    if origin is not None:
        from_ = urlsplit(origin).netloc if "://" in origin else ""
        return bool(from_) and (from_ == host or name(from_) in rules.hosts)
    site = headers.get("sec-fetch-site", "none")
    return site in ("none", "same-origin") or not path.startswith(API)


def offered(method: str, path: str) -> bool:
    """Whether this route is one of those that the page and its clients need."""
    known, asked = (OPEN_API, path[len(API) :]) if path.startswith(API) else (OPEN, path)
    exact, below = known.get("GET" if method == "HEAD" else method, ((), ()))
    return asked in exact or asked.startswith(below)


def served(path: str, files: Path) -> bool:
    """Whether a path after ``file=`` is a file of ours, links resolved."""
    asked = unquote(path.partition("file=")[2])
    try:
        found = Path(asked).resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return False
    return found.is_file() and found.is_relative_to(files.resolve())


def refused(status: int, why: str, plain: bool = False) -> Response:
    """One sentence, as the page and its clients read it; plain where the page shows all."""
    headers = {"connection": "close"} if status == 413 else None
    if plain:
        return PlainTextResponse(why, status, headers)
    return JSONResponse({"detail": why, "error": HTTPStatus(status).phrase}, status, headers)


def too_large(most: int) -> str:
    return f"This is larger than the {most / 2**20:.0f} MB that may be sent here."


def _most(scope: Scope, rules: Rules) -> int:
    return rules.upload if scope["path"] == UPLOAD else rules.body


def _hardened(scope: Scope, send: Send, rules: Rules) -> Send:
    """Answers with the headers that keep a browser careful; the page is looked through first."""
    kept: list[Message] = []

    async def write(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
            headers["Content-Security-Policy"] = policy(rules.frames)
            if headers.get("content-type", "").startswith("text/html"):
                kept.append(message)
                return
        elif kept:
            kept.append(message)
            if message.get("more_body"):
                return
            html = b"".join(part.get("body", b"") for part in kept[1:])
            MutableHeaders(scope=kept[0])["Content-Security-Policy"] = page_policy(
                html, rules.frames
            )
            waiting, kept[:] = kept[:], []
            for part in waiting:
                await send(part)
            return
        await send(message)

    return write
