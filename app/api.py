"""What other programs may ask of the server: named endpoints with typed answers.

The types are read as the server starts, so they are not put off here.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import gradio as gr
import torch
from gradio import FileData
from gradio.events import api
from gradio.utils import get_upload_folder

from app.answers import Analysed, Attributed, Compared, analysed, attributed, changed, lists
from app.problems import sentence
from app.session import Run, Runs, begin, exported, reasoned, switched
from core_models.checkpoint import CheckpointError
from core_models.clip import MODALITIES
from core_models.interface import Decoding
from core_models.media import MediaError, load_clip
from core_models.registry import load
from explain.analysis import Analysis, NothingToReadError
from explain.attribution import Attribution
from explain.cli.asking import attributions
from explain.cli.command import read
from explain.compare import CompareError, changes, difference
from explain.methods.registry import find
from explain.targets import target as aimed

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Endpoints:
    """The functions behind the endpoints, over the runs of the page."""

    runs: Runs
    device: torch.device
    models: tuple[str, ...]

    def analyse(
        self,
        clip: FileData,
        text: str = "",
        model: str = "",
        without: list[str] | None = None,
        start: float = 0.0,
        length: float | None = None,
    ) -> Analysed:
        """What a model answers for a clip. model: one of the page's; empty: its first."""
        model = model or self.models[0]
        if model not in self.models:
            raise CheckpointError(
                f"There is no model “{model}” here; name one of: {', '.join(self.models)}."
            )
        path, chosen = uploaded(clip), load(model, self.device)
        made = load_clip(path, text, None, chosen.frames, start=start, length=length)
        kept = {
            "clip": path.name, "model": model, "text": text, "start": start, "length": length,
            "subtitles": None, "frames": chosen.frames, "device": self.device.type,
            "captioned_by": None, **asdict(Decoding()),
        }  # fmt: skip
        run = begin(chosen, made, path, self.runs.folder(), kept_on(without), kept)
        self.runs.put(run)
        return analysed(run)

    def attribute(
        self,
        run: str,
        method: str,
        target: str = "auto",
        settings: dict[str, Any] | None = None,
    ) -> Attributed:
        """Why the target has its score. target: auto, a label, “A rather than B”, word:3."""
        asked = self._run(run)
        found = explained(asked.now, method, target, settings or {})
        used = "-".join(f"{k}-{v}" for k, v in found.settings.items())
        key = "".join(
            c if c.isalnum() else "-" for c in f"api-{method}-{found.target.asked}-{used}"
        )
        self.runs.change(run, lambda now: reasoned(now, asked.now, found, key[:100]))
        return attributed(run, found, asked.now)

    def compare(
        self,
        first: str,
        second: str = "",
        without: list[str] | None = None,
        method: str = "",
        target: str = "auto",
        settings: dict[str, Any] | None = None,
    ) -> Compared:
        """Two runs: the change of every label, and of the scores of a method where one is named.

        Without a second run it is the first again, with `without` switched off.
        """
        before = self._run(first).now
        other = self._run(second) if second else switched(self._run(first), kept_on(without))
        after, why, scores = other.now, "", {}
        same = before.model.name == after.model.name
        try:
            deltas = [changed(one) for one in changes(before, after)]
        except CompareError as error:
            deltas, why = [], str(error)
        if method:
            asked = aimed(target, before).asked if not why else target
            both = [explained(a, method, asked, settings or {}) for a in (before, after)]
            scores = lists(difference(both[0], both[1], alike=same), after.clip)[0]
        return {
            "before": before.answer, "after": after.answer, "changes": deltas, "scores": scores,
            "why": why,
        }  # fmt: skip

    def export(self, run: str) -> FileData:
        """Everything of a run in one zip, with the explanations that were asked of it."""
        return FileData(path=str(exported(self._run(run), "zip")))

    def _run(self, key: str) -> Run:
        if (found := self.runs.get(str(key))) is None:
            raise MediaError("There is no such run, or it is no longer kept; call /analyse again.")
        return found


def add(runs: Runs, device: torch.device, models: list[str]) -> None:
    """The endpoints of a page, one job at a time with its own."""
    ends = Endpoints(runs, device, tuple(models))
    for work in (ends.analyse, ends.attribute, ends.compare, ends.export):
        api(plainly(work), concurrency_id="device", concurrency_limit=1)


def plainly(work: Callable[P, T]) -> Callable[P, T]:
    """The same; whatever goes wrong is one sentence for the caller."""

    @functools.wraps(work)
    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except CompareError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception as error:
            raise gr.Error(sentence(error), print_exception=False) from None

    return told


def uploaded(given: Any) -> Path:
    """Where an uploaded file lies; a path of the server's own is not one."""
    path = given.get("path") if isinstance(given, Mapping) else None
    folder = Path(get_upload_folder()).resolve()
    if not isinstance(path, str) or not Path(path).resolve().is_relative_to(folder):
        raise MediaError("Send the clip as a file, in Python with handle_file(“clip.mp4”).")
    return Path(path).resolve()


def kept_on(without: list[str] | None) -> tuple[Any, ...]:
    """The modalities that stay."""
    for m in without or ():
        if m not in MODALITIES:
            raise NothingToReadError(f"“{m}” cannot be left out; name {', '.join(MODALITIES)}.")
    return tuple(m for m in MODALITIES if m not in (without or ()))


def explained(
    analysis: Analysis, method: str, target: str, settings: Mapping[str, Any]
) -> Attribution:
    """What a method finds; a setting that comes as text is read as on the command line."""
    chosen = find(method)
    kinds = {control.name: control for control in chosen.controls}
    used = {
        name: read(kinds[name], value, chosen)
        if isinstance(value, str) and name in kinds
        else value
        for name, value in settings.items()
    }
    return attributions(analysis, [(method, target, used)])[0]
