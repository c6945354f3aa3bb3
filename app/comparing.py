"""The tab "Compare": a run that is kept, A, beside the one on the page, B."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from app.problems import problem
from app.session import Reason, Run, beside, drawn
from app.store import Runs
from app.viewer import Viewer
from app.why import Why
from explain.compare import CompareError, difference
from explain.render.compare_cards import sides

A, DIFFERENCE = "A", "Difference: B less A"
KEEP, KEEP_ANOTHER = "Keep this run to compare", "Keep this run instead"
NOTHING_TO_KEEP = "<p>Analyse a clip first; then it can be kept.</p>"
DROPPED = "<p>The run that was kept has made room for others; keep one again.</p>"
SAME = (
    "<p>This run is kept as A. Now analyse another clip, choose another model, switch a modality "
    "off, or explain it by another method: what is then on the page is B.</p>"
)
LESS = "What B marks more than A, and what less, cell by cell"
FOLLOWS = "This is A; B is the viewer at the top. Time, layer, head and colours are shared."
STILL = "So there is no difference to show; this is A."
NOT_EXPLAINED = "A difference needs an explanation of both: ask why in A and in B."
ONE = "A and B show the same explanation: choose another one here, or in the viewer at the top."


@dataclass(frozen=True, eq=False)
class Pair:
    """Its components. kept: the key of A; picked: the id of the explanation that A shows."""

    keep: gr.Button
    drop: gr.Button
    sides: gr.HTML
    body: gr.Column
    painted: gr.Radio
    note: gr.HTML
    viewer: Viewer
    kept: gr.State
    picked: gr.State

    @property
    def filled(self) -> list[Any]:
        """What follows from A and B."""
        return [self.keep, self.drop, self.sides, self.body, self.painted, self.note, self.viewer]


def tab() -> Pair:
    """Lay it out."""
    with gr.Row(elem_id="compare-asked"):
        keep = gr.Button(KEEP, size="sm", scale=0, min_width=200, elem_id="compare-keep")
        drop = gr.Button("Let A go", visible=False, size="sm", scale=0, elem_id="compare-drop")
    told = gr.HTML(elem_id="compare-sides")
    with gr.Column(visible=False, elem_id="compare-body") as body:
        painted = gr.Radio([A, DIFFERENCE], value=A, show_label=False, elem_id="compare-painted")
        note = gr.HTML(elem_id="compare-note")
        viewer = Viewer(elem_id="compare-viewer")
    return Pair(keep, drop, told, body, painted, note, viewer, gr.State(""), gr.State(""))


@dataclass(frozen=True, eq=False)
class Comparing:
    """The handlers of the tab, over the runs of the page."""

    runs: Runs
    why: Why
    pair: Pair

    def keep(self, key: str, shown: str) -> list[Any]:
        """The run on the page becomes A."""
        kept = self.runs.keep(key)
        return [kept, shown, A, "" if kept else NOTHING_TO_KEEP]

    def fill(self, kept: str, picked: str, painted: str, key: str, shown: str) -> dict[Any, Any]:
        """A beside B, as they are now."""
        if not kept:
            return {self.pair.body: gr.Column(visible=False)}
        first, second = self.runs.kept(kept), self.runs.get(key)
        if first is None or second is None:
            return {**self._closed(), self.pair.sides: DROPPED}
        try:
            return self._screen(first, second, picked, painted, shown)
        except Exception as error:
            return {self.pair.sides: problem(error)}

    def _screen(
        self, first: Run, second: Run, picked: str, painted: str, shown: str
    ) -> dict[Any, Any]:
        pair = self.pair
        one, two = _reason(first, picked), _reason(second, shown)
        listed, note = list(first.fitting), FOLLOWS
        if painted == DIFFERENCE:
            try:
                less = _less(first, one, two)
                listed, note = [less], _unit(one, two)
            except CompareError as error:
                note = f"{error} {STILL}"
        alike = first.id.partition(":")[0] == second.id and first.now.present == second.now.present
        return {
            pair.keep: gr.Button(KEEP_ANOTHER),
            pair.drop: gr.Button(visible=True),
            pair.sides: SAME if alike else sides(first.now, second.now),
            pair.body: gr.Column(visible=not alike or len(listed) > 1 or painted == DIFFERENCE),
            pair.painted: gr.Radio(visible=one is not None and two is not None),
            pair.note: f"<p>{escape(note)}</p>",
            pair.viewer: beside(first, listed, picked),
        }

    def drop(self) -> dict[Any, Any]:
        """Let A go."""
        return {**self._closed(), self.pair.kept: "", self.pair.sides: ""}

    def _closed(self) -> dict[Any, Any]:
        pair = self.pair
        return {
            pair.keep: gr.Button(KEEP),
            pair.drop: gr.Button(visible=False),
            pair.body: gr.Column(visible=False),
            pair.viewer: None,
        }

    def pick(self, event: gr.EventData) -> Any:
        """A chip of A was clicked."""
        return str(getattr(event, "show", "")) or gr.skip()

    def wire(self, run: gr.State, changes: Iterable[Any]) -> None:
        """changes: the events after which B is another, or shows another explanation."""
        pair, shown = self.pair, self.why.shown
        quick: dict[str, Any] = {
            "show_progress": "hidden",
            "api_visibility": "private",
            "queue": False,
        }
        asked = [pair.kept, pair.picked, pair.painted, run, shown]
        kept = [pair.kept, pair.picked, pair.painted, pair.sides]
        events = [
            pair.keep.click(self.keep, [run, shown], kept, **quick),
            pair.viewer.select(self.pick, None, pair.picked, **quick),
        ]
        for event in (*events, *changes):
            event.then(self.fill, asked, pair.filled, **quick)
        pair.painted.input(self.fill, asked, pair.filled, **quick)
        pair.drop.click(self.drop, None, [*pair.filled, pair.kept], **quick)


def _reason(run: Run, name: str) -> Reason | None:
    """The explanation of this name where it fits what is on, else the newest that does."""
    fitting = run.fitting
    return next((r for r in fitting if r.id == name), fitting[0] if fitting else None)


def _less(first: Run, one: Reason | None, two: Reason | None) -> Reason:
    """What B marks more than A. CompareError says why there is none."""
    if one is None or two is None:
        raise CompareError(NOT_EXPLAINED)
    if one.id == two.id:
        raise CompareError(ONE)
    found = difference(one.found, two.found, alike=one.of.model.name == two.of.model.name)
    return drawn(first, two.of, found, f"{one.id}-{two.id}", "B less A")


def _unit(one: Reason | None, two: Reason | None) -> str:
    """What the figures of the difference are."""
    ways = {(r.of.model.name, r.found.method, r.found.target) for r in (one, two) if r}
    return LESS + ("." if len(ways) == 1 else "; each as a share of all that it found.")
