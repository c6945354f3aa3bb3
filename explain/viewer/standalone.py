"""One HTML document that carries the viewer and its data: it opens from disk and asks nobody."""

from __future__ import annotations

import json
from base64 import b64encode
from html import escape
from typing import Any

from explain import viewer

STYLE = """
body { margin: 0; background: #f6f7f9; color: #16181d;
  font: 13px/1.5 Inter, system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
body.dark { background: #0e1014; color: #eceef2; color-scheme: dark; }
main { max-width: 1240px; margin: 0 auto; padding: 20px; display: grid; gap: 14px; }
main > * { min-width: 0; }
header { display: flex; justify-content: space-between; align-items: center; gap: 16px; }
h1 { font-size: 18px; letter-spacing: -.01em; margin: 0; overflow-wrap: anywhere; }
#theme { font: inherit; color: inherit; background: none; border: 1px solid #98a1b0;
  border-radius: 7px; padding: 4px 10px; cursor: pointer; flex: none; }
.card { background: #fff; border: 1px solid #e4e7ec; border-radius: 10px; padding: 14px; }
.dark .card { background: #16191f; border-color: #262b34; }
"""

# Dark where the machine is, or by the button.
THEME = """
const dark = matchMedia("(prefers-color-scheme: dark)");
const theme = document.getElementById("theme");
const paint = (on) => {
  document.body.classList.toggle("dark", on);
  theme.textContent = on ? "Light" : "Dark";
};
paint(dark.matches);
dark.addEventListener("change", () => paint(dark.matches));
theme.addEventListener("click", () => paint(!document.body.classList.contains("dark")));
"""

# What a Gradio HTML component provides, in a few lines; the value here never changes.
SHIM = f"""{THEME}
const value = JSON.parse(document.getElementById("value").textContent);
mount(document.getElementById("viewer"), {{ value }}, () => {{}}, () => {{}});
"""


def data_url(data: bytes, mime: str) -> str:
    """Bytes as a URL that holds them."""
    return f"data:{mime};base64,{b64encode(data).decode('ascii')}"


def page(title: str, body_before: str, body_after: str, value: dict[str, Any]) -> str:
    """The document. The bodies are HTML; the files in `value` are `{"url": data_url(...)}`."""
    data = json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
    name = escape(title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{name}</title>
<style>{STYLE}{viewer.css()}</style>
</head>
<body>
<main>
<header><h1>{name}</h1><button id="theme" type="button">Dark</button></header>
{body_before}
<div class="card"><div id="viewer">{viewer.html()}</div></div>
{body_after}
</main>
<script type="application/json" id="value">{data}</script>
<script>
function mount(element, props, trigger, watch) {{
{viewer.js()}
}}
{SHIM}</script>
</body>
</html>
"""
