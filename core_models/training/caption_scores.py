"""Captions of many videos, and how well they agree with the references.

The scorer is pycocoevalcap (Chen et al. 2015, arXiv:1504.00325), an extra of training. Its PTB
tokenizer and METEOR run Java; without Java the words are split at blanks once punctuation is gone,
and METEOR is left out. core_models/training/requirements.txt names it; nothing else needs it.
"""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_models.caption_decoder import END
from core_models.clip import Modality
from core_models.interface import Decoding
from core_models.micap import MICap
from core_models.micap_config import MODALITIES
from core_models.speaker import join, search
from core_models.training.batches import pad
from core_models.training.captions import plain
from core_models.training.cider import CiderD
from core_models.training.features import Ragged

DANGLING = frozenset("a an and are at by for from his in is of on or the their to with".split())
Said = Mapping[str, str]  # a caption by video
References = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class CaptionScores:
    """Times 100, as papers give them; meteor: None without Java. each: CIDEr by video."""

    bleu: float
    meteor: float | None
    rouge: float
    cider: float
    each: Mapping[str, float]

    def __str__(self) -> str:
        meteor = "    -" if self.meteor is None else f"{self.meteor:5.1f}"
        return (
            f"BLEU@4 {self.bleu:5.1f}  METEOR {meteor}  ROUGE-L {self.rouge:5.1f}  "
            f"CIDEr {self.cider:5.1f}  n={len(self.each)}"
        )


def score(said: Said, references: References) -> CaptionScores:
    """All four measures of the captions against the references of the same videos."""
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.rouge.rouge import Rouge

    java = shutil.which("java") is not None
    told, known = _split(said, references, java)
    with contextlib.redirect_stdout(io.StringIO()):
        bleu, _ = Bleu(4).compute_score(known, told)
        rouge, _ = Rouge().compute_score(known, told)
        cider, each = Cider().compute_score(known, told)
        meteor = Meteor().compute_score(known, told)[0] if java else None
    return CaptionScores(
        100 * bleu[3],
        None if meteor is None else 100 * meteor,
        100 * float(rouge),
        100 * float(cider),
        dict(zip(told, (100 * each).tolist(), strict=True)),
    )


def _split(
    said: Said, references: References, java: bool
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Captions and references as lists of texts whose words stand between blanks."""
    told = {name: [text] for name, text in said.items()}
    known = {name: list(references[name]) for name in said}
    if not java:
        one, two = ({k: [plain(x) for x in v] for k, v in p.items()} for p in (told, known))
        return one, two
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    tokenizer = PTBTokenizer()
    ready = [{k: [{"caption": x} for x in v] for k, v in part.items()} for part in (told, known)]
    one, two = (tokenizer.tokenize(part) for part in ready)
    return one, two


def gain(
    before: CaptionScores, after: CaptionScores, draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """What CIDEr gains, and its 95 % interval over resampled videos (bootstrap, both scored on
    the same videos).
    """
    each = np.array([after.each[name] - before.each[name] for name in before.each])
    rows = np.random.default_rng(seed).integers(len(each), size=(draws, len(each)))
    low, high = np.percentile(each[rows].mean(axis=1), (2.5, 97.5))
    return float(each.mean()), float(low), float(high)


def quick_cider(said: Said, references: References) -> float:
    """CIDEr times 100 on words split at blanks: for choosing between epochs."""
    measure = CiderD({name: [plain(x).split() for x in references[name]] for name in said})
    return 100 * float(np.mean([measure(name, text.split()) for name, text in said.items()]))


def shown(
    frames: Ragged, names: Sequence[str], streams: Collection[Modality]
) -> tuple[dict[Modality, Tensor], dict[Modality, Tensor], Tensor]:
    """All frames of videos, unmirrored, as `MICap.embed` takes them: values, keep, times."""
    rows = [frames[name] if "video" in streams else frames.rows[:0] for name in names]
    most = max(map(len, rows))
    x, there = pad([row.reshape(-1, row.shape[-1]) for row in rows], most * frames.rows.shape[1])
    times = torch.zeros(len(names), most)
    for at, row in zip(times, rows, strict=True):
        at[: len(row)] = (torch.arange(len(row)) + 0.5) / max(len(row), 1)
    return {"video": x}, {"video": there}, times


@torch.no_grad()
def describe(
    model: MICap,
    frames: Ragged,
    names: Sequence[str],
    decoding: Decoding,
    heard: Mapping[str, NDArray[np.float16]] | None = None,
    streams: Collection[Modality] = MODALITIES,
    batch: int = 50,
) -> dict[str, str]:
    """The best caption of each video, from the given streams; heard: audio captions' features."""
    out: dict[str, str] = {}
    for at in range(0, len(names), batch):
        some = names[at : at + batch]
        values, keep, times = shown(frames, some, streams)
        if heard is not None and "text" in streams:
            values["text"], keep["text"] = pad([heard[name] for name in some])
        with torch.autocast("cpu", torch.bfloat16):
            memory = model.memory(model.embed(values, times, keep))
            found = search(model.decoder, memory, decoding)
        for name, candidates in zip(some, found, strict=True):
            pieces = [model.config.vocabulary[p] for p in candidates[0] if p != END]
            out[name] = " ".join(join(pieces)[0])
    return out


def faults(said: Said) -> str:
    """Shares of captions that repeat a word at once, or break off."""
    words = [text.split() for text in said.values()]
    twice = np.mean([any(a == b for a, b in pairwise(w)) for w in words])
    broken = np.mean([not w or w[-1] in DANGLING for w in words])
    different = len(set(said.values())) / len(said)
    return f"repeated word {twice:.1%}  broken off {broken:.1%}  different {different:.1%}"
