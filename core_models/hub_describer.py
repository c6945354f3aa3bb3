"""Sound in words by a tagger of others: ``transformers:<hub id or folder>``, as
``transformers:MIT/ast-finetuned-audioset-10-10-0.4593``.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModelForAudioClassification

from core_models.clip import Clip
from core_models.describer import UNCLEAR, Description, described, resample
from core_models.prepare import silent
from core_models.tensors import CheckpointError

PREFIX = "transformers:"
SECONDS = 10.0  # of sound at a time, as AudioSet's clips have: AST cuts what is longer
NAMED, SHARE = 3, 0.5  # classes at most, and of the surest one's probability at least
UNSURE = 0.1  # the surest class is less probable: nothing is named


@torch.no_grad()
def describe_with(name: str, clip: Clip) -> Description | None:
    """The labels that a tagger finds most probable, as a phrase; None where there is no sound.

    CheckpointError says in one sentence why the tagger cannot be had.
    """
    if silent(clip):
        return None
    with _LOADING:
        extractor, model = _load(name)
    rate = int(extractor.sampling_rate)
    wave = resample(clip, rate)
    wave = np.pad(wave, (0, max(0, rate - len(wave))))  # a second at least
    rows = []
    for part in np.array_split(wave, int(np.ceil(len(wave) / (SECONDS * rate)))):
        values = extractor(part, sampling_rate=rate, return_tensors="pt")
        rows.append(model(**values).logits[0])  # (C,)
    many = model.config.problem_type == "multi_label_classification"
    logits = torch.stack(rows).float()  # (parts, C)
    chances = (logits.sigmoid() if many else logits.softmax(dim=-1)).mean(dim=0)
    found = {model.config.id2label[i]: chance for i, chance in enumerate(chances.tolist())}
    return _phrased(tuple(sorted(found.items(), key=lambda tag: -tag[1])))


def described_by(name: str, clip: Clip) -> Clip:
    """The clip with its sound in a tagger's words in place of text, and a notice that says so."""
    if clip.words:
        said = [f"The clip has words: {name} was not asked what is heard."]
    elif silent(clip):
        said = [f"The clip has no sound that {name} could put into words."]
    else:
        clip, said = described(clip, partial(describe_with, name), name)
    return replace(clip, notices=(*clip.notices, *said))


def _phrased(tags: tuple[tuple[str, float], ...]) -> Description:
    """The phrase of tags, surest first: "music, speech and dog"."""
    top = tags[0][1]
    if top < UNSURE:
        return Description(UNCLEAR, top, tags)
    named = [(label.lower(), chance) for label, chance in tags[:NAMED] if chance >= SHARE * top]
    *others, last = (label for label, _ in named)
    text = f"{', '.join(others)} and {last}" if others else last
    return Description(text, named[-1][1], tags)


_LOADING = threading.Lock()


@cache
def _load(name: str) -> tuple[Any, Any]:
    """Feature extractor and model; weights from safetensors only, and no code of the checkpoint."""
    source = name.removeprefix(PREFIX)
    if source == name:
        raise CheckpointError(f"There is no tagger {name!r}; name one as {PREFIX}<hub id>.")
    try:
        extractor = AutoFeatureExtractor.from_pretrained(source, trust_remote_code=False)
        model, report = AutoModelForAudioClassification.from_pretrained(
            source, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:  # a network, and a checkpoint of strangers, have many ways to fail
        said = (str(error) or type(error).__name__).strip().splitlines()[0].rstrip(".")
        raise CheckpointError(f"The tagger {source!r} cannot be loaded: {said}.") from None
    if missing := sorted(report["missing_keys"]):
        raise CheckpointError(f"The tagger {source!r} is not trained: it misses {missing[0]}.")
    return extractor, model.eval()
