"""What is done to find out how far an explanation can be trusted, and to listen to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from app.jobs import Job, asker
from app.line import BusyError, Line
from app.problems import problem, told
from app.session import Reason, Run, judged
from app.spare import spared
from app.storage import written
from app.store import Runs
from app.waiting import progress
from app.why import TEST, Why
from explain.methods.registry import find
from explain.metrics.registry import METRICS
from explain.question import Question
from explain.render.trust_cards import trust_card
from explain.sonify import heard, wav
from explain.trust import Trust, trust


@dataclass(frozen=True, eq=False)
class Trusting:
    """The handlers below the facts. jobs: tests under way, by run."""

    runs: Runs
    line: Line
    why: Why
    jobs: dict[str, Job[Any]] = field(default_factory=dict)

    def show(self, key: str, name: str) -> dict[Any, Any]:
        """What is known of an explanation already."""
        run = self.runs.get(key)
        reason = None if run is None else run.reason(name)
        known = None if reason is None else reason.trust
        whole = reason is not None and reason.found.done == 1
        sound = reason is not None and "audio" in reason.found.scores
        return {
            self.why.trust: "" if known is None else trust_card(known),
            self.why.test: gr.Button(visible=whole and (known is None or not _thorough(known))),
            self.why.listen: gr.Button(visible=whole and sound),
            self.why.players: gr.Column(visible=False),
        }

    def quick(self, key: str, name: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """The tests that ask the fusion alone, after every explanation."""
        run = self.runs.get(key)
        reason = None if run is None else run.reason(name)
        if run is None or reason is None or reason.found.done < 1 or reason.trust is not None:
            return
        yield self.show(key, name)
        yield from self._follow(run, reason, asker(request), slow=False)

    def thorough(self, key: str, name: str, request: gr.Request) -> Iterator[dict[Any, Any]]:
        """All tests; those that ask the method again take longer."""
        run = self.runs.get(key)
        reason = None if run is None else run.reason(name)
        if run is not None and reason is not None:
            yield from self._follow(run, reason, asker(request), slow=True)

    def _follow(self, run: Run, reason: Reason, asker: str, slow: bool) -> Iterator[dict[Any, Any]]:
        """The card, as it fills."""
        self.stop(run.id)
        try:
            job: Job[tuple[Trust, str]] = self.line.enter(asker, "trust, all" if slow else "trust")
        except BusyError as error:
            yield {self.why.trust: problem(error)}
            return
        why, self.jobs[run.id] = self.why, job
        question = Question(reason.of, reason.found.target, job.tick)
        alike = [r for r in run.fitting if r.found.target == reason.found.target]
        others = tuple(r.found for r in alike if r is not reason and r.found.done == 1)
        orders = [r.trust.faithfulness for r in alike if r.trust and r.trust.faithfulness]
        against = orders[0].against if orders else None
        method, found = find(reason.found.method), reason.found
        tests = spared(
            question,
            run.arguments.get("model", run.full.model.name),
            lambda q: trust(q, found, method, others, slow=slow, against=against),
        )
        try:
            busy = {why.test: gr.Button("Testing…", interactive=False, visible=True)}
            yield busy
            for result in job.follow(tests):
                if result is None:
                    yield busy
                    continue
                known, said = result
                self._keep(run.id, reason.id, known)
                bar = "" if known.done == 1 else progress(job, known.done, timed=False)
                note = f"<p>{said}</p>" if said else ""
                yield {why.trust: bar + note + trust_card(known)}
            if job.halted:
                return
            yield {why.test: gr.Button(TEST, interactive=True, visible=not slow)}
        except Exception as error:
            again = gr.Button(TEST, interactive=True, visible=True)
            yield {why.trust: problem(error), why.test: again}
        finally:
            job.halt()

    def _keep(self, key: str, name: str, known: Trust) -> None:
        self.runs.change(key, lambda run: judged(run, name, known))

    def stop(self, key: str) -> None:
        """End the tests under way for a run."""
        if job := self.jobs.pop(key, None):
            job.halt()

    def listen(self, key: str, name: str) -> dict[Any, Any]:
        """The sound by its scores, and what is left of it."""
        run = self.runs.get(key)
        reason = None if run is None else run.reason(name)
        if run is None or reason is None:
            return {self.why.players: gr.Column(visible=False)}
        try:
            sound = heard(reason.found, reason.of)
            paths = []
            with self.runs.using(run):
                for part, samples in (("marked", sound.marked), ("rest", sound.rest)):
                    name, content = f"{reason.id}-{part}.wav", wav(samples, sound.rate)
                    paths.append(str(written(run.folder, name, content)))
        except Exception as error:
            raise told(error, "Listen") from None
        shown = dict(zip((self.why.marked, self.why.rest), paths, strict=True))
        return {self.why.players: gr.Column(visible=True), **shown}

    def wire(self, run: gr.State, explained: Any, picked: Any, changes: list[Any]) -> None:
        """explained: after it the quick tests run; picked, changes: another map is on show."""
        why = self.why
        quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        quick = {**quiet, "queue": False}
        asked, filled = [run, why.shown], [why.trust, why.test, why.listen, why.players]
        work = {**quiet, "concurrency_limit": None}
        explained.then(self.quick, asked, filled, **work)
        why.test.click(self.thorough, asked, filled, **work)
        why.listen.click(self.listen, asked, [why.players, why.marked, why.rest], **quiet)
        for event in (picked, *changes):
            event.then(self.stop, why.busy, None, **quick).then(self.show, asked, filled, **quick)


def _thorough(known: Trust) -> bool:
    """Whether the slow tests ran too."""
    return known.done == 1 and all(metric.name in known.findings for metric in METRICS)
