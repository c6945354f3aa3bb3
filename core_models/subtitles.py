"""Text beside a clip: typed words, subtitle files and cues, as words with their times."""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Sequence
from pathlib import Path

import pysubs2

from core_models.clip import TextSource, Word

FORMATS = {".srt": "srt", ".vtt": "vtt"}
MAX_BYTES, MAX_LETTERS, MAX_WORDS = 1_000_000, 64, 2000

Cue = tuple[float, float, str]
Cues = tuple[Sequence[Cue], tuple[str, ...]]  # with remarks

_MARKUP = re.compile(r"\{\\[^{}]*\}|</?[a-zA-Z0-9][^<>]*>")
_BREAKS = re.compile(r"\\[Nnh]")


def plain(text: str) -> str:
    """Text without subtitle markup, entities and control characters, on one line."""
    text = html.unescape(_MARKUP.sub("", _BREAKS.sub(" ", text)))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def typed_words(text: str) -> tuple[Word, ...]:
    """The words of a text that has no timing."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return tuple(Word(w[:MAX_LETTERS]) for w in shown.split())


def cue_words(cues: Sequence[Cue], start: float, end: float) -> tuple[Word, ...]:
    """The words whose middle lies in the window; a cue's span is shared out by word length."""
    words: list[Word] = []
    for begin, stop, text in sorted(cues, key=lambda c: c[0]):
        parts = plain(text).split()
        letters = sum(map(len, parts))
        at = begin
        for part in parts:
            until = at + (max(stop, begin) - begin) * len(part) / letters
            if start <= (at + until) / 2 < end:
                words.append(Word(part[:MAX_LETTERS], at, until))
            at = until
    return tuple(words)


def choose_words(
    text: str, beside: Cues | None, inside: Sequence[Cue], start: float, end: float
) -> tuple[tuple[Word, ...], TextSource, tuple[str, ...]]:
    """Words, where they come from, and remarks: typed, else of a file, else the clip's own."""
    remarks: tuple[str, ...] = ()
    origin: TextSource
    if text.strip():
        words, origin = typed_words(text), "typed"
    elif beside is not None:
        words, origin, remarks = cue_words(beside[0], start, end), "subtitles", beside[1]
        remarks += () if words else ("No subtitle falls into this window.",)
    else:
        words, origin = cue_words(inside, start, end), "embedded"
    if len(words) > MAX_WORDS:
        remarks += (f"Only the first {MAX_WORDS:,} of {len(words):,} words are read.",)
    return words[:MAX_WORDS], origin if words else "none", remarks


def read_cues(path: Path) -> Cues:
    """The cues of an .srt or .vtt file, and remarks; ValueError says why it cannot be read."""
    kind = FORMATS.get(path.suffix.lower())
    if kind is None:
        raise ValueError("Subtitles are read from .srt and .vtt files only; choose one of those.")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError:
        raise ValueError("The subtitle file cannot be opened; choose it again.") from None
    if len(data) > MAX_BYTES:
        raise ValueError("The subtitle file is larger than 1 MB; choose a shorter one.")
    text, notices = _decode(data)
    try:
        events = pysubs2.SSAFile.from_string(text.replace("\0", ""), format_=kind).events
        cues = [(e.start / 1000, e.end / 1000, e.text) for e in events if plain(e.text)]
    except (pysubs2.exceptions.Pysubs2Error, ValueError, IndexError, OverflowError):
        cues = []
    if not cues:
        raise ValueError("No subtitle could be read from the subtitle file; check its format.")
    return cues, notices


def _decode(data: bytes) -> tuple[str, tuple[str, ...]]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), ()
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError:
        notice = "The subtitle file is not UTF-8; it was read as Western European text."
        return data.decode("cp1252", "replace"), (notice,)
