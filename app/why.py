"""The tab "Why": what to ask a method, and what is known of its answer."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from app import controls
from app.session import Run
from explain.analysis import Analysis
from explain.methods.method import Method
from explain.methods.registry import METHODS, find
from explain.render.why_cards import SHORT, about, facts, passes
from explain.targets import RATHER, choices

FIRST = "token-integrated-gradients"  # seconds, signed, and it adds up
TEST, LISTEN = "Test this map thoroughly", "Listen to what it marks"
NOTHING_YET = (
    "<p>Choose a method and a target, and press Explain: the clip above then shows what mattered, "
    "on picture, sound and words at once.</p>"
)


@dataclass(frozen=True, eq=False)
class Why:
    """Its components, as the handlers need them.

    shown: the id of the explanation on show. busy: that of the run that was last asked, also when
    an analysis has put another in its place.
    """

    method: gr.Dropdown
    target: gr.Dropdown
    about: gr.HTML
    settings: tuple[Any, ...]
    go: gr.Button
    stop: gr.Button
    progress: gr.HTML
    facts: gr.HTML
    shown: gr.State
    busy: gr.State
    test: gr.Button
    listen: gr.Button
    players: gr.Column
    marked: gr.Audio
    rest: gr.Audio
    trust: gr.HTML

    @property
    def chosen(self) -> list[Any]:
        """What follows from the choice of a method, in the order of `suited`."""
        return [self.about, self.go, *self.settings]


def tab() -> Why:
    """Lay it out."""
    with gr.Row(elem_id="why-asked", equal_height=False):
        method = gr.Dropdown(
            named(None), value=FIRST, label="Method", scale=4, elem_id="why-method"
        )
        target = gr.Dropdown(
            [], label="Target", allow_custom_value=True, scale=3, elem_id="why-target"
        )
        go = gr.Button("Explain", variant="primary", scale=0, min_width=130, elem_id="why-run")
        stop = gr.Button("Stop", visible=False, scale=0, min_width=80, elem_id="why-stop")
    said = gr.HTML(about(find(FIRST)), elem_id="why-about")
    with gr.Row(elem_id="why-settings"):
        settings = controls.build(find(FIRST))
    progress = gr.HTML(elem_id="why-progress")
    told = gr.HTML(NOTHING_YET, elem_id="why-facts")
    with gr.Row(elem_id="why-more"):
        test = gr.Button(TEST, visible=False, size="sm", elem_id="why-test")
        listen = gr.Button(LISTEN, visible=False, size="sm", elem_id="why-listen")
    with gr.Column(visible=False, elem_id="why-players") as players:
        gr.HTML("<p>Together the two are the sound of the clip.</p>")
        with gr.Row():
            marked = gr.Audio(label="What speaks for it", elem_id="why-marked", interactive=False)
            rest = gr.Audio(label="The rest", elem_id="why-rest", interactive=False)
    more = (test, listen, players, marked, rest, gr.HTML(elem_id="trust"))
    return Why(
        method, target, said, settings, go, stop, progress, told, gr.State(""), gr.State(""), *more
    )


def named(analysis: Analysis | None) -> list[tuple[str, str]]:
    """The methods by family, for a list to choose from; those that do not fit say so."""
    families = list(dict.fromkeys(method.family for method in METHODS))
    ordered = sorted(METHODS, key=lambda method: families.index(method.family))
    return [(_title(method, analysis), method.name) for method in ordered]


def _title(method: Method, analysis: Analysis | None) -> str:
    notes = [SHORT[method.level], *([passes(method)] if method.slow else [])]
    if analysis is not None and method.unfit(analysis):
        notes = ["not for this run"]
    title, family = method.title.removesuffix(" of tokens"), method.family.capitalize()
    title = title if title.startswith(family) else f"{family}: {title}"
    return f"{title} · {', '.join(notes)}"


def targets(analysis: Analysis) -> list[tuple[str, str]]:
    """What can be asked for: labels, the first rather than the second, words of a caption."""
    asked = choices(analysis)
    if analysis.caption is not None:
        said = ["the whole caption", *(f"“{w.text}”" for w in analysis.caption.words)]
        return [
            (name if at == "caption" else f"{at.replace(':', ' ')}: {name}", at)
            for name, at in zip(said, asked, strict=True)
        ]
    contrast = [f"{asked[0]}{RATHER}{asked[1]}"] if len(asked) > 1 else []
    return [(name, name) for name in (asked[0], *contrast, *asked[1:])]


def suited(method: Method, analysis: Analysis | None) -> list[Any]:
    """What follows from the choice of a method: what it says, if it can be asked, its settings."""
    reason = "" if analysis is None else method.unfit(analysis)
    said = f'<p class="why-unfit">{escape(reason)}</p>' if reason else ""
    return [about(method) + said, gr.Button(interactive=not reason), *controls.offered(method)]


def told(run: Run | None, key: str | None = None) -> str:
    """The facts of one explanation, the newest unless another is named."""
    if run is None:
        return NOTHING_YET
    fitting = run.fitting
    reason = next((r for r in fitting if r.id == key), fitting[0] if fitting else None)
    away = len(run.reasons) - len(fitting)
    kept = ""
    if away:
        which = "explanation is" if away == 1 else "explanations are"
        kept = f"<p>{away} {which} kept of what was switched on before; switch it on to see it.</p>"
    return (NOTHING_YET if reason is None else facts(reason.found)) + kept
