"""Rows that last: Parquet parts that are whole or not there, and what a run goes on with."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pyarrow as pa
from pyarrow import parquet

from explain.dataset.columns import Row
from explain.dataset.files import put
from explain.dataset.listing import DatasetError

KINDS: Mapping[type, pa.DataType] = {
    str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_(),
}  # fmt: skip


@contextmanager
def held(out: Path) -> Iterator[None]:
    """The folder for one run at a time; the lock ends with the process, however that ends."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DatasetError(
                f"Another run writes to {out}; wait for it, or name another folder with --out."
            ) from None
        yield


def agreed(out: Path, asked: Mapping[str, Any]) -> None:
    """Write down what is asked; DatasetError where the rows that are there answer another question.

    asked: as JSON reads it back.
    """
    path = out / "run.json"
    if path.exists():
        try:
            before = json.loads(path.read_text())
            old = {**before["arguments"], "weights": before["weights"]}
        except (ValueError, TypeError, KeyError):
            raise DatasetError(f"{path} is damaged; name another folder with --out.") from None
        new = {**asked["arguments"], "weights": asked["weights"]}
        other = sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
        if other:
            raise DatasetError(
                f"The rows in {out} were made with another {' and another '.join(other)}; ask as "
                "then, or name another folder with --out."
            )
    put(path, (json.dumps(asked, indent=1, ensure_ascii=False) + "\n").encode())


def done(out: Path, again: bool = False) -> set[str]:
    """The ids of the clips that have a row; again: less those whose row is an error."""
    error = dict[str, str | None]()
    for part in parts(out):
        held = _table(part, ["id", "error"])
        error.update(zip(held["id"].to_pylist(), held["error"].to_pylist(), strict=True))
    return {id for id, why in error.items() if not (again and why)}


def parts(out: Path) -> list[Path]:
    """In the order in which they were written."""
    return sorted((out / "parts").glob("part-*.parquet"))


def add(out: Path, rows: Sequence[Row]) -> None:
    """A part more; a kill leaves it whole or not there at all."""
    if not rows:
        return
    have = parts(out)
    number = 1 + (int(have[-1].stem.removeprefix("part-")) if have else 0)
    folder = out / "parts"
    folder.mkdir(exist_ok=True)
    _written(pa.Table.from_pylist([asdict(x) for x in rows], schema()),
             folder / f"part-{number:06d}.parquet")  # fmt: skip


def merged(out: Path, order: Collection[str]) -> list[Row]:
    """All rows of these ids in their order, the last of each, also as rows.parquet."""
    tables = [_table(part) for part in parts(out)]
    whole = pa.concat_tables([schema().empty_table(), *tables])
    place = {id: i for i, id in enumerate(whole["id"].to_pylist())}
    chosen = whole.take(pa.array([place[id] for id in order if id in place], pa.int64()))
    _written(chosen, out / "rows.parquet")
    return [_made(Row, x) for x in chosen.to_pylist()]


def read(path: Path) -> list[Row]:
    """The rows of a file, as they were."""
    return [_made(Row, x) for x in _table(path).to_pylist()]


@cache
def schema() -> pa.Schema:
    """The columns: the fields of a row, with lists and structs inside."""
    return pa.schema([pa.field(f.name, f.type) for f in _kind(Row)])


@cache
def _hints(form: Hashable) -> Mapping[str, Any]:
    return get_type_hints(form)


def _kind(form: Any) -> pa.DataType:
    if form in KINDS:
        return KINDS[form]
    if is_dataclass(form) and isinstance(form, type):
        return pa.struct([pa.field(f.name, _kind(_hints(form)[f.name])) for f in fields(form)])
    if get_origin(form) is UnionType:  # X | None
        return _kind(get_args(form)[0])
    return pa.list_(_kind(get_args(form)[0]))  # tuple[X, ...]


def _made(form: Any, value: Mapping[str, Any]) -> Any:
    """The dataclass that a value of a file is."""
    return form(**{name: _back(kind, value[name]) for name, kind in _hints(form).items()})


def _back(form: Any, value: Any) -> Any:
    if value is None or form in KINDS or get_origin(form) is UnionType:
        return value
    if is_dataclass(form) and isinstance(form, type):
        return _made(form, value)
    inner = get_args(form)[0]
    return tuple(_back(inner, x) for x in value)


def _table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Of a file that this program wrote; DatasetError where it is something else."""
    try:
        found = parquet.read_table(path, columns=columns)
        if columns is None and found.schema != schema():
            raise pa.ArrowInvalid
        return found
    except pa.ArrowException:
        raise DatasetError(
            f"{path} is damaged, or was written by another version; remove it, and its clips are "
            "explained again."
        ) from None


def _written(table: pa.Table, path: Path) -> None:
    fresh = path.with_name(f".{path.name}.part")
    parquet.write_table(table, fresh, compression="zstd")
    os.replace(fresh, path)
