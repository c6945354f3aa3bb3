"""What a browser may load and run on the page: the Content-Security-Policy."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Collection

SCRIPT = re.compile(rb"<script(\s[^>]*)?>(.*?)</script>", re.DOTALL | re.IGNORECASE)
# The page's framework compiles the script of every gr.HTML from text; styles are written inline.
PARTS = (
    "default-src 'none'",
    "script-src 'self' 'unsafe-eval'{scripts}",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' data: blob:",
    "manifest-src 'self'",
    "worker-src 'self' blob:",
    "form-action 'self'",
    "base-uri 'self'",
    "frame-ancestors 'self'{frames}",
)


def policy(frames: Collection[str] = (), scripts: Collection[str] = ()) -> str:
    """frames: sites that may show the page in theirs; scripts: hashes of those inside the page."""
    said = "; ".join(PARTS)
    return said.format(
        scripts="".join(f" '{digest}'" for digest in scripts),
        frames="".join(f" {site}" for site in frames),
    )


def page_policy(html: bytes, frames: Collection[str] = ()) -> str:
    """The policy under which the scripts written into this page run, and no other inline one."""
    inline = (body for told, body in SCRIPT.findall(html) if b"src=" not in told and body.strip())
    digests = {b64encode(hashlib.sha256(body).digest()).decode() for body in inline}
    return policy(frames, [f"sha256-{digest}" for digest in sorted(digests)])
