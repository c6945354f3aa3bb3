"""The towers: pretrained encoders walked with `attend`, so that what they attend to can be kept.

A tower is named by a folder under ``weights/encoders`` (or any path), or by a hub id:
``timm:vit_base_patch16_224`` or ``transformers:bert-base-uncased``.
"""

from core_models.encoders.loading import ENCODERS, Tower, build_encoder, load_encoder
from core_models.encoders.sound import SoundTower
from core_models.encoders.text import TextTower
from core_models.encoders.vision import VisionTower

__all__ = [
    "ENCODERS",
    "SoundTower",
    "TextTower",
    "Tower",
    "VisionTower",
    "build_encoder",
    "load_encoder",
]
