"""Serve the page: bound to this machine, with nothing fetched from elsewhere."""

from __future__ import annotations

import gradio as gr

from app.theme import CSS, theme
from core_models.media import LIMITS


def launch(
    page: gr.Blocks,
    host: str = "127.0.0.1",
    port: int = 7860,
    share: bool = False,
) -> str:
    """Serve beside what follows, and return the address: the public one when it is shared.

    OSError when the port is taken.
    """
    _, address, public = page.queue(max_size=32).launch(
        server_name=host,
        server_port=port,
        share=share,
        theme=theme(),
        # As `css` it would be rewritten, and selectors with commas inside :is() broken.
        head=f"<style>{CSS}</style>",
        footer_links=[],
        max_file_size=LIMITS.max_bytes,
        run_history=False,
        ssr_mode=False,
        prevent_thread_lock=True,
        quiet=True,
    )
    return public or address
