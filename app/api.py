"""What other programs may ask of the server: named endpoints with typed answers.

The types are read as the server starts, so they are not put off here.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import torch
from gradio import FileData
from gradio.events import api

from app import storage
from app.analysing import Asked, stages
from app.answers import Analysed, Attributed, Compared, analysed, attributed, changed, lists
from app.jobs import Job, aside, asker
from app.line import Line
from app.session import Run, exported, reasoned, switched
from app.spare import spared
from app.store import Runs
from core_models.checkpoint import CheckpointError
from core_models.clip import MODALITIES
from core_models.interface import Decoding
from core_models.media import MediaError
from explain.analysis import NothingToReadError
from explain.attribute import attribute
from explain.attribution import Attribution
from explain.cli.command import read
from explain.compare import CompareError, changes, difference
from explain.methods.registry import find
from explain.question import Question
from explain.targets import target as aimed

POLL = 0.05  # seconds from one look at the work to the next


@dataclass(frozen=True, eq=False)
class Endpoints:
    """The functions behind the endpoints, over the runs and the queue of the page."""

    runs: Runs
    line: Line
    device: torch.device
    models: tuple[str, ...]

    async def analyse(
        self,
        request: gr.Request,
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
        path, on = str(uploaded(clip)), kept_on(without)
        asked = Asked(path, text, None, model, start, length or 0.0, Decoding(), on)
        run = await self._last(
            request, "analyse", lambda job: stages(job, self.runs, self.device, asked)
        )
        assert isinstance(run, Run)
        return analysed(run)

    async def attribute(
        self,
        request: gr.Request,
        run: str,
        method: str,
        target: str = "auto",
        settings: dict[str, Any] | None = None,
    ) -> Attributed:
        """Why the target has its score. target: auto, a label, “A rather than B”, word:3."""
        asked, given = self._run(run, request), settings or {}
        with self.runs.using(asked):
            found = await self._last(
                request,
                f"explain by {method}",
                lambda job: explained(asked, method, target, given, job.tick),
            )
            used = "-".join(f"{k}-{v}" for k, v in found.settings.items())
            key = "".join(
                c if c.isalnum() else "-" for c in f"api-{method}-{found.target.asked}-{used}"
            )
            self.runs.change(run, lambda now: reasoned(now, asked.now, found, key[:100]))
        return attributed(run, found, asked.now)

    async def compare(
        self,
        request: gr.Request,
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
        one, on = self._run(first, request), kept_on(without)
        two, given = self._run(second, request) if second else None, settings or {}

        def work(job: Job[Any]) -> Iterator[Any]:
            other = switched(one, on, job.tick) if two is None else two
            yield compared(one, other, method, target, given, job.tick)

        with self.runs.using(one):
            made: Compared = await self._last(request, "compare", work)
        return made

    async def export(self, request: gr.Request, run: str) -> FileData:
        """Everything of a run in one zip, with the explanations that were asked of it."""
        asked = self._run(run, request)
        with self.runs.using(asked):
            made = await self._last(
                request,
                "export zip",
                lambda job: aside(job, lambda: exported(asked, "zip", job.tick), exports=True),
                device=False,
            )
        return FileData(path=str(made))

    async def _last(
        self,
        request: gr.Request,
        name: str,
        work: Callable[[Job[Any]], Iterator[Any]],
        device: bool = True,
    ) -> Any:
        """The last result of work that waits its turn; it ends when nobody waits for it.

        device: it computes there from the start.
        """
        job = self.line.enter(asker(request), name)
        try:
            job.start(work(job), device)
            while not job.over.is_set() and not job.halted:
                await asyncio.sleep(POLL)
            if job.halted:
                raise MediaError("This was stopped; ask again.")
            return job.result()
        finally:
            job.halt()

    def _run(self, key: str, request: gr.Request) -> Run:
        if (found := self.runs.own(str(key), asker(request))) is None:
            raise MediaError("There is no such run, or it is no longer kept; call /analyse again.")
        return found


def add(runs: Runs, line: Line, device: torch.device, models: list[str]) -> None:
    """The endpoints of a page."""
    ends = Endpoints(runs, line, device, tuple(models))
    for work in (ends.analyse, ends.attribute, ends.compare, ends.export):
        api(work, concurrency_limit=None)


def uploaded(given: Any) -> Path:
    """Where an uploaded file lies; a path of the server's own is not one."""
    path = given.get("path") if isinstance(given, Mapping) else None
    if not isinstance(path, str) or not storage.brought(Path(path)):
        raise MediaError("Send the clip as a file, in Python with handle_file(“clip.mp4”).")
    return Path(path).resolve()


def kept_on(without: list[str] | None) -> tuple[Any, ...]:
    """The modalities that stay."""
    for m in without or ():
        if m not in MODALITIES:
            raise NothingToReadError(f"“{m}” cannot be left out; name {', '.join(MODALITIES)}.")
    return tuple(m for m in MODALITIES if m not in (without or ()))


def explained(
    run: Run,
    method: str,
    target: str,
    settings: Mapping[str, Any],
    tick: Callable[[], None],
) -> Iterator[Attribution]:
    """What a method finds; a setting that comes as text is read as on the command line."""
    chosen = find(method)
    kinds = {control.name: control for control in chosen.controls}
    used = {
        name: read(kinds[name], value, chosen)
        if isinstance(value, str) and name in kinds
        else value
        for name, value in settings.items()
    }
    question = Question(run.now, aimed(target, run.now), tick)
    model = run.arguments.get("model", run.full.model.name)
    for found, said in spared(question, model, lambda q: attribute(chosen, q, **used)):
        yield replace(found, notices=(said,) if said else ())


def compared(
    one: Run,
    two: Run,
    method: str,
    target: str,
    settings: Mapping[str, Any],
    tick: Callable[[], None],
) -> Compared:
    """The second less the first."""
    before, after = one.now, two.now
    why, scores = "", {}
    same = before.model.name == after.model.name
    try:
        deltas = [changed(one) for one in changes(before, after)]
    except CompareError as error:
        deltas, why = [], str(error)
    if method:
        asked = aimed(target, before).asked if not why else target
        both = [deque(explained(a, method, asked, settings, tick), 1)[0] for a in (one, two)]
        scores = lists(difference(both[0], both[1], alike=same), after.clip)[0]
    return {
        "before": before.answer, "after": after.answer, "changes": deltas, "scores": scores,
        "why": why,
    }  # fmt: skip
