"""Results as rows of a CSV file that only grows, so that a run that was stopped can go on."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One number. aim: which question about the clip; measure: what took it, metric: which of its
    numbers; chance: what a map that knows nothing gets, NaN where there is no such thing.
    """

    model: str
    clip: str
    aim: str
    method: str
    measure: str
    metric: str
    modality: str
    value: float
    chance: float

    @property
    def unit(self) -> tuple[str, ...]:
        """The piece of work that it comes from."""
        return (self.model, self.clip, self.aim, self.method, self.measure)


def append(path: Path, rows: Iterable[Row]) -> None:
    """Add the rows of one piece of work."""
    fresh = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(Row._fields)
        writer.writerows(rows)


def read(path: Path) -> list[Row]:
    """All rows; what was being written when a run was stopped is cut off, also in the file."""
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole)
    found = csv.reader(whole.splitlines()[1:])
    return [
        Row(model, clip, aim, method, measure, metric, modality, float(value), float(chance))
        for model, clip, aim, method, measure, metric, modality, value, chance in found
    ]
