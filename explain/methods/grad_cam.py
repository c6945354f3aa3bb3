"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) on the tokens of picture and sound, by Captum.

A channel weighs as much as its mean gradient over all tokens of its modality; a token's score is
the weighted sum of its channels where that is above 0. Captum listens to an identity of our own
that the tokens pass through, never to a layer of the model.
"""

from __future__ import annotations

from collections.abc import Iterator

from captum.attr import LayerGradCam
from torch import Tensor, nn

from core_models.clip import Modality, Stream
from explain.analysis import Analysis
from explain.methods.method import Step
from explain.question import Question

PLACED: tuple[Modality, ...] = ("video", "audio")


class Tapped(nn.Module):
    """The question's score of one modality's tokens, all others as they are."""

    def __init__(self, question: Question, modality: Modality) -> None:
        super().__init__()
        self.question, self.modality = question, modality
        self.tap = nn.Identity()

    def forward(self, channels: Tensor) -> Tensor:
        """(B, d, N) -> (B,)"""
        tokens = self.tap(channels).transpose(1, 2)
        return self.question.of_tokens({**self.question.tokens, self.modality: tokens})


def grad_cam(question: Question) -> Iterator[Step]:
    """Cells of the picture, then spans of the sound."""
    scores: dict[Stream, Tensor] = {}
    there = [m for m in PLACED if m in question.tokens]
    for i, m in enumerate(there):
        model = Tapped(question, m)
        channels = question.tokens[m].detach().transpose(1, 2).requires_grad_()  # (1, d, N)
        found = LayerGradCam(model, model.tap).attribute(channels, relu_attributions=True)
        scores[m] = found[:, 0].detach()  # (1, N)
        yield Step((i + 1) / len(there), dict(scores))


def unfit(analysis: Analysis) -> str:
    """Words have no map of channels to weigh."""
    if any(m in analysis.present for m in PLACED):
        return ""
    return "Grad-CAM explains the picture and the sound, and both are off; switch one on."
