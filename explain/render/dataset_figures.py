"""Many clips in three figures: what mattered, what is told together, where the attention goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import explain.render.figures  # noqa: F401  (sets the style)
from core_models.clip import MODALITIES, Stream
from explain.attention.maps import NAMES
from explain.dataset.statistics import Group, LayerStatistics, Split, Summary
from explain.render.palette import ACCENT, COLOURS, HEAT, INK, LINE, MUTE

ATOMS = ("redundant", "first", "second", "synergy")
MOST = 40  # categories


def dataset_figures(found: Summary) -> Iterator[tuple[str, Figure]]:
    """Those that there is something for, by the name of their file."""
    if found.whole.shares:
        yield "modalities", contributions(found.groups, found.whole, found.by)
    if found.layers:
        yield "layers", layers(found.layers)
    if found.splits:
        yield "together", together(found.splits)


def contributions(groups: Sequence[Group], whole: Group, by: str) -> Figure:
    """A line for each category, all clips first: the mean share of each modality, with its
    interval.
    """
    shown = [whole, *groups[:MOST]]
    figure = Figure(figsize=(7.2, 0.9 + 0.2 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for y, group in enumerate(shown):
        for m, share in group.shares.items():
            colour = COLOURS[_stream(m)]
            axes.plot([share.low, share.high], [y, y], color=colour, lw=1.4, alpha=0.5)
            axes.plot([share.mean], [y], "o", ms=4, color=colour)
    axes.set_yticks(range(len(shown)), [f"{g.name} ({g.clips})" for g in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.axhline(0.5, color=LINE, lw=0.8)
    axes.set_xlim(0, 1)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share in the sum of absolute Shapley values")
    for i, m in enumerate(m for m in MODALITIES if m in whole.shares):
        axes.text(0.01 + 0.1 * i, 1.01, f"● {NAMES[m]}", color=COLOURS[m], fontsize=8,
                  transform=axes.transAxes, va="bottom")  # fmt: skip
    return _noted(
        figure,
        f"Means over the clips of each {by} (how many), with 95% intervals. "
        "The target is the answer of each clip.",
    )


def layers(found: Sequence[LayerStatistics]) -> Figure:
    """Two panels of map × head, how peaked and what share, and the change when each is cut."""
    heads = max(len(x.focus) for x in found)
    names = [spoken(x) for x in found]
    figure = Figure(figsize=(7.2, 1.0 + 0.2 * len(found)), layout="constrained")
    focus, share, cut = figure.subplots(1, 3, sharey=True, width_ratios=(1, 1, 0.8))
    for axes, title, rows in (
        (focus, "focus (0 even, 1 one cell)", [x.focus for x in found]),
        (share, "share of the reader's attention", [x.share for x in found]),
    ):
        grid = np.full((len(found), heads), np.nan)
        for i, row in enumerate(rows):
            grid[i, : len(row)] = row
        image = axes.imshow(grid, aspect="auto", cmap=HEAT, vmin=0, vmax=1)
        axes.set_xticks(range(heads), [str(i + 1) for i in range(heads)])
        axes.set_title(title, fontsize=8, loc="left")
        axes.set_xlabel("head")
    figure.colorbar(image, ax=[focus, share], shrink=0.6, pad=0.01)
    for y, x in enumerate(found):
        if x.cut is not None:
            cut.plot([x.cut.low, x.cut.high], [y, y], color=ACCENT, lw=1.4, alpha=0.5)
            cut.plot([x.cut.mean], [y], "o", ms=4, color=ACCENT)
    cut.axvline(0, color=LINE, lw=0.8, zorder=0)
    cut.set_title("change when it is cut", fontsize=8, loc="left")
    cut.set_xlabel("in probability")
    focus.set_yticks(range(len(found)), names)
    for axes in (focus, share, cut):
        axes.tick_params(axis="y", length=0)
    return _noted(figure, "Means over clips; attention says where the model looked, cutting what "
                  "it needed.")  # fmt: skip


def together(found: Sequence[Split]) -> Figure:
    """Bars of what is redundant, told by one alone, and by both only, in bits; dots are chance."""
    figure = Figure(figsize=(7.2, 0.9 + 0.55 * len(found)), layout="constrained")
    axes = figure.subplots()
    for y, split in enumerate(found):
        _bar(axes, y, split)
    axes.set_yticks(range(len(found)), [f"{said(x)}\nof the {x.of}" for x in found])
    axes.set_ylim(len(found) - 0.5, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("bits")
    return _noted(
        figure,
        "Partial information decomposition (Bertschinger et al. 2014) of what two answers tell. "
        "Vertical lines: the sum that shuffled targets give by chance.",
    )


def said(split: Split) -> str:
    """``video | sound``."""
    first, second = (
        " + ".join(NAMES[_stream(m)] for m in side.split(" + "))
        for side in (split.first, split.second)
    )
    return f"{first} | {second}"


def spoken(x: LayerStatistics) -> str:
    """``layer 1: text ← video``."""
    where = "" if x.group == "fusion" else f"{x.group}, "
    return f"{where}layer {x.layer + 1}: {NAMES[_stream(x.query)]} ← {NAMES[_stream(x.key)]}"


def colours(split: Split) -> dict[str, str]:
    """Of the four parts; a modality has its own."""
    one, two = (
        COLOURS[_stream(side)] if " + " not in side else MUTE
        for side in (split.first, split.second)
    )
    return {"redundant": LINE, "first": one, "second": two, "synergy": ACCENT}


def _bar(axes: Axes, y: int, split: Split) -> None:
    left, paint = 0.0, colours(split)
    one, two = said(split).split(" | ")
    names = {"first": f"{one} alone", "second": f"{two} alone"}
    for atom in ATOMS:
        value = max(0.0, getattr(split.measured.found, atom))
        axes.barh(y, value, left=left, height=0.5, color=paint[atom], edgecolor="white", lw=0.6)
        if value > 0.12:
            name = names.get(atom, atom)
            axes.text(left + value / 2, y - 0.34, name, fontsize=6, ha="center", va="bottom")
        left += value
    axes.plot([split.measured.chance.total] * 2, [y - 0.3, y + 0.3], color=INK, lw=1.2)


def _stream(name: str) -> Stream:
    return next(s for s in NAMES if s == name)


def _noted(figure: Figure, line: str) -> Figure:
    figure.supxlabel(line, fontsize=6.5, color=MUTE, x=0.01, ha="left", parse_math=False, wrap=True)
    return figure
