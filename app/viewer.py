"""The viewer as a Gradio component: one HTML component whose files travel as files."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.data_classes import FileData, GradioModel
from pydantic import Field

from explain import viewer


class ViewerData(GradioModel):
    """What the script reads: the clip, the strip of frames, the spectrogram, the maps' bytes, and
    the bytes of every explanation.
    """

    video: FileData | None = None
    strip: FileData | None = None
    sound: FileData | None = None
    tensor: FileData | None = None
    scores: list[FileData] = Field(default_factory=list)
    meta: dict[str, Any] = Field(default_factory=dict)


class Viewer(gr.HTML):
    """Shows one run.

    Its value is `{"video", "strip", "sound", "tensor": path or None, "scores": paths, "meta"}`. It
    fires `select` when an explanation is chosen (`show`, its id) or a word asked about (`ask`), and
    `unplayable` when the browser cannot play the clip.
    """

    data_model = ViewerData
    fires = ("select", "unplayable")

    def __init__(self, value: dict[str, Any] | None = None, **options: Any) -> None:
        super().__init__(
            value,
            html_template=viewer.html(),
            css_template=viewer.css(),
            js_on_load=viewer.js(),
            apply_default_css=False,
            **options,
        )

    def __getattr__(self, name: str) -> Any:
        # Gradio would look for every name in the script, and again whenever something is shown.
        if name not in self.fires:
            raise AttributeError(name)
        return super().__getattr__(name)

    def postprocess(self, value: Any) -> Any:
        if value is None:
            return None
        files = {
            name: FileData(path=str(value[name]))
            for name in ("video", "strip", "sound", "tensor")
            if value.get(name) is not None
        }
        scores = [FileData(path=str(path)) for path in value.get("scores", ())]
        return ViewerData(**files, scores=scores, meta=value["meta"])

    def preprocess(self, payload: Any) -> Any:
        return payload
