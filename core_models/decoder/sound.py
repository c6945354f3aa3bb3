"""The sound of a window, decoded packet by packet."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from core_models.decoder.streams import AUDIO_CODECS, Source, codec_of

MAX_CHANNELS = 64
BLOCK = 1 << 17  # numbers that are worked on at once


def unread(codec: str, rate: int, channels: int, most: int) -> str:
    """The sentence that says why sound is left out; most: samples per second. Empty: it is not."""
    if codec == "unknown":
        return "The sound track cannot be identified; it is damaged or incomplete."
    if codec not in AUDIO_CODECS:
        return f"The sound is coded as {codec}, which is not read here."
    why = "The sound has {:,} {} and the limit is {:,}; it was left out."
    if rate > most:
        return why.format(rate, "samples a second", most)
    return why.format(channels, "channels", MAX_CHANNELS) if channels > MAX_CHANNELS else ""


class Sound:
    """The sound of a window as mono float32 at one rate, placed by its timestamps.

    most: samples per second that the file may have.
    """

    def __init__(self, start: float, length: float, rate: int, most: int) -> None:
        self.start, self.length, self.rate, self.most = start, length, rate, most
        self.native = 0  # samples per second in the file
        self.placed = 0  # native samples so far, from the start of the window
        self.waiting: list[NDArray[np.float32]] = []  # samples that follow these
        self.count = 0  # of them
        self.broken = 0  # samples that were not numbers, or not sound
        self.faults = 0  # packets that could not be decoded
        self.unread = ""  # why it is left out
        self.shape: tuple[str, str, int] | None = None
        self.blocks: list[NDArray[np.float32]] = []

    def feed(self, source: Source, packet: Any, at: float | None) -> None:
        """Decode a packet if it can hold sound of the window."""
        early = at is not None and at < self.start - 1.0
        late = at is not None and at > self.start + self.length
        if early or late or self.unread:
            return
        codec, context = codec_of(packet.stream), packet.stream.codec_context
        rate, channels = (context.sample_rate, context.layout.nb_channels) if context else (0, 0)
        self.unread = unread(codec, rate, channels, self.most)
        if self.unread:
            return
        try:
            for frame in packet.decode():
                self.take(frame, source.time(frame))
        except (av.FFmpegError, ValueError):
            self.faults += 1

    def take(self, frame: Any, at: float | None) -> None:
        channels = frame.layout.nb_channels
        self.unread = unread("pcm_u8", frame.sample_rate, channels, self.most)
        if self.unread or not frame.sample_rate or not channels:
            return
        if not self.native:
            self.native = frame.sample_rate
            self.out = av.AudioResampler("flt", "mono", self.rate)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self.shape:  # packed first: reading many planes at once is not safe in av
            self.settle()
            self.shape = shape
            self.pack = av.AudioResampler("flt", frame.layout, self.native)
        for packed in self.pack.resample(frame):
            samples = packed.to_ndarray().reshape(-1, channels)
            if gap := self.gap(at):
                self.settle()
                self.place(self.mono(samples), gap)
            else:
                self.waiting.append(samples)
                self.count += len(samples)
            if self.count * channels >= BLOCK:
                self.settle()
            at = None

    def gap(self, at: float | None) -> int:
        """Native samples from the end of what is there to a time; small jitter is ignored."""
        there = self.placed + self.count
        gap = 0 if at is None else round((at - self.start) * self.native) - there
        return 0 if there and abs(gap) <= self.native // 20 else gap

    def settle(self) -> None:
        """Place what waits: many frames at once cost half as much as each for itself."""
        if self.waiting:
            mono = self.mono(np.concatenate(self.waiting))
            self.waiting, self.count = [], 0
            self.place(mono, 0)

    def mono(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(S, channels) -> (S,) in [-1, 1], with 0 for what is no number or no sound."""
        planes = np.ascontiguousarray(samples.T)  # (channels, S)
        odd = ~(np.abs(planes) < 1e3)
        self.broken += int(odd.sum())
        mixed: NDArray[np.float32] = np.where(odd, 0, planes).clip(-1, 1).mean(0, np.float32)
        return mixed

    def place(self, mono: NDArray[np.float32], gap: int) -> None:
        """Put samples a gap behind what is there, with silence in it; before, cut them."""
        total = round(self.length * self.native)
        while gap > 0 and self.placed < total:
            step = min(gap, self.native, total - self.placed)
            self.push(np.zeros(step, np.float32))
            gap -= step
        self.push(mono[max(0, -gap) :][: max(0, total - self.placed)])

    def push(self, mono: NDArray[np.float32]) -> None:
        if not len(mono):
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(mono)[None], "flt", "mono")
        frame.sample_rate = self.native
        frame.pts, frame.time_base = self.placed, Fraction(1, self.native)
        self.placed += len(mono)
        self.collect(self.out.resample(frame))

    def collect(self, frames: list[Any]) -> None:
        self.blocks += [f.to_ndarray()[0].copy() for f in frames if f is not None]

    def finish(self, length: float) -> NDArray[np.float32]:
        """The waveform (S,) in [-1, 1] from the start of the window, at most `length` long."""
        self.settle()
        if self.placed:
            self.collect(self.out.resample(None))
        wave = np.concatenate([*self.blocks, np.zeros(0, np.float32)])
        return wave[: round(length * self.rate)].clip(-1, 1).astype(np.float32)
