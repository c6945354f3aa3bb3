"""Still figures of attributions: picture, sound and words on one scale, with the shares."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from core_models.clip import MODALITIES, Clip, Modality
from core_models.layout import BandGrid, FrameGrid, TimeGrid, WordGrid
from explain.analysis import Analysis
from explain.attention.maps import NAMES
from explain.attribution import Attribution
from explain.methods.registry import find
from explain.render.palette import COLOURS, INK, LINE, MUTE
from explain.render.tint import gain, scale, tinted
from explain.spectrogram import heights, log_mel

LETTERS, WORD_LINE = 13.3, 0.26  # to an inch; inches from one line of words to the next
SCALE = 0.7135  # inches to the right, for the scale
KINDS = {"token": "tokens", "input": "input"}
RGBA = NDArray[np.float64]


@dataclass(frozen=True)
class Form:
    """width: in inches. frames: of more, those with the most score are shown. captioned: whether
    the figure itself says what it shows and how it was made.
    """

    width: float
    frames: int
    captioned: bool


PAPER = Form(7.2, 10_000, True)  # two columns of a paper
CARD = Form(5.4, 8, False)  # one of many, in a report that says the rest


def attribution_figure(analysis: Analysis, found: Attribution, form: Form = PAPER) -> Figure:
    """Every modality that was on, one above the other; below, the share of each."""
    shown = [m for m in MODALITIES if m in found.scores]
    tall = [_height(found, m, analysis.clip.size, form) for m in shown]
    bars = 0.35 + 0.2 * len(shown)
    above = 0.8 if form.captioned else 0.1
    figure = Figure(figsize=(form.width, sum(tall) + bars + above), layout="constrained")
    ratio = SCALE / (form.width - SCALE)
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(1, ratio))[0]
    ratios = (*tall, bars)
    parts = left.subfigures(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
    for part, m in zip(parts, shown, strict=False):
        _panel(part, analysis.clip, found, m, form)
    _shares(parts[-1].subplots(), found, shown)
    _bar(right, found)
    if form.captioned:
        _caption(figure, analysis, found)
    return figure


def _caption(figure: Figure, analysis: Analysis, found: Attribution) -> None:
    title = f"{find(found.method).title}: why {found.target.name}"
    figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left", parse_math=False)
    figure.supxlabel(
        explained(analysis, found), fontsize=6.5, color=MUTE, x=0.01, ha="left", parse_math=False
    )


def explained(analysis: Analysis, found: Attribution) -> str:
    """The caption: model, clip, method, target, settings, and how to read it; in short lines."""
    method = find(found.method)
    settings = ", ".join(f"{name} {value}" for name, value in found.settings.items())
    parts = [
        analysis.model.name,
        analysis.clip.name[:48],
        f"{method.title} ({KINDS[found.level]}, {method.paper})",
        f"target: {found.target.name}",
        f"settings: {settings or 'none'}",
    ]
    if found.change is not None and found.residual is not None:
        parts.append(f"the scores sum to {found.total:.3g} of a change of {found.change:.3g}")
    if found.loose:
        parts.append(f"class tokens: {sum(found.loose.values()):+.3g}")
    said = f"{' · '.join(parts)}. {method.about}"
    if found.blank:
        said += " It found nothing: every score is 0."
    return "\n".join(textwrap.wrap(said, 140))


def _bar(figure: SubFigure, found: Attribution) -> None:
    axes = figure.add_axes((0.0, 0.2, 0.18, 0.6))
    bar = figure.colorbar(scale(found), cax=axes)
    bar.outline.set_edgecolor(LINE)
    axes.tick_params(labelsize=7)
    axes.yaxis.get_offset_text().set(fontsize=7, color=MUTE, ha="left")
    axes.set_title("for" if found.signed else "score", fontsize=7, color=MUTE, loc="left")
    if found.signed:
        axes.set_xlabel("against", fontsize=7, loc="left")


def _height(found: Attribution, m: Modality, size: tuple[int, int], form: Form) -> float:
    """Inches; size: of the picture."""
    grid = found.grids[m]
    if isinstance(grid, FrameGrid):
        count = min(len(grid.times), form.frames)
        columns = _columns(count)
        each = min(1.5, size[1] / size[0]) * 0.9 * form.width / columns + 0.2
        return 0.2 + -(-count // columns) * each
    if isinstance(grid, WordGrid):
        return 0.3 + WORD_LINE * len(_lines([w.text for w in grid.words], _letters(form)))
    return 1.3


def _columns(count: int) -> int:
    return 4 if count in (7, 8) else min(count, 6)


def _panel(figure: SubFigure, clip: Clip, found: Attribution, m: Modality, form: Form) -> None:
    grid, paint, times = found.grids[m], tinted(found, m), gain(found, m)
    said = NAMES[m]
    if isinstance(grid, FrameGrid) and len(grid.times) > form.frames:
        said += f" · the {form.frames} strongest of {len(grid.times)} frames"
    if times > 1:
        said += f" · drawn {times:,} × as strong"
    figure.suptitle(said, fontsize=8, color=COLOURS[m], x=0.01, ha="left")
    if isinstance(grid, FrameGrid):
        _on_frames(figure, clip, grid, paint, strongest(found, m, form.frames))
    elif isinstance(grid, TimeGrid):
        _on_sound(figure.subplots(), clip, grid, paint)
    elif isinstance(grid, WordGrid):
        _on_words(figure.subplots(), [w.text for w in grid.words], paint, _letters(form))


def strongest(found: Attribution, m: Modality, most: int) -> list[int]:
    """The frames with the most score, without its sign, at most so many; in the order of time."""
    mass = np.abs(found.placed(m)).sum(axis=(1, 2), dtype=np.float64)
    return sorted(np.argsort(-mass, kind="stable")[:most].tolist())


def _on_frames(
    figure: SubFigure, clip: Clip, grid: FrameGrid, paint: RGBA, shown: list[int]
) -> None:
    width, height = clip.size
    extent = (0.0, width, height, 0.0)
    columns = _columns(len(shown))
    every = list(figure.subplots(-(-len(shown) // columns), columns, squeeze=False).flat)
    for axes in every:
        axes.axis("off")
    for axes, i in zip(every, shown, strict=False):
        axes.imshow(_grey(clip.frames[i]), extent=extent, cmap="gray", vmin=0, vmax=255)
        axes.imshow(paint[i], extent=extent, interpolation="nearest")
        axes.set_title(f"{grid.times[i]:.1f} s", fontsize=7, color=MUTE, pad=2)


def _grey(frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The picture without colours, which here are those of the scores."""
    return 40 + 0.8 * (frame @ np.array([0.299, 0.587, 0.114]))


def _on_sound(axes: Axes, clip: Clip, grid: TimeGrid, paint: RGBA) -> None:
    end = clip.start + clip.duration
    bands = grid.hertz if isinstance(grid, BandGrid) else None
    picture = log_mel(clip.waveform, clip.rate)
    axes.imshow(
        picture, aspect="auto", origin="lower", cmap="gray", extent=(clip.start, end, 0.0, 1.0),
        vmin=-0.3, vmax=1.2,
    )  # fmt: skip
    if bands is not None:
        rows = heights(bands, clip.rate)
        axes.pcolormesh(grid.edges, rows, paint.swapaxes(0, 1), rasterized=True)
        ticks = [hz for hz in (250, 1000, 4000) if hz < clip.rate / 2]
        at = heights(np.array(ticks, float), clip.rate)
        axes.set_yticks(at, [f"{hz / 1000:g}" for hz in ticks])
        axes.set_ylabel("kHz", fontsize=7)
    else:
        spans = paint if paint.ndim == 2 else paint.mean(axis=1)
        axes.bar(grid.edges[:-1], 1, np.diff(grid.edges), align="edge", color=spans, lw=0)
        axes.set_yticks([])
        axes.set_ylabel("low to high\nfrequency", fontsize=7)
    axes.set(xlabel="seconds", xlim=(clip.start, end), ylim=(0, 1))


def _letters(form: Form) -> int:
    """To a line."""
    return int(LETTERS * form.width + 0.5)


def _lines(words: list[str], letters: int) -> list[list[int]]:
    """The indices of the words of each line."""
    lines: list[list[int]] = [[]]
    used = 0
    for i, word in enumerate(words):
        used += len(word) + 2
        if used > letters and lines[-1]:
            lines.append([])
            used = len(word) + 2
        lines[-1].append(i)
    return lines


def _on_words(axes: Axes, words: list[str], paint: RGBA, letters: int) -> None:
    axes.axis("off")
    lines = _lines(words, letters)
    for row, line in enumerate(lines):
        x = 0.5
        for i in line:
            colour = tuple(paint[i])
            axes.text(
                x / letters, len(lines) - row - 0.5, words[i][:letters], va="center",
                family="DejaVu Sans Mono", fontsize=7, color=_ink(paint[i]), parse_math=False,
                bbox={"boxstyle": "round,pad=0.25", "fc": colour, "ec": LINE, "lw": 0.4},
            )  # fmt: skip
            x += len(words[i]) + 2
    axes.set(xlim=(0, 1), ylim=(0, len(lines)))


def _ink(paint: RGBA) -> str:
    """What can be read on this colour over white."""
    seen = paint[:3] * paint[3] + 1 - paint[3]
    return INK if float(seen @ np.array([0.299, 0.587, 0.114])) > 0.5 else "#ffffff"


def _shares(axes: Axes, found: Attribution, shown: list[Modality]) -> None:
    names = [NAMES[m] for m in shown]
    values = [found.shares[m] for m in shown]
    axes.barh(names, values, color=[COLOURS[m] for m in shown], height=0.6)
    for i, m in enumerate(shown):
        net = f"   for less against: {found.nets[m]:+.3g}" if found.signed else ""
        said = f"{100 * values[i]:.0f}%{net}".replace("-", "−")
        axes.text(values[i] + 0.01, i, said, va="center", fontsize=7)
    axes.set(xlim=(0, 1.25), ylim=(len(shown) - 0.5, -0.5))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title("share of all scores", fontsize=7, color=MUTE, loc="left", pad=2)
