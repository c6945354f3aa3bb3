"""A figure as files: for the screen, for the web, and for a paper."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike, NDArray

DPI, ROUND = 200, 10_000
NOTE_WIDTH = 140  # letters of a line below a figure
KINDS = ("png", "svg", "pdf")
# No date: the same run gives the same bytes.
METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
SMALL: dict[str, Any] = {"pil_kwargs": {"quality": 80, "subsampling": 0, "optimize": True}}


def drawn(figure: Figure, kinds: Collection[str] = KINDS, dpi: int = DPI) -> dict[str, bytes]:
    """As PNG, SVG (letters as paths) and PDF (with its fonts), by the ending of the file; as JPEG
    too, where a picture must be small.

    The layout is found once; nothing may be added to the figure afterwards.
    """
    figure.set_dpi(dpi)
    if (layout := figure.get_layout_engine()) is not None:
        layout.execute(figure)
        figure.set_layout_engine("none")
        _settle(figure)
    out = {}
    for kind in kinds:
        file = BytesIO()
        more = SMALL if kind == "jpg" else {}
        figure.savefig(file, format=kind, dpi=dpi, metadata=METADATA.get(kind), **more)
        out[kind] = file.getvalue()
    return out


def noted(figure: Figure, sentences: Iterable[str]) -> Figure:
    """The figure with more sentences below its caption."""
    lines = textwrap.wrap(" ".join(sentences), NOTE_WIDTH)
    if lines:
        said = "\n".join([figure.get_supxlabel(), *lines])
        figure.supxlabel(said, fontsize=6.5, x=0.01, ha="left", parse_math=False)
    return figure


def _settle(figure: Figure | SubFigure) -> None:
    """Places as round numbers: the solver of the layout may differ in the last digit."""
    for part in figure.subfigs:
        part.bbox_relative.set_points(_round(part.bbox_relative.get_points()))
        _settle(part)
    for axes in figure.axes:
        axes.set_position(tuple(_round(axes.get_position(original=True).bounds)))
    for text in figure.texts:
        text.set_position(tuple(_round(text.get_position())))


def _round(values: ArrayLike) -> NDArray[np.float64]:
    """To parts of 1 / ROUND; what lies just between two goes up, with or without its last digit."""
    return np.floor(np.asarray(values) * ROUND + 0.51) / ROUND
