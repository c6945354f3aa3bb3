"""The look of the page: one calm theme, system fonts, the viewer's own colours."""

from pathlib import Path

import gradio as gr
from gradio.themes import sizes

from explain.render.cards import CSS as CARDS
from explain.render.modality_cards import CSS as MODALITIES
from explain.render.trust_cards import CSS as TRUST
from explain.viewer import css as viewer_css

FONT = ("Inter", "system-ui", "Segoe UI", "DejaVu Sans", "sans-serif")
CSS = viewer_css() + CARDS + MODALITIES + TRUST + (Path(__file__).parent / "page.css").read_text()


def theme() -> gr.themes.Base:
    """Gradio's variables, set to the palette of the viewer in light and dark."""
    base = gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        text_size=sizes.text_sm,
        radius_size=sizes.radius_md,
        font=FONT,
        font_mono=("ui-monospace", "DejaVu Sans Mono", "monospace"),
    )
    return base.set(
        body_background_fill="#f6f7f9",
        body_background_fill_dark="#0e1014",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#16191f",
        background_fill_secondary="#f0f2f5",
        background_fill_secondary_dark="#1d2128",
        block_background_fill="#ffffff",
        block_background_fill_dark="#16191f",
        block_border_color="#e4e7ec",
        block_border_color_dark="#262b34",
        border_color_primary="#e4e7ec",
        border_color_primary_dark="#262b34",
        body_text_color="#16181d",
        body_text_color_dark="#eceef2",
        body_text_color_subdued="#667085",
        body_text_color_subdued_dark="#98a1b0",
        input_background_fill="#f0f2f5",
        input_background_fill_dark="#1d2128",
        button_primary_background_fill="#4f46e5",
        button_primary_background_fill_hover="#4338ca",
        button_primary_background_fill_dark="#8b85ff",
        button_primary_background_fill_hover_dark="#a29dff",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark="#0e1014",
        block_shadow="none",
    )
