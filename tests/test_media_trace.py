"""What the decoder process really opens, as the system sees it: the clip, and nothing else."""

from __future__ import annotations

import csv
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from core_models import conversation
from core_models.media import MediaError, load_clip, preview
from tests.media_files import even, make_clip, tone
from tests.test_media_corpus import SHARED

STRACE = shutil.which("strace")
SECRET = "planted-secret"
PACKAGES = conversation.environment()["PYTHONPATH"].split(os.pathsep)
SYSTEM = ("/proc/", "/sys/", "/dev/", sys.prefix, sys.base_prefix, *PACKAGES)
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n"
NETWORK = "http://127.0.0.1:9/clip.ts"
DASH = """<?xml version="1.0"?>
<!DOCTYPE MPD [<!ENTITY x SYSTEM "file://{0}">]>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S">
<BaseURL>{0}</BaseURL><Period><AdaptationSet mimeType="video/mp4"><Representation id="&x;"
bandwidth="1"><BaseURL>{0}</BaseURL></Representation></AdaptationSet></Period></MPD>
"""
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"
# What points elsewhere, by the name that hides it; {} is a file that must stay closed.
LURES = {
    "hls.mp4": PLAYLIST,
    "hls.ts": PLAYLIST,
    "hls-near.ts": PLAYLIST.replace("{}", f"{SECRET}.ts"),
    "hls-file.mp4": PLAYLIST.replace("{}", "file://{}"),
    "hls-concat.mp4": PLAYLIST.replace("{}", "concat:{}|{}"),
    "hls-subfile.mp4": PLAYLIST.replace("{}", "subfile,,start,0,end,9,,:{}"),
    "hls-http.mp4": PLAYLIST.replace("{}", NETWORK),
    "hls-key.mp4": PLAYLIST.replace("#EXTINF", '#EXT-X-KEY:METHOD=AES-128,URI="{}"\n#EXTINF'),
    "ffconcat.mp4": "ffconcat version 1.0\nfile '{}'\n",
    "ffconcat-http.mp4": f"ffconcat version 1.0\nfile {NETWORK}\n",
    "dash.mp4": DASH,
    "sdp.mp4": SDP,
    "asx.mp4": '<asx version="3.0"><entry><ref href="{}"/></entry></asx>',
    "smil.mp4": '<smil><body><video src="{}"/></body></smil>',
    "ram.mp4": "rtsp://127.0.0.1:9/clip\n",
    "vobsub.mp4": "# VobSub index file, v7\nid: en, index: 0\n",
}

pytestmark = [
    pytest.mark.skipif(STRACE is None, reason="strace is not installed"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="strace is for Linux"),
]


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for the log of every decoder that is started from here on."""
    logs = tmp_path / "logs"
    logs.mkdir()
    script = tmp_path / "python"
    script.write_text(
        f"#!/bin/sh\nexec {STRACE} -f -qq --seccomp-bpf -s 4096 -e trace=%file,%network "
        f'-o {logs}/$$ {sys.executable} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))
    return logs


def opened(logs: Path) -> list[list[str]]:
    """The calls of each decoder that name files or sockets."""
    return [log.read_text(errors="replace").splitlines() for log in sorted(logs.iterdir())]


def check(calls: list[str], clip: Path, written: str = "nothing") -> None:
    """From where the clip is first opened, no call names another file but Python's own libraries,
    and none writes; never is there a socket.
    """
    assert not [c for c in calls if re.search(r"\b(socket|connect|bind|sendto)\(", c)]
    assert not [c for c in calls if SECRET in c or "passwd" in c.replace(str(clip), "")]
    first = next(i for i, c in enumerate(calls) if str(clip) in c and "open" in c)
    for call in calls[first:]:
        names = re.findall(r'"((?:[^"\\]|\\.)+)"', call)
        assert all(n in (str(clip), written) or n.startswith(SYSTEM) for n in names), call
        if written not in names and re.search("O_WRONLY|O_RDWR|O_CREAT|unlink|rename", call):
            raise AssertionError(call)


def look(path: Path) -> str:
    """What becomes of a file: "" where it is read, else the sentence."""
    try:
        load_clip(path)
    except MediaError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", LURES)
def test_a_file_that_points_elsewhere_is_all_that_is_opened(
    name: str, traced: Path, tmp_path: Path
) -> None:
    secret = make_clip(tmp_path / f"{SECRET}.ts", even(2, 10))
    path = tmp_path / name
    path.write_text(LURES[name].replace("{}", str(secret)).replace("{0}", str(secret)))
    assert "not a video" in look(path)
    (calls,) = opened(traced)
    check(calls, path)


def elsewhere(path: Path, secret: Path) -> Path:
    """Make an MP4 say that its picture lies in another file (an alias in its data references)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"dref") - 4
    target = str(secret).encode()
    alias = b"\0\0\0\0" + b"\0\0" + b"\0\2" + bytes(10) + bytes(32) + b"\0" * 4  # kind: a file
    name = secret.name.encode()[:63]
    alias += bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    alias += b"\0\1\0\1" + bytes(14)
    for tag in (2, 18):  # the path, in two ways
        alias += tag.to_bytes(2, "big") + len(target).to_bytes(2, "big") + target
        alias += b"\0" * (len(target) % 2)
    alias += b"\xff\xff\0\0"
    entry = (12 + len(alias)).to_bytes(4, "big") + b"alis" + bytes(4) + alias
    box = (16 + len(entry)).to_bytes(4, "big") + b"dref" + bytes(4) + b"\0\0\0\1" + entry
    old = int.from_bytes(data[at : at + 4], "big")
    for kind in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        size = data.index(kind) - 4
        grown = int.from_bytes(data[size : size + 4], "big") + len(box) - old
        data[size : size + 4] = grown.to_bytes(4, "big")
    data[at : at + old] = box
    path.write_bytes(data)
    return path


def test_a_film_in_another_file_is_not_fetched(traced: Path, tmp_path: Path) -> None:
    secret = make_clip(tmp_path / f"{SECRET}.mp4", even(2, 10))
    path = elsewhere(make_clip(tmp_path / "a.mov", even(2, 10)), secret)
    assert str(secret).encode() in path.read_bytes()
    look(path)
    (calls,) = opened(traced)
    check(calls, path)


def test_a_clip_is_all_that_is_opened(traced: Path, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", even(2, 10), wave=tone(2, 44100))
    assert look(path) == ""
    (calls,) = opened(traced)
    check(calls, path)
    assert [c for c in calls if "a.mp4" in c]  # the log sees what is opened


def test_a_preview_writes_its_own_file_alone(traced: Path, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mkv", even(2, 10), wave=tone(2, 44100))
    preview(path, tmp_path / "out.mp4")
    (calls,) = opened(traced)
    check(calls, path, written=str(tmp_path / "out.mp4.part"))


def lures() -> list[str]:
    """The files of the corpora that point elsewhere."""
    out = []
    for table in sorted(SHARED.glob("bad_media*/EXPECTED.tsv")):
        with table.open(newline="", encoding="utf-8") as file:
            out += [
                f"{table.parent.name}/{row['file']}"
                for row in csv.DictReader(file, delimiter="\t")
                if row["category"] in ("ssrf", "xss") or "NO file" in row["expected"]
            ]
    return out


@pytest.mark.skipif(not lures(), reason="no corpus of bad media beside the project")
def test_the_files_of_the_corpus_that_point_elsewhere(traced: Path) -> None:
    for name in lures():
        path = SHARED / name
        look(path)
        for log in traced.iterdir():
            check(log.read_text(errors="replace").splitlines(), path)
            log.unlink()
