"""What a MICap is made of: sizes, towers, and the word pieces that it can say."""

from __future__ import annotations

from dataclasses import dataclass

from core_models.clip import Modality

MODALITIES: tuple[Modality, ...] = ("video", "text")
MARKS = ("[CLS]", "[SEP]")  # the start and the end of a caption


@dataclass(frozen=True)
class MICapConfig:
    """Sizes and towers; the defaults are the shipped model.

    vocabulary: the word pieces it can say, as the text tower spells them, behind the two marks.
    frames: places of the temporal embedding. joint_width: of the space that compares the streams.
    """

    vocabulary: tuple[str, ...] = ()
    video: str = "vit-small-msrvtt"
    text: str = "minilm"
    feature_widths: tuple[int, int] = (384, 384)  # of the towers: video, text
    frames: int = 5
    width: int = 256
    heads: int = 8
    fusion_layers: int = 2
    decoder_layers: int = 3
    mlp_ratio: float = 1.0
    joint_width: int = 128
    max_pieces: int = 31
    dropout: float = 0.1

    def fault(self) -> str:
        """What cannot be built, as a clause; empty where nothing is wrong."""
        if self.vocabulary[: len(MARKS)] != MARKS or len(self.vocabulary) <= len(MARKS):
            return f"has a vocabulary that does not begin with {' and '.join(MARKS)} and go on"
        if self.heads < 1 or self.width < 1 or self.width % self.heads:
            return f"has a width of {self.width}, which {self.heads} heads cannot share"
        if len(self.feature_widths) != len(MODALITIES):
            return f"needs {len(MODALITIES)} feature_widths ({', '.join(MODALITIES)})"
        for name in ("frames", "decoder_layers", "joint_width", "max_pieces"):
            if getattr(self, name) < 1:
                return f"needs a {name} of 1 at least"
        return ""
