"""What was missing, cut or assumed in a reading, in plain sentences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from core_models.reading import ClipInfo, Reading

LONG = 30.0  # seconds; in a longer clip the frames lie far apart


def notices(read: Reading, asked: int, length: float | None, rate: int) -> tuple[str, ...]:
    """One sentence for everything that was missing, cut or assumed."""
    return tuple(_window_notices(read, asked, length)) + tuple(_sound_notices(read, rate))


def _window_notices(read: Reading, asked: int, length: float | None) -> Iterator[str]:
    info, count, span = read.info, len(read.times), read.end - read.start
    yield from _missing(info)
    limited = read.end < info.duration - 0.01
    if length is None and limited:
        yield (
            f"Only {round(span, 1):g} s of {round(info.duration, 1):g} s were read, which is the "
            "limit; choose a window to see another part."
        )
    elif length is not None and span < length - 0.1:
        why = ", which is the limit" if limited else ""
        yield f"The window was shortened from {length:.1f} s to {span:.1f} s{why}."
    if length is None and span > LONG and count > 1:
        yield (
            f"{count} frames over {span:.0f} s: one every {span / count:.1f} s; "
            "choose a window to look closer."
        )
    if count < asked:
        yield f"This window holds only {count} of the {asked} frames asked for."
    low, high = info.picture
    if low > read.start + 0.5 or high < read.end - 0.5:
        yield (
            f"The picture covers {low:.1f} s to {high:.1f} s of {info.duration:.1f} s; all frames "
            "are from there."
        )
    if read.faults:
        yield f"Damaged pieces of the picture were left out: {read.faults}."
    if max(info.tracks) > 1:
        numbers = " and ".join(map(str, info.read))
        yield (
            f"The file has {info.tracks[0]} picture and {info.tracks[1]} sound tracks; "
            f"of all its tracks, number {numbers} {'were' if len(info.read) > 1 else 'was'} read."
        )


def _missing(info: ClipInfo) -> Iterator[str]:
    """What a damaged file should hold and does not."""
    count, listed = info.frames
    declared = info.declared or 0.0
    low, high = info.picture
    short = info.duration < declared - max(0.15, 0.01 * declared)
    about = "" if listed else "about "
    if short and not listed:
        listed = max(count, round(count / max(high - low, 0.001) * declared))
    frames = f"{about}{count:,} of {listed:,} frames could be read"
    if short:
        yield f"The file breaks off at {info.duration:.1f} s of {declared:.1f} s: {frames}."
    elif count < listed:
        yield f"Only {frames}; the others are damaged, empty or missing."


def _sound_notices(read: Reading, rate: int) -> Iterator[str]:
    info, wave = read.info, read.waveform
    if not info.has_audio:
        yield "This clip has no sound track."
    elif read.unread:
        yield read.unread
    elif not len(wave):
        yield "No sound could be read in this window."
    else:
        low, high = info.sound or (read.start, read.end)
        if low > read.start + 0.5 or read.start + len(wave) / rate < read.end - 0.5:
            yield f"The sound covers {low:.1f} s to {high:.1f} s of {info.duration:.1f} s."
        if float(np.abs(wave).max()) < 1e-4:
            yield "The sound is silent."
    if read.lost:
        yield f"Damaged pieces of the sound were left out: {read.lost}."
    if read.broken:
        yield f"{read.broken:,} sound samples were not valid numbers and were set to 0."
