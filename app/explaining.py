"""What the page does when it is asked why: what a method finds, as it finds it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import gradio as gr

from app import controls
from app.jobs import Job, asker
from app.line import Line
from app.problems import problem
from app.session import Run, reasoned, shown
from app.spare import spared
from app.store import Runs
from app.viewer import Viewer
from app.waiting import progress
from app.why import Why, named, suited, targets, told
from explain.attribute import attribute
from explain.attribution import Attribution
from explain.methods.method import Method
from explain.methods.registry import MethodError, find
from explain.question import Question
from explain.targets import target

CHANGED = "<p>What the model may use has changed meanwhile, so the explanation was stopped.</p>"


@dataclass(frozen=True, eq=False)
class Explaining:
    """The handlers of the tab, over the runs of the page. jobs: those under way, by run."""

    runs: Runs
    line: Line
    why: Why
    viewer: Viewer
    jobs: dict[str, Job[Any]] = field(default_factory=dict)

    def explain(
        self, key: str, name: str, asked: str, request: gr.Request, *values: Any
    ) -> Iterator[dict[Any, Any]]:
        """Ask the method, and show what it finds as it finds it."""
        job: Job[Attribution] | None = None
        try:
            self.stop(key)
            run = self.runs.get(key)
            if run is None:
                raise MethodError("Analyse a clip first; then ask why.")
            method, job = find(name), self.line.enter(asker(request), f"explain by {name}")
            question = Question(run.now, target(asked or "auto", run.now), job.tick)
            self.jobs[key] = job
            yield {
                self.why.progress: progress(job, 0),
                self.why.busy: key,
                **self._buttons(busy=True),
            }
            with self.runs.using(run):
                settings = controls.settings(method, values)
                yield from self._follow(run, job, method, question, settings)
        except Exception as error:
            yield {self.why.progress: problem(error), **self._buttons(busy=False)}
        finally:
            if job is not None:
                job.halt()
            if job is not None and self.jobs.get(key) is job:
                del self.jobs[key]

    def _follow(
        self,
        run: Run,
        job: Job[Attribution],
        method: Method,
        question: Question,
        settings: dict[str, Any],
    ) -> Iterator[dict[Any, Any]]:
        """Until the work is done or halted; what it found is kept."""
        why, name = self.why, secrets.token_hex(4)
        model = run.arguments.get("model", run.full.model.name)
        asked = spared(question, model, lambda q: attribute(method, q, **settings))
        screen: dict[Any, Any] = {}
        for found in job.follow(replace(a, notices=(said,) if said else ()) for a, said in asked):
            if found is not None:
                kept = self._keep(run.id, question, found, name)
                if kept is None:
                    yield {why.progress: CHANGED, **self._buttons(busy=False)}
                    return
                screen = {self.viewer: shown(kept), why.facts: told(kept, name), why.shown: name}
            done = job.latest.done if job.latest else 0.0
            yield {why.progress: progress(job, done), **(screen if found is not None else {})}
        last = ""
        if job.latest is None or job.latest.done < 1:
            last = f"<p>Stopped{'; what it had found is kept' if job.latest else ''}.</p>"
        # The browser makes each answer out of the one before, in place, and draws it later: what
        # came a moment ago is said again.
        yield {**screen, why.progress: last, **self._buttons(busy=False)}

    def _keep(self, key: str, of: Question, found: Attribution, name: str) -> Run | None:
        """The run with what was found so far; None when that is of no use any more."""
        before = self.runs.get(key)
        if before is None or before.now is not of.analysis:
            return None
        return self.runs.change(key, lambda run: reasoned(run, of.analysis, found, name))

    def stop(self, key: str) -> None:
        """End what is under way for a run; its handler says the rest."""
        if job := self.jobs.get(key):
            job.halt()

    def suit(self, key: str, name: str) -> list[Any]:
        """Another method was chosen."""
        run = self.runs.get(key)
        return suited(find(name), None if run is None else run.now)

    def refresh(self, key: str, name: str) -> list[Any]:
        """The run is new, or what is switched on."""
        run = self.runs.get(key)
        if run is None:
            return [gr.skip() for _ in self.filled]
        asked = targets(run.now)
        listed = gr.Dropdown(choices=named(run.now))
        wanted = gr.Dropdown(choices=asked, value=asked[0][1])
        newest = run.fitting[0].id if run.fitting else ""
        return [listed, wanted, told(run), newest, "", *suited(find(name), run.now)]

    @property
    def filled(self) -> list[Any]:
        """What `refresh` fills."""
        why = self.why
        return [why.method, why.target, why.facts, why.shown, why.progress, *why.chosen]

    def pick(self, key: str, event: gr.EventData) -> dict[Any, Any]:
        """A chip of the viewer was clicked: an explanation to show, or a word to ask about."""
        if asked := getattr(event, "ask", None):
            return {self.why.target: str(asked)}
        name = str(getattr(event, "show", ""))
        return {self.why.facts: told(self.runs.get(key), name), self.why.shown: name}

    def _buttons(self, busy: bool) -> dict[Any, Any]:
        label = "Explaining…" if busy else "Explain"
        return {
            self.why.go: gr.Button(label, interactive=not busy),
            self.why.stop: gr.Button(visible=busy),
        }

    def wire(self, run: gr.State, changes: list[Any]) -> tuple[Any, Any, list[Any]]:
        """changes: the events after which there is another run, or the same with other streams.

        Returns the events after which there is an explanation, another one is on show, and the tab
        is filled for another run.
        """
        why = self.why
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        quick = {**quiet, "queue": False}
        explained = why.go.click(
            self.explain,
            [run, why.method, why.target, *why.settings],
            [self.viewer, why.facts, why.shown, why.busy, why.progress, why.go, why.stop],
            concurrency_limit=None,
            trigger_mode="multiple",
            **quiet,
        )
        why.stop.click(self.stop, why.busy, None, **quick)
        why.method.change(self.suit, [run, why.method], why.chosen, **quick)
        picked = self.viewer.select(self.pick, run, [why.facts, why.shown, why.target], **quick)
        filled = [
            change.then(self.refresh, [run, why.method], self.filled, **quick) for change in changes
        ]
        return explained, picked, filled
