"""Which clips: a folder, a list of paths, or a CSV file with labels and texts."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core_models.media import EXTENSIONS

FILE = ("file", "path", "clip", "video")  # the names that a column may have
LABEL = ("label", "labels", "category", "categories")
TEXT = ("text", "caption")
SUBTITLES = ("subtitles",)
BESIDE = (".srt", ".vtt")


class DatasetError(ValueError):
    """What cannot be run; the message says what to do instead."""


@dataclass(frozen=True)
class Entry:
    """A clip to explain. file, subtitles: below the root. labels: those that are right, the best
    first.
    """

    file: str
    labels: tuple[str, ...] = ()
    text: str = ""
    subtitles: str = ""

    @property
    def id(self) -> str:
        """The same for the same line, wherever it stands and the root lies."""
        said = json.dumps([self.file, self.labels, self.text, self.subtitles])
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Listing:
    """The clips in their order, each once; repeated: lines that say what an earlier one said."""

    name: str
    root: Path
    entries: tuple[Entry, ...]
    repeated: int = 0


def listing(source: Path) -> Listing:
    """What a folder holds, or a list names; DatasetError where that is nothing."""
    if source.is_dir():
        root, found = source, _below(source)
    elif source.suffix.lower() in EXTENSIONS:
        raise DatasetError(
            f"{source} is one clip; explain it with python -m explain, or name a folder or a list."
        )
    elif source.is_file():
        root, found = source.parent, _listed(source)
    else:
        raise DatasetError(f"There is no folder and no list {source}.")
    if not found:
        raise DatasetError(f"{source} names no clip; a clip ends in .mp4, .mov, .webm or alike.")
    once = tuple(dict.fromkeys(found))
    return Listing(source.absolute().name, root.absolute(), once, len(found) - len(once))


def _below(folder: Path) -> list[Entry]:
    """Every clip, with the subtitles of the same name beside it."""
    files = (p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS)
    inside = sorted(p.relative_to(folder) for p in files if p.is_file())
    shown = (p for p in inside if not any(part.startswith(".") for part in p.parts))
    return [Entry(p.as_posix(), subtitles=_beside(folder, p)) for p in shown]


def _beside(folder: Path, clip: Path) -> str:
    found = (clip.with_suffix(kind) for kind in BESIDE)
    return next((p.as_posix() for p in found if (folder / p).is_file()), "")


def _listed(path: Path) -> list[Entry]:
    """A line each: a path, or of a CSV file what its first line names."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() != ".csv":
            lines = (line.strip() for line in text.splitlines())
            named = [line for line in lines if line and not line.startswith("#")]
            return [Entry(name, subtitles=_beside(path.parent, Path(name))) for name in named]
        table = csv.DictReader(text.splitlines())
        head = {name.strip().lower(): name for name in table.fieldnames or ()}
        if not any(name in head for name in FILE):
            raise DatasetError(
                f"The first line of {path} must name a column “file”, and may name “label” "
                "(several with | between), “text” and “subtitles”."
            )
        return [_entry(line, head, path.parent) for line in table]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a list of clips: {error}.") from None


def _entry(line: Mapping[str, str], head: Mapping[str, str], root: Path) -> Entry:
    def cell(names: tuple[str, ...]) -> str:
        return next(((line[head[n]] or "").strip() for n in names if n in head), "")

    file = cell(FILE)
    labels = tuple(part.strip() for part in cell(LABEL).split("|") if part.strip())
    return Entry(file, labels, cell(TEXT), cell(SUBTITLES) or _beside(root, Path(file or ".")))
