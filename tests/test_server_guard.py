"""What stands before every route, asked at the app itself and over a socket."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from starlette.responses import HTMLResponse, JSONResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from app import storage
from app.access import VARIABLE, accounts, door
from app.guard import API, OPEN_API, UPLOAD, Guard, Rules, offered, welcome
from app.launch import rules
from app.problems import DISK
from tests.waiting import until

POSTS = [f"{API}{path}" for path in OPEN_API["POST"][0]] + ["/login"]
POSTS += [f"{API}{path}predict" for path in OPEN_API["POST"][1]]
SECRET = "a planted secret"
PART = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\n'


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


def asked(
    address: str, method: str, path: str, headers: dict[str, str], body: Any = None
) -> tuple[int, dict[str, str], bytes]:
    """The answer to a request with headers of our own, Host too, and a path as it is."""
    at = urlsplit(address)
    link = http.client.HTTPConnection(at.hostname or "", at.port or 0, timeout=60)
    try:
        link.request(method, path, body, headers, encode_chunked=body is not None and bool(
            headers.get("Transfer-Encoding")))  # fmt: skip
        answer = link.getresponse()
        told = {k.lower(): v for k, v in answer.getheaders()}
        return answer.status, told, answer.read()
    finally:
        link.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("10.0.0.1", 421),
        ("", 421),
        ("[", 421),
    ],
)
def test_the_server_answers_to_its_own_names_alone(address: str, host: str, status: int) -> None:
    assert asked(address, "GET", "/config", {"Host": host})[0] == status


@pytest.mark.parametrize(
    ("names", "host", "yes"),
    [
        ({"team.example"}, "team.example:443", True),
        ({"team.example"}, "TEAM.example.", True),
        ({"team.example"}, "other.example", False),
        ({"*.gradio.live"}, "abc.gradio.live", True),
        ({"*.gradio.live"}, "gradio.live.evil.example", False),
        ({"*"}, "any.example", True),
    ],
)
def test_names_can_be_allowed(names: set[str], host: str, yes: bool) -> None:
    assert welcome(host, Rules(Path("."), frozenset(names))) is yes


def test_a_wider_address_answers_to_addresses_and_a_link_to_its_own_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not welcome("10.0.0.1", rules("127.0.0.1"))
    assert not welcome("x.gradio.live", rules("127.0.0.1"))
    assert welcome("x.gradio.live", rules("127.0.0.1", share=True))
    for host in ("0.0.0.0", "::"):
        assert welcome("10.0.0.1", rules(host)) and welcome("[fd00::1]:80", rules(host))
        assert not welcome("evil.example", rules(host))
    monkeypatch.setenv("SPACE_HOST", "me-fusionscope.hf.space")
    monkeypatch.setenv("SPACE_ID", "me/fusionscope")
    space = rules("0.0.0.0")
    assert welcome("me-fusionscope.hf.space", space)
    assert space.frames == ("https://huggingface.co",)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),  # a program; no session is named
        ({"Origin": "OWN"}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 400),
    ],
)
def test_no_other_site_may_ask(address: str, headers: dict[str, str], status: int) -> None:
    own = {k: address.rstrip("/") if v == "OWN" else v for k, v in headers.items()}
    sent = json.dumps({"data": [], "fn_index": 0})
    own |= {"Content-Type": "application/json"}
    assert asked(address, "POST", f"{API}queue/join", own, sent)[0] == status


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_refused_on_every_route(address: str, path: str, chunked: bool) -> None:
    size = 60 * 2**20 if "upload" not in path else 300 * 2**20
    kind, start = "application/json", b'{"data": ["'
    if "upload" in path:
        kind, start = "multipart/form-data; boundary=b", PART
    elif path == "/login":
        kind, start = "application/x-www-form-urlencoded", b"username="
    headers = {"Content-Type": kind}

    def body() -> Iterator[bytes]:
        yield start
        for _ in range(size >> 20):
            yield b"x" * 2**20

    how = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
    try:
        status, _, said = asked(address, "POST", path, headers | how, body() if chunked else b"{")
    except (BrokenPipeError, ConnectionResetError):
        return  # it hung up before all was sent
    assert status == 413 and re.search(b"larger than|maximum allowed size", said)


@pytest.mark.parametrize("length", ["-1", "1e9", "x"])
def test_an_odd_length_is_refused(length: str) -> None:
    headers = {"content-length": length, "host": "localhost"}
    assert answer(hello, "POST", f"{API}cancel", headers).status_code == 413


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse("hello")(scope, receive, send)


def answer(
    app: Any, method: str = "GET", path: str = "/", headers: dict[str, str] | None = None
) -> Any:
    guard = Guard(app, Rules(storage.files()), lambda: False, lambda session, at: None)
    client = TestClient(guard, base_url="http://localhost", raise_server_exceptions=False)
    return client.request(method, path, headers=headers)


def test_only_the_routes_of_the_page_are_offered(address: str) -> None:
    known: tuple[str, ...] = (
        "dev/reload",
        "proxy=http://127.0.0.1/",
        "component_server",
        "stream/x",
        "vibe-edit/",
    )
    known += ("process_recording", "run-history/records", "deep_link", "custom_component/a/b/c/d")
    for path in (*(f"{API}{p}" for p in known), "/monitoring", "/docs", "/svelte/x", "/nothing"):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            assert not offered(method, path)
        assert asked(address, "GET", path, {})[0] == 404


def test_only_files_of_ours_are_served(address: str, secret: Path) -> None:
    files = storage.files()
    (files / "mine").mkdir(exist_ok=True)
    mine = files / "mine" / "clip.bin"
    mine.write_bytes(b"ours")
    link = files / "mine" / "link.txt"
    link.unlink(missing_ok=True)
    link.symlink_to(secret)
    status, _, got = asked(address, "GET", f"{API}file={mine}", {})
    assert (status, got) == (200, b"ours")
    climbing = f"{files}/mine/../../../{secret.relative_to('/')}"
    wanted = [secret, link, files, climbing, "app.py", "http://127.0.0.1/x", "/etc/passwd\0"]
    wanted += [storage.root() / "lock", Path(__file__), "/proc/self/environ"]
    for path in wanted:
        for spelt in (
            quote(str(path)),
            quote(str(path), safe=""),
            str(path).replace("..", "%2e%2e"),
        ):
            if any(ord(c) <= 32 for c in spelt):
                continue
            status, _, got = asked(address, "GET", f"{API}file={spelt}", {})
            assert status in (403, 404, 400) and SECRET.encode() not in got, spelt


def forged(path: str) -> dict[str, Any]:
    return {"path": path, "orig_name": "a.mp4", "meta": {"_type": "gradio.FileData"}}


def test_a_forged_file_is_not_read(address: str, secret: Path) -> None:
    """Every handler that takes a file is given one of the server's own, by path and by link."""
    config = httpx.get(f"{address}config").json()
    kinds = {c["id"]: c["type"] for c in config["components"]}
    tried = 0
    with httpx.Client(base_url=address, timeout=60) as client:
        for event in config["dependencies"]:
            places = [i for i, c in enumerate(event["inputs"]) if kinds.get(c) == "file"]
            named = event["api_name"] == "analyse"
            if not (places or named) or not event["backend_fn"]:
                continue
            for path in (str(secret), f"http://{urlsplit(address).netloc}/config", "../" * 9):
                data: list[Any] = [None] * len(event["inputs"])
                for i in places or [0]:
                    data[i] = forged(path)
                said = joined(client, event["id"], data)
                assert SECRET not in said and str(secret.parent) not in said.replace(path, "")
                assert '"success":false' in said.replace(" ", ""), (event["api_name"], said)
                tried += 1
    assert tried >= 6


def joined(client: httpx.Client, number: int, data: list[Any]) -> str:
    """All that the server says to one event."""
    sent = {"data": data, "fn_index": number, "session_hash": os.urandom(8).hex()}
    client.post(f"{API}queue/join", json=sent).raise_for_status()
    said = ""
    with client.stream(
        "GET", f"{API}queue/data", params={"session_hash": str(sent["session_hash"])}
    ) as s:
        for line in s.iter_lines():
            said += line
            if "process_completed" in line:
                break
    return said


def test_the_page_has_a_policy_under_which_no_other_script_runs(address: str) -> None:
    _, headers, html = asked(address, "GET", "/", {"Accept-Encoding": "identity"})
    policy = headers["content-security-policy"]
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert "unsafe-inline" not in script and script.count("'sha256-") >= 3
    assert "default-src 'none'" in policy and "frame-ancestors 'self'" in policy
    assert "connect-src 'self' data: blob:" in policy and b"<script>" in html
    assert headers["x-content-type-options"] == "nosniff"
    _, headers, _ = asked(address, "GET", "/config", {})
    assert "sha256" not in headers["content-security-policy"]


def test_a_page_in_pieces_keeps_its_bytes() -> None:
    html = "<script>one()</script>" + "é" * 5000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raw = html.encode()
        headers = HTMLResponse(html).raw_headers
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for i in range(0, len(raw), 999):
            await send({"type": "http.response.body", "body": raw[i : i + 999], "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    got = answer(app)
    assert got.text == html and re.search(
        "sha256-[^']{44}'", got.headers["content-security-policy"]
    )


@pytest.mark.parametrize(("ready", "status"), [(False, 503), (True, 200)])
def test_health(ready: bool, status: int) -> None:
    guard = Guard(hello, Rules(storage.files()), lambda: ready, lambda session, at: None)
    client = TestClient(guard, base_url="http://10.1.2.3")
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == status


def test_a_full_disk_is_a_sentence() -> None:
    async def full(scope: Scope, receive: Receive, send: Send) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    got = answer(full)
    assert got.status_code == 507 and got.json()["detail"] == DISK
    got = answer(full, "POST", UPLOAD)  # its page shows the whole answer
    assert got.status_code == 507 and got.text == DISK


@pytest.mark.parametrize(
    "breaks", [lambda s: s.close(), lambda s: s.shutdown(socket.SHUT_WR)], ids=["gone", "silent"]
)
def test_what_came_of_an_upload_that_is_broken_off_is_removed(
    address: str, breaks: Callable[[socket.socket], None]
) -> None:
    at = urlsplit(address)
    before = set(storage.files().iterdir())
    with socket.create_connection((at.hostname or "", at.port or 0)) as link:
        link.sendall(
            f"POST {API}upload HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length: 9999999\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode()
            + PART
            + b"x" * 300_000
        )
        while not (parts := set(storage.files().iterdir()) - before):
            pass
        breaks(link)
    until(lambda: not parts & set(storage.files().iterdir()), 10)


def test_passwords_come_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert accounts(None) == {}
    path = tmp_path / "team"
    path.write_text("ada:se:cret\n\n bob:b \n")
    assert accounts(str(path)) == {"ada": "se:cret", "bob": "b"}
    monkeypatch.setenv(VARIABLE, "eve:e")
    assert accounts(None) == {"eve": "e"}
    path.write_text("ada\n")
    with pytest.raises(ValueError, match="name:password on each line"):
        accounts(str(path))
    path.write_text("\n")
    for wrong in (path, tmp_path / "none"):
        with pytest.raises(ValueError, match=r"There is no|cannot be read"):
            accounts(str(wrong))


async def _asked(opens: Callable[[str, str], Awaitable[bool]], *given: str) -> bool:
    return await opens(*given)


def test_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.access.PAUSE", 0)
    opens = door({"ada": "secret", "bob": "other"})
    for name, word, yes in (
        ("ada", "secret", True), ("bob", "other", True), ("ada", "other", False),
        ("eve", "secret", False), ("", "", False), ("ada", "sécret", False),
    ):  # fmt: skip
        assert asyncio.run(_asked(opens, name, word)) is yes
