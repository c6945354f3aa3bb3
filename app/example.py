"""An example clip, put together from media that Gradio bundles: a picture and an unlike sound."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import av
import gradio as gr

from app import storage

TEXT = "the earth at night, seen from space"


@cache
def example() -> tuple[str, str]:
    """The path of the clip, made once per process, and a text for it."""
    target = Path(tempfile.mkdtemp(dir=storage.root())) / "earth-and-saxophone.mp4"
    picture, sound = gr.get_video("b.mp4"), gr.get_audio("sax.wav")
    with av.open(picture) as seen, av.open(sound) as heard, av.open(str(target), "w") as out:
        frames, length = seen.streams.video[0], float(seen.duration or 0) / av.time_base
        video = out.add_stream_from_template(frames)
        audio = out.add_stream("aac", rate=heard.streams.audio[0].rate, layout="mono")
        for packet in seen.demux(frames):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
        resampler = av.AudioResampler("fltp", "mono", audio.rate)
        for decoded in heard.decode(audio=0):
            if decoded.time is not None and decoded.time > length:
                break
            for block in resampler.resample(decoded):
                out.mux(audio.encode(block))
        out.mux(audio.encode(None))
    return str(target), TEXT
