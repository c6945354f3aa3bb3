"""What is measured on: a clip made here, the shipped models, and what they found once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import torch

from core_models.clip import Clip
from core_models.interface import FusionModel, Inputs, Model, Output
from core_models.media import load_clip
from core_models.registry import load
from explain.analysis import Analysis, analyse
from explain.question import Question
from explain.targets import target
from tests.media_files import even, make_clip, tone

SECONDS, FPS, SIZE = 10, 25, (640, 360)
TEXT = "a man plays the drums and a crowd sings along in a dark hall"


@dataclass(frozen=True, eq=False)
class Stage:
    """folder: where files may be made."""

    folder: Path
    device: torch.device

    @cached_property
    def file(self) -> Path:
        """Ten seconds of picture and sound."""
        path = self.folder / "ten.mp4"
        return path if path.exists() else film(path, SECONDS)

    @cache  # noqa: B019
    def model(self, name: str) -> Model:
        return load(name, self.device)

    @cache  # noqa: B019
    def clip(self, frames: int) -> Clip:
        return load_clip(self.file, TEXT, frames=frames)

    @cache  # noqa: B019
    def analysis(self, name: str) -> Analysis:
        model = self.model(name)
        return analyse(model, self.clip(model.frames))

    def question(self, name: str) -> Question:
        """A new one each time: nothing is known yet."""
        analysis = self.analysis(name)
        return Question(analysis, target("auto", analysis))


def film(path: Path, seconds: int, size: tuple[int, int] = SIZE) -> Path:
    """A clip whose frames differ, with key frames every two seconds."""
    return make_clip(path, even(seconds, FPS), size=size, wave=tone(seconds, 44100),
                     options={"preset": "veryfast", "g": str(2 * FPS)})  # fmt: skip


@torch.no_grad()
def full(model: FusionModel, inputs: Inputs) -> Output:
    """One full pass: the towers, then the fusion."""
    return model.fuse(model.encode(inputs))
