"""Still figures of a run, for papers and slides: matplotlib, one function per figure."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from core_models.clip import MODALITIES, Clip, Stream
from core_models.layout import FrameGrid, Grid, SlotGrid, TimeGrid, WordGrid
from explain.analysis import Analysis
from explain.attention.maps import NAMES, AttentionMap, maps
from explain.render.palette import ACCENT, COLOURS, HEAT, INK, LINE, MUTE, SOFT
from explain.spectrogram import log_mel

Array = NDArray[np.float32]

# Set once on import and never changed: drawing is safe from several threads.
matplotlib.rcParams.update(
    {
        "font.size": 8,
        "font.family": "DejaVu Sans",
        "axes.edgecolor": LINE,
        "axes.labelcolor": MUTE,
        "text.color": INK,
        "xtick.color": MUTE,
        "ytick.color": MUTE,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "svg.hashsalt": "fusionscope",
        "pdf.fonttype": 42,  # whole outlines, which journals ask for
    }
)
HEIGHTS: dict[Stream, float] = {"video": 2.5, "audio": 1.5}  # inches, of the keys; else 1
NOT_IMPORTANCE = "Attention says where the model looked, not what mattered."


def figures(analysis: Analysis) -> Iterator[tuple[str, Figure]]:
    """Every figure of a run with its file name, drawn one at a time."""
    yield "answer", answer(analysis)
    shown = maps(analysis)
    fused = tuple(m for m in shown if m.group in ("fusion", "decoder", "route"))
    for group in dict.fromkeys(m.group for m in fused):
        name = "heads" if group == "fusion" else f"heads.{group}"
        yield name, heads(analysis, tuple(m for m in fused if m.group == group))
    for m in [m for m in shown if m.group == "video tower"][-1:]:
        yield "tower.picture", tower(analysis, m)
    for m in fused:
        name = "attention" if m.group == "fusion" else m.group
        pair = f"{NAMES[m.query]}-reads-{NAMES[m.key]}".replace(" ", "-")
        yield f"{name}.{m.layer}.{pair}", single(analysis, m)


def answer(analysis: Analysis) -> Figure:
    """The five most probable labels and what each pair voted, or the caption word by word."""
    if analysis.caption is not None:
        return caption(analysis)
    figure = Figure(figsize=(6.4, 2.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    top = analysis.top[:5][::-1]
    left.barh([label for label, _ in top], [p for _, p in top], color=ACCENT, height=0.55)
    for i, (_, p) in enumerate(top):
        left.text(p + 0.015, i, f"{p:.2f}", va="center")
    left.set_xlim(0, 1.12)
    left.set_xlabel("probability")
    left.tick_params(axis="y", length=0)
    lines = ["votes"] if analysis.votes else []
    for pair, vote in analysis.votes.items():
        best = int(vote.argmax())
        lines.append(f"{spoken(pair)}:  {analysis.model.labels[best]}  {vote[best]:.2f}")
    right.axis("off")
    right.text(0, 0.95, "\n".join(lines), va="top", linespacing=1.8, transform=right.transAxes)
    _caption(figure, analysis, "Read: " + ", ".join(NAMES[m] for m in analysis.present) + ".")
    return figure


def caption(analysis: Analysis) -> Figure:
    """The probability of each word of the caption, in its order."""
    said = analysis.caption
    assert said is not None
    figure = Figure(figsize=(max(4.0, 0.62 * len(said.words)), 2.4), layout="constrained")
    axes = figure.subplots()
    heights = [word.probability for word in said.words]
    axes.bar(range(len(heights)), heights, color=COLOURS["caption"], width=0.7)
    axes.set_xticks(
        range(len(heights)), [short(w.text) for w in said.words], rotation=30, ha="right"
    )
    axes.set_ylim(0, 1)
    axes.set_ylabel("probability")
    _caption(figure, analysis, "Read: " + ", ".join(NAMES[m] for m in analysis.present) + ".")
    return figure


def single(analysis: Analysis, m: AttentionMap) -> Figure:
    """One map, mean of heads: where its keys lie in the clip, and queries × keys."""
    weights, grid = m.weights.mean(axis=0), analysis.layout[m.key]  # (Q, K)
    received = weights.mean(axis=0)  # (K,)
    above = HEIGHTS.get(m.key, 1.0)
    figure = Figure(figsize=(7.2, above + 2.6), layout="constrained")
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(above, 2.2))[:, 0]
    norm = Normalize(float(received.min()), float(received.max()))
    drawn = place(upper, analysis.clip, grid, received, norm)
    upper.colorbar(
        ScalarMappable(norm, HEAT), ax=drawn, label="attention per cell", fraction=0.03, pad=0.01
    )
    axes = lower.subplots()
    table, rows, columns = by_frame(weights, analysis.layout[m.query], grid)
    image = axes.imshow(table, aspect="auto", cmap=HEAT)
    _ticks(axes, rows, columns)
    axes.set_ylabel(f"{NAMES[m.query]} (reads)", color=COLOURS[m.query])
    axes.set_xlabel(f"{NAMES[m.key]} (is read)", color=COLOURS[m.key])
    lower.colorbar(image, ax=axes, label="attention", fraction=0.03, pad=0.01)
    title = f"{NAMES[m.query]} ← {NAMES[m.key]} · layer {m.layer + 1} · mean of heads"
    figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left")
    change = f"Cutting this path changes “{analysis.answer}” by {m.cut:+.3f}." if m.cut else ""
    _caption(figure, analysis, " ".join(part for part in (change, m.warning) if part))
    return figure


def tower(analysis: Analysis, m: AttentionMap) -> Figure:
    """One layer of the picture tower, mean of heads: what each frame's summary reads in it."""
    scores = m.weights.mean(axis=0).sum(axis=0)  # (T * cells,): every row is its own frame's
    norm = Normalize(float(scores.min()), float(scores.max()))
    figure = Figure(figsize=(7.2, HEIGHTS["video"] + 0.6), layout="constrained")
    (upper,) = figure.subfigures(1, 1, squeeze=False)[0]
    drawn = place(upper, analysis.clip, analysis.layout["video"], scores, norm)
    label = "attention, 1 per frame"
    upper.colorbar(ScalarMappable(norm, HEAT), ax=drawn, label=label, fraction=0.03, pad=0.01)
    title = f"inside the picture tower · layer {m.layer + 1} · mean of heads"
    figure.suptitle(title, fontsize=10, fontweight="bold", x=0.01, ha="left")
    said = f"What each frame's summary token reads in that frame. {m.warning}"
    _caption(figure, analysis, said.strip())
    return figure


def heads(analysis: Analysis, shown: tuple[AttentionMap, ...]) -> Figure:
    """Small multiples: a row per layer, a column per head, on one scale per row."""
    count = max(len(m.weights) for m in shown)
    figure = Figure(figsize=(1.1 + 0.8 * count, 0.7 + 0.8 * len(shown)), layout="constrained")
    grid = figure.subplots(len(shown), count, squeeze=False)
    for axes_row, m in zip(grid, shown, strict=True):
        pictures = [thumbnail(w.mean(axis=0), analysis.layout[m.key]) for w in m.weights]
        high = max(float(p.max()) for p in pictures)
        for head, (axes, picture) in enumerate(zip(axes_row, pictures, strict=True)):
            axes.imshow(picture, cmap=HEAT, vmin=0, vmax=high, aspect="auto")
            axes.set(xticks=[], yticks=[])
            if m is shown[0]:
                axes.set_title(str(head + 1), fontsize=8, color=MUTE)
        label = f"L{m.layer + 1}\n{NAMES[m.query]}\n← {NAMES[m.key]}"
        axes_row[0].set_ylabel(label, rotation=0, ha="right", va="center", color=COLOURS[m.key])
    _caption(figure, analysis, "Layer × head, averaged over queries; one scale per row.")
    return figure


def place(figure: SubFigure, clip: Clip, grid: Grid, scores: Array, norm: Normalize) -> list[Axes]:
    """Scores over key cells, drawn where they lie: on frames, on the sound, or on words."""
    if isinstance(grid, FrameGrid):
        return _on_frames(figure, clip, grid, scores, norm)
    axes = figure.subplots()
    if isinstance(grid, TimeGrid):
        _on_sound(axes, clip, grid, scores, norm)
    elif isinstance(grid, WordGrid):
        _on_words(axes, [w.text for w in grid.words], scores, norm)
    else:
        _on_words(axes, cell_names(grid), scores, norm)
    return [axes]


def _on_frames(
    figure: SubFigure, clip: Clip, grid: FrameGrid, scores: Array, norm: Normalize
) -> list[Axes]:
    spread = grid.spread(scores)  # (T, rows, cols)
    height, width = clip.frames.shape[1:3]
    extent = (0.0, width, height, 0.0)
    columns = min(4, len(spread))
    lines = -(-len(spread) // columns)
    every = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axes in every:
        axes.axis("off")
    for axes, frame, heat, time in zip(every, clip.frames, spread, grid.times, strict=False):
        axes.imshow(frame, extent=extent)
        alpha = 0.15 + 0.55 * np.clip(norm(heat), 0, 1)
        axes.imshow(heat, extent=extent, cmap=HEAT, norm=norm, alpha=alpha, interpolation="nearest")
        axes.set_title(f"{time:.1f} s", fontsize=7, color=MUTE, pad=2)
    return every


def _on_sound(axes: Axes, clip: Clip, grid: TimeGrid, scores: Array, norm: Normalize) -> None:
    end = clip.start + clip.duration
    picture = log_mel(clip.waveform, clip.rate)
    axes.imshow(
        picture, aspect="auto", origin="lower", cmap="gray", extent=(clip.start, end, 0.0, 1.0)
    )
    colours = colormaps[HEAT](norm(scores))
    colours[:, 3] = 0.15 + 0.5 * np.clip(norm(scores), 0, 1)
    axes.bar(grid.edges[:-1], 1, np.diff(grid.edges), align="edge", color=colours, lw=0)
    axes.set(yticks=[], xlabel="seconds", xlim=(clip.start, end), ylim=(0, 1))
    axes.set_ylabel("low to high frequency", fontsize=7)


def _on_words(axes: Axes, words: list[str], scores: Array, norm: Normalize) -> None:
    axes.axis("off")
    columns, line, x, y = 88, 0.24, 0.0, 1.0
    for word, score in zip(words[:80], scores, strict=False):
        if x + len(word) > columns:
            x, y = 0.0, y - line
        strength = 0.08 + 0.72 * float(norm(score))
        box = {"boxstyle": "round,pad=0.25", "fc": COLOURS["text"], "alpha": strength, "lw": 0}
        text = axes.text(x / columns, y, word, bbox=box, va="top", parse_math=False)
        text.set_fontfamily("DejaVu Sans Mono")
        x += len(word) + 1.5
    axes.set(xlim=(0, 1), ylim=(min(y - line, 0), 1.05))


def thumbnail(scores: Array, grid: Grid) -> Array:
    """Scores over key cells as a small picture: frames are averaged, sound and words are bars."""
    if isinstance(grid, FrameGrid):
        return np.asarray(grid.spread(scores).mean(axis=0), np.float32)
    return scores[None]


def by_frame(weights: Array, query: Grid, key: Grid) -> tuple[Array, list[str], list[str]]:
    """(Q, K) with the cells of a frame joined: mean over queries, sum over keys; and the names."""
    if isinstance(query, FrameGrid):
        weights = weights.reshape(len(query.times), -1, weights.shape[1]).mean(axis=1)
    if isinstance(key, FrameGrid):
        weights = weights.reshape(len(weights), len(key.times), -1).sum(axis=2)
    return weights, cell_names(query), cell_names(key)


def cell_names(grid: Grid) -> list[str]:
    """What to write at the axis of a matrix: seconds, or words."""
    if isinstance(grid, WordGrid):
        return [w.text for w in grid.words]
    if isinstance(grid, SlotGrid):
        return [f"B{i + 1}" for i in range(grid.size)]
    at = grid.times if isinstance(grid, FrameGrid) else grid.edges[:-1]
    return [f"{t:.1f} s" for t in at]


def spoken(pair: str) -> str:
    """``video-audio`` as people read it."""
    return " · ".join(NAMES[m] for m in MODALITIES if m in pair.split("-"))


def _ticks(axes: Axes, rows: list[str], columns: list[str]) -> None:
    for names, axis in ((rows, axes.yaxis), (columns, axes.xaxis)):
        step = max(1, len(names) // 12)
        axis.set_ticks(range(0, len(names), step), [short(n) for n in names[::step]])
    if max(map(len, columns)) > 5:
        axes.tick_params(axis="x", rotation=30)
    axes.set_facecolor(SOFT)


def short(word: str) -> str:
    """A word as it stands beside an axis."""
    return word if len(word) <= 14 else f"{word[:13]}…"


def _caption(figure: Figure, analysis: Analysis, text: str) -> None:
    name = analysis.clip.name
    line = f"{analysis.model.name} · {name[:48]} · {text} {NOT_IMPORTANCE}"
    figure.supxlabel(line, fontsize=6.5, color=MUTE, x=0.01, ha="left", parse_math=False, wrap=True)
