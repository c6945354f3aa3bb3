"""What each modality did, as a figure for papers: combinations, Shapley values, interactions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explain.attention.maps import NAMES
from explain.modality.report import ModalityReport
from explain.render.palette import ACCENT, COLOURS, INK, LINE, MUTE

NOTE = (
    "Left: every combination of modalities; the first bar is the prior, what the model says of "
    "nothing. Right: exact Shapley values, and what two or more do beyond their parts (Harsanyi)."
)
LEAST = 4  # places for bars, so that few are not fat


def modality_figure(report: ModalityReport) -> Figure:
    """The target with every combination (as an UpSet plot), and how its score comes about."""
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1.35, 1), height_ratios=(2.2, 1))
    upper = figure.add_subplot(grid[0, 0])
    _combinations(upper, figure.add_subplot(grid[1, 0], sharex=upper), report)
    _values(figure.add_subplot(grid[:, 1]), report)
    line = f"{report.model} · {report.clip[:48]} · target: {report.target.name[:60]}. {NOTE}"
    figure.supxlabel(line, fontsize=6.5, color=MUTE, x=0.01, ha="left", parse_math=False, wrap=True)
    return figure


def _combinations(upper: Axes, lower: Axes, report: ModalityReport) -> None:
    """Bars of the chance, and under each which modalities were there."""
    members, players = report.coalitions.members, report.coalitions.players
    order = sorted(range(len(members)), key=lambda i: (len(members[i]), i))
    several = report.coalitions.independent and len(report.target.plus) > 1
    power = 1 / len(report.target.plus) if several else 1.0  # of a caption, the mean word
    heights = [float(report.chances[i]) ** power for i in order]
    now = [members[i] == report.present for i in order]
    upper.bar(range(len(order)), heights, color=[ACCENT if x else MUTE for x in now], width=0.6)
    for x, height in enumerate(heights):
        upper.text(x, height, f"{height:.2f}", ha="center", va="bottom", fontsize=7)
    upper.set_ylabel("probability of a word" if several else "probability")
    upper.set_ylim(0, max(*heights, 1e-6) * 1.15)
    upper.set_xlim(-0.6, max(len(order), LEAST) - 0.4)
    upper.tick_params(axis="x", bottom=False, labelbottom=False)
    for y, m in enumerate(players):
        on = np.array([m in members[i] for i in order])
        places = np.arange(len(order))
        lower.scatter(places[~on], np.full((~on).sum(), y), s=26, fc="none", ec=LINE, lw=1)
        lower.scatter(places[on], np.full(on.sum(), y), s=30, color=COLOURS[m])
    lower.set_yticks(range(len(players)), [NAMES[m] for m in players])
    lower.set_ylim(len(players) - 0.5, -0.5)
    lower.set_xticks([])
    lower.tick_params(axis="y", length=0)
    lower.spines[["left", "bottom"]].set_visible(False)


def _values(axes: Axes, report: ModalityReport) -> None:
    """Signed bars: one per modality, then one per interaction, on one scale."""
    names = [NAMES[m] for m in report.values]
    names += [" × ".join(NAMES[m] for m in x.members) for x in report.interactions]
    values = [*report.values.values(), *(x.value for x in report.interactions)]
    colours = [COLOURS[m] for m in report.values]
    bars = axes.barh(range(len(names)), values, height=0.6)
    for i, bar in enumerate(bars):
        own = i < len(colours)
        bar.set(facecolor=colours[i] if own else "none", edgecolor=colours[i] if own else INK)
        bar.set_hatch(None if own else "////")
    _label(axes, values)
    axes.axvline(0, color=MUTE, lw=0.8)
    axes.axhline(len(report.values) - 0.5, color=LINE, lw=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(len(names), LEAST) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    unit = "log-probability" if report.coalitions.independent else "score (logit)"
    axes.set_xlabel(f"part of the {unit}")


def _label(axes: Axes, values: Sequence[float]) -> None:
    """Each bar's figure at its end, with room for it."""
    low, high = min(0.0, *values), max(0.0, *values)
    room = 0.25 * max(high - low, 1e-6)
    axes.set_xlim(low - room * (low < 0), high + room * (high > 0))
    for y, value in enumerate(values):
        side = "left" if value >= 0 else "right"
        text = f" {value:+.2f} ".replace("-", "−")
        axes.text(value, y, text, ha=side, va="center", fontsize=7)
