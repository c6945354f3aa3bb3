"""One colour per stream, everywhere; heat is perceptually uniform."""

from core_models.clip import Stream

COLOURS: dict[Stream, str] = {
    "video": "#2f6fdb",
    "audio": "#d9822b",
    "text": "#1f9d76",
    "bottleneck": "#8b5bb5",
    "video-cls": "#5b6f99",
    "audio-cls": "#8f7a5c",
    "caption": "#b0476e",
}
ACCENT = "#4f46e5"
INK, MUTE, LINE, SOFT = "#16181d", "#667085", "#e4e7ec", "#f0f2f5"
HEAT = "inferno"
FOR, AGAINST = "#c9304a", "#0f86b3"  # a score's sign; white lies between
