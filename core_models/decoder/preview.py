"""A copy of a window that every browser plays: H.264 and AAC in an MP4 file."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from core_models.decoder.painter import Image, Painter
from core_models.decoder.pictures import decoded, nothing_decoded
from core_models.decoder.refused import Request
from core_models.decoder.scan import scan
from core_models.decoder.sound import Sound
from core_models.decoder.streams import open_source
from core_models.decoder.window import window

PREVIEW_SIDE, PREVIEW_RATE, PREVIEW_FPS = 640, 48_000, 60
# The same copy byte for byte every time: x264's fast path for its rate control is not.
ENCODER = {"preset": "veryfast", "crf": "24", "x264-params": "cpu-independent=1"}
THREADS = 2


def write_preview(request: Request) -> None:
    """Write the copy to the path that the request names."""
    source = open_source(request)
    sound = Sound(request["start"], request["max_seconds"], PREVIEW_RATE, request["max_rate"])
    index = scan(source, sound)
    start, end = window(request, index)
    wave = sound.finish(end - start)
    source, painter = open_source(request), Painter((PREVIEW_SIDE, PREVIEW_SIDE), step=2)
    options = {"movflags": "+faststart"}
    with av.open(request["out"], "w", format="mp4", options=options) as sink:
        track = Track(sink, wave)
        last = -np.inf
        for at, frame in decoded(source, [0]):
            if at >= end:
                break
            if at < start or at < last + 0.9 / PREVIEW_FPS:
                continue
            track.write(painter(frame, source.video), at - start)
            last = at
        if not painter.size[0]:
            raise nothing_decoded(source, request)
        track.close()


class Track:
    """The two streams of a preview, fed in step so that they are interleaved."""

    def __init__(self, sink: Any, wave: NDArray[np.float32]) -> None:
        self.sink, self.wave, self.heard, self.opened = sink, wave, 0, False
        self.video = sink.add_stream("libx264", rate=PREVIEW_FPS)
        self.video.pix_fmt = "yuv420p"
        self.video.options = ENCODER
        self.video.codec_context.time_base = Fraction(1, 90_000)
        self.video.codec_context.thread_count = THREADS
        self.audio = sink.add_stream("aac", rate=PREVIEW_RATE, layout="mono") if len(wave) else None

    def write(self, image: Image, at: float) -> None:
        if not self.opened:
            self.video.height, self.video.width = image.shape[:2]
            self.opened = True
        frame = av.VideoFrame.from_ndarray(image, "rgb24")
        frame.pts, frame.time_base = round(at * 90_000), Fraction(1, 90_000)
        self.sink.mux(self.video.encode(frame))
        self.speak(round(at * PREVIEW_RATE))

    def speak(self, until: int) -> None:
        while self.audio is not None and self.heard < min(until, len(self.wave)):
            block = self.wave[self.heard : self.heard + 1024]
            frame = av.AudioFrame.from_ndarray(block[None], "fltp", "mono")
            frame.sample_rate = PREVIEW_RATE
            frame.pts, frame.time_base = self.heard, Fraction(1, PREVIEW_RATE)
            self.heard += len(block)
            self.sink.mux(self.audio.encode(frame))

    def close(self) -> None:
        self.speak(len(self.wave))
        for stream in (self.video, self.audio):
            if stream is not None:
                self.sink.mux(stream.encode(None))
