"""Serve the page: bound to this machine, with nothing fetched from elsewhere."""

from __future__ import annotations

import threading

import gradio as gr

from app.theme import CSS, theme
from core_models.media import LIMITS
from core_models.registry import load, pick_device


def launch(
    page: gr.Blocks,
    host: str = "127.0.0.1",
    port: int = 7860,
    share: bool = False,
    block: bool = True,
) -> str:
    """Serve until interrupted, or return the address at once when block is False."""
    _, address, _ = page.queue(max_size=32).launch(
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
        prevent_thread_lock=not block,
        quiet=not block,
    )
    return address


def warm(model: str, device: str) -> None:
    """Load the model while the first page is on its way."""
    threading.Thread(target=load, args=(model, pick_device(device)), daemon=True).start()
