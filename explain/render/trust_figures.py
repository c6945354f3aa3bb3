"""Curves of deletion and insertion, and the agreement of methods: for papers, and to explore."""

from __future__ import annotations

import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plotly.subplots import make_subplots

from explain.analysis import Analysis
from explain.methods.registry import METHODS
from explain.metrics.curves import Curves, Reals
from explain.render.figures import spoken
from explain.render.palette import ACCENT, COLOURS, LINE, MUTE
from explain.render.tint import SIGNED
from explain.render.trust_cards import named
from explain.trust import Trust

BAND = "rgba(102, 112, 133, 0.2)"
TITLES = ("Deletion", "Insertion")
VERBS = ("taken away", "put back")


def trust_figure(analysis: Analysis, trust: Trust) -> Figure | None:
    """A row of both curves for everything at once and for each modality, with their verdicts.

    None as long as there are no curves.
    """
    if trust.faithfulness is None:
        return None
    shown = list(trust.faithfulness.curves.values())
    figure = Figure(figsize=(6.4, 0.9 + 1.55 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), 2, squeeze=False, sharex=True, sharey="row")
    for axes_row, curve in zip(grid, shown, strict=True):
        for axes, side in zip(axes_row, sides(curve), strict=True):
            panel(axes, curve.fractions, *side, colour(curve))
        axes_row[0].set_ylabel(f"{named(curve.part)}\nscore")
        said = f"{curve.word}, {curve.effect:+.1f} SD, p = {curve.p:.3f}"
        axes_row[1].set_title(curve.why or said, fontsize=7, color=MUTE, loc="right")
    for axes, title, verb in zip(grid[0], TITLES, VERBS, strict=True):
        axes.set_title(f"{title}\n", fontsize=9, fontweight="bold", loc="left")
        grid[-1][TITLES.index(title)].set_xlabel(f"tokens {verb}, %")
    _caption(
        figure,
        f"{_asked(analysis, trust)}. Dashed and band: {len(shown[0].random_deletion)} random "
        f"orders, mean and all of them (seed {shown[0].seed}). 0: the score of nothing, 1: of the "
        f"clip. {trust.verdict}",
    )
    return figure


def panel(axes: Axes, fractions: Reals, own: Reals, random: Reals, paint: str) -> None:
    """The curve of the map over the band of random orders."""
    at = fractions * 100
    low, high = random.min(axis=0), random.max(axis=0)
    axes.fill_between(at, low, high, color=MUTE, alpha=0.2, lw=0)
    axes.plot(at, random.mean(axis=0), color=MUTE, lw=0.9, ls="--")
    axes.plot(at, own, color=paint, lw=1.8)
    for y in (0, 1):
        axes.axhline(y, color=LINE, lw=0.8, zorder=0)
    axes.set(xlim=(0, 100))


def agreement_figure(analysis: Analysis, trust: Trust) -> Figure | None:
    """Rank correlations of all methods, the map on trial first; None where it stands alone."""
    found = trust.agreement
    if found is None or found.mean is None:
        return None
    titles = {method.name: method.title for method in METHODS}
    names = [titles.get(name, name) for name in found.methods]
    side = 0.36 * len(names)
    figure = Figure(figsize=(side + 3.2, side + 1.9), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(found.ranks, cmap=SIGNED, vmin=-1, vmax=1)
    for i, line in enumerate(found.ranks):
        for j, value in enumerate(line):
            paint = "white" if abs(value) > 0.65 else "black"
            axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=6, color=paint)
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    figure.colorbar(image, ax=axes, label="rank correlation", fraction=0.04)
    _caption(
        figure,
        f"{_asked(analysis, trust)}. Rank correlations inside the modalities; methods that agree "
        "may still all be wrong.",
    )
    return figure


def _asked(analysis: Analysis, trust: Trust) -> str:
    return (
        f"{analysis.model.name} · {analysis.clip.name[:48]} · {trust.title} · target: "
        f"{trust.attribution.target.name} · read: {spoken('-'.join(analysis.present))}"
    )


def _caption(figure: Figure, said: str) -> None:
    figure.supxlabel(said, fontsize=6.5, color=MUTE, x=0.01, ha="left", parse_math=False, wrap=True)


def interactive(curve: Curves) -> go.Figure:
    """The same two panels, to be read point by point."""
    figure = make_subplots(1, 2, subplot_titles=TITLES, shared_yaxes=True)
    at = curve.fractions * 100
    for column, (own, random) in enumerate(sides(curve), start=1):
        lines = (
            (random.max(axis=0), {"width": 0}, "highest random", None),
            (random.min(axis=0), {"width": 0}, "lowest random", "tonexty"),
            (random.mean(axis=0), {"color": MUTE, "dash": "dash", "width": 1.5}, "random", None),
            (own, {"color": colour(curve), "width": 3}, "this map", None),
        )
        for y, line, name, fill in lines:
            trace = go.Scatter(
                x=at, y=y, mode="lines", line=line, name=name, fill=fill, fillcolor=BAND,
                showlegend=column == 1 and bool(line["width"]),
                hovertemplate="%{y:.2f} at %{x:.0f}%",
            )  # fmt: skip
            figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(title_text=f"tokens {VERBS[column - 1]}, %", row=1, col=column)
    figure.update_yaxes(title_text="score: 0 nothing, 1 the clip", row=1, col=1)
    figure.update_layout(
        template="plotly_white", height=340, margin={"l": 60, "r": 20, "t": 40, "b": 50},
        legend={"orientation": "h", "y": -0.25}, hovermode="x unified",
    )  # fmt: skip
    return figure


def sides(curve: Curves) -> tuple[tuple[Reals, Reals], tuple[Reals, Reals]]:
    """Deletion and insertion: the curve of the map, and those of random orders."""
    return (
        (curve.deletion, curve.random_deletion),
        (curve.insertion, curve.random_insertion),
    )


def colour(curve: Curves) -> str:
    """That of the modality, or the accent for everything at once."""
    return ACCENT if curve.part == "all" else COLOURS[curve.part]
