"""One colour per modality, everywhere; heat is perceptually uniform."""

from core_models.clip import Modality

COLOURS: dict[Modality, str] = {"video": "#2f6fdb", "audio": "#d9822b", "text": "#1f9d76"}
ACCENT = "#4f46e5"
INK, MUTE, LINE, SOFT = "#16181d", "#667085", "#e4e7ec", "#f0f2f5"
HEAT = "inferno"
