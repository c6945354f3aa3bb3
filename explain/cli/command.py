"""The command line: its options, and the questions that it asks of methods."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from core_models.clip import MODALITIES
from core_models.registry import MODELS
from explain.analysis import Analysis
from explain.attribution import Setting
from explain.methods.method import KINDS, Control, Method
from explain.methods.registry import METHODS, MethodError, find

SAYS = {"true": True, "yes": True, "false": False, "no": False}
Asked = tuple[str, str, dict[str, Any]]  # method, target, settings


class OneLineParser(argparse.ArgumentParser):
    """Bad arguments are one line on standard error, and exit 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"explain: {message}\n")


def parser() -> OneLineParser:
    out = OneLineParser(
        prog="python -m explain", description="What a model saw, heard and read in a clip, and why."
    )
    out.add_argument("clip", nargs="?", help="a video file")
    out.add_argument(
        "--model", default=MODELS[0].name, help="a shipped model, a folder or a hub id"
    )
    out.add_argument("--text", default="", help="what is said or shown, typed")
    out.add_argument("--subtitles", help="an .srt or .vtt file")
    out.add_argument("--without", action="append", default=[], choices=MODALITIES)
    out.add_argument("--start", type=float, default=0.0, help="begin of the window in s")
    out.add_argument("--length", type=float, help="length of the window in s; default: all")
    out.add_argument("--frames", type=int, help="frames to sample; default: what the model wants")
    out.add_argument("--captioned-by", help="a captioner whose caption is read as the text")
    out.add_argument(
        "--described-by",
        help="transformers:OWNER/NAME, a tagger whose words for the sound are read",
    )
    why = out.add_argument_group("why")
    why.add_argument("--method", default="", metavar="NAME[,NAME...]", help="attribution methods")
    why.add_argument(
        "--target", default="auto", help="auto, a label, 'A rather than B', caption or word:3"
    )
    why.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="a setting of the methods that have it; METHOD.NAME=VALUE for one alone",
    )  # fmt: skip
    why.add_argument(
        "--trust", default="cheap", choices=("none", "cheap", "all"), help="tests of each map"
    )
    why.add_argument("--list-methods", action="store_true", help="what can be asked, and what not")
    beam = out.add_argument_group("captions")
    beam.add_argument("--beams", type=int, default=4, help="how many the search keeps")
    beam.add_argument("--max-length", type=int, default=30, help="word pieces at most")
    beam.add_argument("--min-length", type=int, default=5, help="word pieces at least")
    beam.add_argument("--repetition", type=float, default=1.0, help="penalty; 1 is none")
    out.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"))
    out.add_argument("--out", type=Path, default=Path("explained"), help="folder to write")
    out.add_argument("--replay", type=Path, help="the manifest.json of an earlier run")
    return out


def asked(names: str, target: str, given: Sequence[str]) -> list[Asked]:
    """The questions, one per method; MethodError says what is wrong with a name or a setting."""
    chosen = [find(name.strip()) for name in dict.fromkeys(names.split(",")) if name.strip()]
    settings: dict[str, dict[str, Any]] = {method.name: {} for method in chosen}
    for text in given:
        whole, equals, value = text.partition("=")
        if not equals:
            raise MethodError(f"“{text}” sets nothing; write NAME=VALUE, for example steps=16.")
        where, _, name = whole.strip().rpartition(".")
        meant = [method for method in chosen if where in ("", method.name)]
        takers = [(m, control) for m in meant for control in m.controls if control.name == name]
        if not takers:
            raise MethodError(_nobody(whole.strip(), chosen))
        for method, control in takers:
            settings[method.name][name] = read(control, value.strip(), method)
    return [(method.name, target, settings[method.name]) for method in chosen]


def read(control: Control, text: str, method: Method) -> Setting:
    """A setting from its text."""
    try:
        return SAYS[text.lower()] if control.kind is bool else control.kind(text)
    except (KeyError, ValueError):
        raise MethodError(
            f"“{control.name}” of {method.title} must be {KINDS[control.kind]}, not “{text}”."
        ) from None


def listed(analysis: Analysis | None = None) -> str:
    """The table of methods; of a run, also why some do not fit it."""
    head = ("name", "level", "signed", "complete", "slow", "settings", "about")
    rows: list[tuple[str, ...]] = [head]
    for method in METHODS:
        used = ", ".join(f"{c.name}={c.default}" for c in method.controls)
        why = "" if analysis is None else method.unfit(analysis)
        marks = (yes(method.signed), yes(method.complete), yes(method.slow))
        about = f"DOES NOT FIT: {why}" if why else method.about
        rows.append((method.name, method.level, *marks, used or "-", about))
    wide = [max(len(row[i]) for row in rows) for i in range(len(head) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, wide, strict=False)), row[-1]])
        for row in rows
    )


def yes(it: bool) -> str:
    return "yes" if it else "-"


def _nobody(name: str, chosen: Sequence[Method]) -> str:
    if not chosen:
        return f"“{name}” is a setting of a method; name the method with --method."
    known: Mapping[str, None] = dict.fromkeys(c.name for method in chosen for c in method.controls)
    who = "This method has" if len(chosen) == 1 else "These methods have"
    return f"{who} no setting “{name}”; there is: {', '.join(known) or 'none'}."
