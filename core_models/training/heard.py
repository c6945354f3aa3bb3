"""Real recordings with what is heard in them, by fold, and excerpts to learn from.

ESC-10 keeps its five folds. The other recordings are dealt out so that one voice or one clip lies
in one fold: every recording is judged by a tagger that never heard it. Two real recordings mixed
at a random gain stand for sounds at once; nothing is synthesised.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_models.describer import GATE, LEVEL, PHRASES, Tagger, loudness
from core_models.encoders import SoundTower
from core_models.training.prepare import sound_folders
from core_models.training.sounds import ESC10, Sound, collect, waveform

LABELS = tuple(PHRASES)
FOLDS = 5
MUSIC_FILES = ("cantina.wav", "sax.wav")
SAME_VOICE = ("cate_blanch_2.mp3",)  # as in the file before
OTHER = "other"  # the kind of a recording in which no class is heard

# What is heard in the labelled clips by their labels; "?": it may be heard, so nothing is learnt.
CLIPS: Mapping[str, tuple[str, ...]] = {
    "ave_0lFf-HP86Q0_female_speech.mp4": ("speech",),
    "lrs3_talk.mp4": ("speech",),
    "nasa_13013.mp4": ("speech",),
    "chaplin_bw_film.mp4": ("music",),
    "fc_vgg_0.mp4": ("music", "speech?"),
    "vas_drum_video_02480.mp4": ("music", "speech?"),
    "vas_drum_video_02542.mp4": ("music", "speech?"),
    "vgg_3HgbEKrbA9s_playing_double_bass.mp4": ("music", "speech?"),
    "vgg_D1NO38P8vqI_playing_bongo.mp4": ("music", "speech?"),
    "vgg_Qowmc0P9ic_playing_bass_drum.mp4": ("music", "speech?"),
    "vta_0DCit2EBtjs.mp4": ("music", "speech?"),
    "vta_26aVYRtEAc.mp4": ("music", "speech?"),
    "vgg_1aDnyPubxdY_baby_crying.mp4": ("baby", "speech?"),
    "ave_22olCB3wQaA_race_car.mp4": ("speech?",),
    "df_car.mp4": (),
    "cfg_chopping.mp4": (),
    "cfg_hitting_metal.mp4": (),
    "vas_hammer_video_00323.mp4": (),
    "mdn_stream_of_water.mp4": ("rain?", "sea?"),
    "vgg_7tMPoaU2oL4_people_cheering.mp4": ("speech?", "music?"),
}


@dataclass(frozen=True, eq=False)
class Recording:
    """waveform (S,); truth (classes,): 1 heard, 0 not, nan unknown; kind: drawn equally often."""

    key: str
    waveform: NDArray[np.float32]
    truth: Tensor
    kind: str
    fold: int


def truth_of(names: Sequence[str]) -> Tensor:
    """Names of classes, with a question mark where unsure -> (classes,)."""
    truth = torch.zeros(len(LABELS))
    for name in names:
        truth[LABELS.index(name.rstrip("?"))] = torch.nan if name.endswith("?") else 1.0
    return truth


def names_of(sound: Sound) -> tuple[str, ...] | None:
    """What is heard in a sound; None where its label does not say."""
    source, rest = sound.key.split("/", 1)
    match source:
        case "esc10":
            return (LABELS[list(ESC10).index(rest.split("/")[0])],)
        case "gradio":
            return ("music",) if rest in MUSIC_FILES else ("speech",)
        case "clips":
            return CLIPS.get(rest)
    return ("speech",)


def kind_of(sound: Sound, names: Sequence[str]) -> str:
    """Recordings of a kind share their draws; GRID's one voice is a kind of its own."""
    if sound.key.startswith("grid"):
        return "grid"
    return next((name for name in names if not name.endswith("?")), OTHER)


def recordings(data: Path, rate: int) -> tuple[Recording, ...]:
    """Every recording whose label says what is heard; of GRID's one voice, every fifth."""
    out: list[Recording] = []
    dealt: Counter[str] = Counter()
    for i, sound in enumerate(collect(sound_folders(data))):
        names = names_of(sound)
        if names is None or (sound.key.startswith("grid") and i % 5):
            continue
        kind = kind_of(sound, names)
        if sound.key.startswith("esc10"):
            fold = int(sound.path.name[0])
        else:
            dealt[kind] += sound.path.name not in SAME_VOICE  # which stays in the fold before
            fold = 1 + dealt[kind] % FOLDS
        out.append(Recording(sound.key, waveform(sound.path, rate), truth_of(names), kind, fold))
    return tuple(out)


def either(a: Tensor, b: Tensor) -> Tensor:
    """What is heard in a mixture: 1 where either has 1, else nan where either is unknown."""
    return torch.where((a == 1) | (b == 1), 1.0, a + b)


def deafen(wave: NDArray[np.float32], rate: int, highest: float) -> NDArray[np.float32]:
    """A waveform without what lies above a frequency, as a telephone or a codec leaves it."""
    spectrum = np.fft.rfft(wave)
    spectrum[np.fft.rfftfreq(len(wave), 1 / rate) > highest] = 0
    return np.fft.irfft(spectrum, len(wave)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Excerpts:
    """Draws excerpts of a fold: a window and a token on both sides, at a level as in use."""

    recordings: Sequence[Recording]
    tower: SoundTower
    window: int

    def one(self, kind: str, rng: np.random.Generator) -> tuple[NDArray[np.float32], Tensor]:
        """A window that is loud enough, of a recording of a kind."""
        members = [r for r in self.recordings if r.kind == kind]
        chosen = members[int(rng.integers(len(members)))]
        stride, size = self.tower.stride, (self.window + 2) * self.tower.stride
        loud = loudness(torch.from_numpy(chosen.waveform), stride, self.window)
        fair = torch.nonzero(loud >= GATE * loud.max())[:, 0]
        start = (int(fair[int(rng.integers(len(fair)))]) - 1) * stride
        cut = np.zeros(size, np.float32)
        piece = chosen.waveform[max(start, 0) : start + size]
        at = max(-start, 0)
        cut[at : at + len(piece)] = piece
        if rng.random() < 0.3:
            cut = deafen(cut, self.tower.rate, rng.uniform(3000, 10000))
        return cut * (LEVEL / float(loud.max())), chosen.truth

    def draw(self, count: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Waveforms (S,) and truths: every second one a mixture of two kinds."""
        kinds = sorted({r.kind for r in self.recordings})
        for i in range(count):
            first, second = (kinds[j] for j in rng.permutation(len(kinds))[:2])
            wave, truth = self.one(first, rng)
            if i % 2:
                other, also = self.one(second, rng)
                wave = wave + other * decibels(rng.uniform(-8, 8))
                truth = either(truth, also)
            yield torch.from_numpy(wave * decibels(rng.uniform(-6, 6))).float(), truth


def decibels(gain: float) -> np.float32:
    return np.float32(10 ** (gain / 20))


@torch.inference_mode()
def excerpts(
    source: Excerpts, tagger: Tagger, count: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Features (count, 2 d) and truths (count, classes) of excerpts; the outer tokens are cut."""
    waves, truths = zip(*source.draw(count, rng), strict=True)
    rows = []
    for part in torch.stack(waves).split(32):
        tokens = source.tower(part)[:, 1:-1]  # (B, W, d)
        rows += [tagger.pool(x) for x in tokens]
    return torch.cat(rows), torch.stack(truths)


def mixture(source: Excerpts, rng: np.random.Generator) -> tuple[NDArray[np.float32], Tensor]:
    """Two whole recordings of two kinds at once, and what is heard in them."""
    kinds = sorted({r.kind for r in source.recordings})
    pair = []
    for j in rng.permutation(len(kinds))[:2]:
        members = [r for r in source.recordings if r.kind == kinds[j]]
        pair.append(members[int(rng.integers(len(members)))])
    a, b = pair
    size = min(len(a.waveform), len(b.waveform))
    first, second = (r.waveform[:size] / (r.waveform[:size].std() + 1e-6) for r in (a, b))
    return LEVEL * (first + second * decibels(rng.uniform(-6, 6))), either(a.truth, b.truth)
