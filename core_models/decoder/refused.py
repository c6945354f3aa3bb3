"""What is asked of the decoder, and its one error."""

from __future__ import annotations

from typing import Any

Request = dict[str, Any]


class Refused(Exception):
    """A file that is not read; the message is one plain sentence for the user."""
