"""Whatever goes wrong, as one plain sentence."""

from __future__ import annotations

import logging
from html import escape

from core_models.checkpoint import CheckpointError
from core_models.media import MediaError
from explain.analysis import NothingToReadError
from explain.methods.registry import MethodError
from explain.modality.edits import EditError
from explain.modality.pathways import PathError
from explain.targets import TargetError

log = logging.getLogger(__name__)
KNOWN = (
    MediaError,
    CheckpointError,
    NothingToReadError,
    TargetError,
    MethodError,
    EditError,
    PathError,
)
UNFORESEEN = (
    "Something went wrong on our side; your clip and earlier results are kept. "
    "Try again, or try another clip."
)


def sentence(error: Exception) -> str:
    """What to tell the user; anything unforeseen goes to the log whole."""
    if isinstance(error, KNOWN):
        return str(error)
    log.error("unforeseen", exc_info=error)
    return UNFORESEEN


def problem(error: Exception) -> str:
    """The sentence as HTML."""
    return f'<div class="problem" role="alert">{escape(sentence(error))}</div>'
