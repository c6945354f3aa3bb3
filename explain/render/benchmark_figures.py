"""The benchmark in one figure: how much of each map lies inside the evidence, against chance."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

import explain.render.figures  # noqa: F401  (sets the style)
from core_models.clip import MODALITIES
from explain.attention.maps import NAMES
from explain.benchmark.summary import Cell, Key
from explain.render.palette import COLOURS, LINE, MUTE

COLUMNS = 4
TICKS = (0.1, 0.3, 1, 3, 10, 30, 100)


def found(cells: Sequence[Cell], measure: str, metric: str) -> Figure:
    """A panel for each model, question and modality; a line for each method: its mean in units of
    chance, with the 95 % interval over clips.
    """
    shown = [c for c in cells if (c.key.measure, c.key.metric) == (measure, metric)]
    keys = list(dict.fromkeys(c.key for c in shown))
    methods = list(dict.fromkeys(c.method for c in shown))[::-1]
    columns = max(1, min(COLUMNS, len(keys)))
    lines = max(1, -(-len(keys) // columns))
    size = (1.6 + 2.1 * columns, 0.6 + lines * (0.5 + 0.17 * len(methods)))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(lines, columns, sharey=True, squeeze=False)
    for axes in list(panels.flat)[len(keys) :]:
        axes.axis("off")
    for axes, key in zip(panels.flat, keys, strict=False):
        panel(axes, key, [c for c in shown if c.key == key], methods)
    figure.supxlabel(
        f"“{metric}” in units of chance (line); bars are 95 % intervals over clips",
        fontsize=7,
        color=MUTE,
    )
    return figure


def panel(axes: Axes, key: Key, cells: Sequence[Cell], methods: Sequence[str]) -> None:
    """One question: a dot is hollow where its interval does not lie above chance."""
    modality = next((m for m in MODALITIES if m == key.modality), None)
    colour = COLOURS[modality] if modality else MUTE
    for c in cells:
        y = methods.index(c.method)
        axes.plot([c.ratio_low, c.ratio_high], [y, y], color=colour, lw=1.4, alpha=0.55)
        face = colour if c.beats else "white"
        axes.plot([c.ratio], [y], "o", ms=4, mec=colour, mfc=face)
    axes.axvline(1, color=LINE, zorder=0)
    if cells and min(c.ratio_low for c in cells) > 0:
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set_xticks([x for x in TICKS if low <= x <= high], minor=False)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    axes.set_yticks(range(len(methods)), methods)
    axes.set_ylim(-0.6, len(methods) - 0.4)
    name = NAMES[modality] if modality else key.modality
    axes.set_title(f"{key.model}\n{name} · {key.aim}", fontsize=8, color=colour, loc="left")
