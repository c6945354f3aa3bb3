"""Good files of every kind that is read, made where they are needed, and others from a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from core_models.caam import CAAM, CAAMConfig
from core_models.checkpoint import save_model
from core_models.clip import Modality
from core_models.mbt import MBT, MBTConfig
from core_models.reference import FILE, Reference, save_reference
from tests.media_files import even, make_clip, tone

SMALL = (32, 24)
MOST = 300_000  # bytes of a file from outside
SRT = (
    "1\n00:00:00,000 --> 00:00:01,500\n<i>Hello</i> {\\an8}world &amp; all\n\n"
    "2\n0:0:2 --> 0:0:3\nb\n"
)
VTT = (
    "WEBVTT\n\nNOTE x\n\nSTYLE\n::cue{}\n\na\n00:00.000 --> 00:01.500 align:start\n<v Ann>Hi <b>you"
    "</b>\n\n01:00:02.000 --> 01:00:03.000\n<00:00:02.500>later\n"
)
ASS = "[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01.00,0:00:02.00,{\\i1}x\\Ny\n"
CAAM_SMALL = CAAMConfig(("music", "people"), width=8, heads=2, feature_widths=(3, 2, 3))
MBT_SMALL = MBTConfig(
    ("red one", "blue two"), frames=2, image_size=8, patch=4, mel_bands=8, mel_frames=8,
    audio_patch=(8, 4), audio_stride=(8, 4), width=8, heads=2, depth=2, frame_layers=0,
    fusion_layer=1, bottlenecks=1,
)  # fmt: skip


def clips(folder: Path) -> dict[str, bytes]:
    """Small clips by file name: each container, with sound and words where it takes them."""
    times, small = even(0.5, 8), tone(0.5, 16_000)
    cues = ((0.0, 0.2, "hello"), (0.2, 0.5, "there"))

    def make(name: str, sound: str = "aac", **other: Any) -> None:
        make_clip(folder / name, times, size=SMALL, layout="mono", sound_codec=sound, **other)

    make("a.mp4", wave=small, rate=16_000, cues=cues)
    make("b.mp4", codec="mpeg4")
    make("c.mkv", "flac", codec="ffv1", wave=small, rate=16_000)
    make("d.avi", "pcm_s16le", codec="mjpeg", pixels="yuvj420p", wave=small, rate=16_000)
    make("e.ts", "mp2", wave=small, rate=16_000)
    make("f.webm", "libopus", codec="libvpx", wave=tone(0.5, 48_000), rate=48_000)
    _gif(folder / "g.gif")
    return {path.name: path.read_bytes() for path in sorted(folder.glob("?.*"))}


def subtitles() -> dict[str, bytes]:
    """Subtitle files by name."""
    return {
        "a.srt": SRT.encode(), "b.vtt": VTT.encode(), "c.srt": ASS.encode(),
        "d.srt": SRT.encode("utf-16"), "e.vtt": "é".join(VTT).encode("cp1252"),
    }  # fmt: skip


def checkpoints(folder: Path) -> dict[str, Path]:
    """Whole checkpoint folders of small models, by architecture."""
    made = {"caam": folder / "caam", "mbt": folder / "mbt"}
    save_model(CAAM(CAAM_SMALL, towers=False), made["caam"])
    save_model(MBT(MBT_SMALL), made["mbt"])
    axes = torch.eye(4)
    mean: dict[Modality, Tensor] = {"video": axes[0]}
    known = Reference(mean, {"video": axes}, {"video": axes[0]})
    save_reference(known, made["caam"])
    return made


def parts(folder: Path) -> dict[str, bytes]:
    """The files of the checkpoints, by ``architecture/name``."""
    names = ("config.json", "model.safetensors", FILE)
    return {
        f"{kind}/{name}": (where / name).read_bytes()
        for kind, where in checkpoints(folder).items()
        for name in names
        if (where / name).is_file()
    }


def outside(folder: Path | None, suffixes: frozenset[str]) -> dict[str, bytes]:
    """Files of a folder that somebody else filled; large ones are left out."""
    found = sorted(folder.rglob("*")) if folder else []
    return {
        f"{i}{path.suffix.lower()}": path.read_bytes()
        for i, path in enumerate(found)
        if path.suffix.lower() in suffixes and path.is_file() and path.stat().st_size <= MOST
    }


def _gif(path: Path) -> None:
    first, *others = [Image.new("L", SMALL, 60 * number) for number in range(4)]
    first.save(path, save_all=True, append_images=others, duration=125)
