"""What a captioner's recipe needs: the data, its cached features, and the audio captions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core_models.encoders import TextTower, VisionTower, load_encoder
from core_models.micap_config import MICapConfig
from core_models.training.audio_captions import LEARNT, Matched, match, sentences
from core_models.training.captions import (
    CaptionMix,
    CaptionSampler,
    numbered,
    spell,
    vocabulary,
)
from core_models.training.data import Msrvtt, Video, read
from core_models.training.features import Ragged, Report, cached, named, see, weights_key
from core_models.training.prepare import Recipe, held_out

FRAMES = {  # splits whose frames lie in one table, and whether they are there mirrored too
    "learnt": (("train", "validate"), True),
    "tested": (("validate", "test"), False),
}


@dataclass(frozen=True)
class CaptionRecipe(Recipe):
    """Everything that decides a run; batch: videos with a picture; smoothing: of the words.

    contrast: weight of the contrastive loss, 0 switches it off. least: how often a piece occurs
    in the training captions to be sayable; longest: captions with so many pieces are left out.
    nearest: audio captions that may go with a video. critical: epochs of self-critical tuning
    behind the others, at critical_rate, with so many samples of a video, drawn at a temperature.
    """

    contrast: float = 0.1
    least: int = 5
    longest: int = 20
    nearest: int = 20
    critical: int = 0
    critical_rate: float = 1e-4
    samples: int = 5
    temperature: float = 0.5

    def drawing(self) -> CaptionMix:
        return CaptionMix(**self.mix)


def read_caption_recipe(path: Path) -> CaptionRecipe:
    """The recipe of a JSON file."""
    return CaptionRecipe(**json.loads(path.read_text()))


@dataclass(frozen=True, eq=False)
class CaptionData:
    """Everything at hand for training. seen, unseen: training videos with and without a picture.

    held_out: validation videos and a tenth of the training videos, with a picture, to choose by.
    """

    config: MICapConfig
    reader: TextTower
    frames: Ragged
    sampler: CaptionSampler
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    held_out: tuple[Video, ...]


def text_tower(source: str) -> TextTower:
    tower = load_encoder(source)
    assert isinstance(tower, TextTower)
    return tower


def frame_table(data: Msrvtt, source: str, which: str, cache: Path, report: Report) -> Ragged:
    """The vision tower's features of the frames: training's, or those of the other splits."""
    splits, flips = FRAMES[which]
    tower = load_encoder(source)
    assert isinstance(tower, VisionTower)
    videos = [v for v in data.videos if v.split in splits and v.frames]
    folder = named(
        cache / weights_key(source), f"{'-'.join(splits)}-{'flips' if flips else 'plain'}"
    )
    return cached(folder, lambda: see(tower, data, videos, flips, report), report)


def hear_in_words(
    config: MICapConfig,
    videos: Sequence[Video],
    files: Sequence[str],
    count: int,
    root: Path,
    cache: Path,
    report: Report,
) -> Matched:
    """Audio captions for training videos out of the files in the data folder."""
    matcher = text_tower(str((cache / "untuned" / "minilm").resolve()))
    texts = sentences(root / "audio_captions", files)
    reader = text_tower(config.text)
    return match(matcher, reader, config.text, videos, texts, count, cache, report)


def prepare_captions(
    recipe: CaptionRecipe,
    data_folder: Path | None = None,
    cache: Path | None = None,
    report: Report = print,
) -> CaptionData:
    """Read the data and compute what the cache does not hold yet."""
    root, cache = data_folder or Path(recipe.data), cache or Path(recipe.cache)
    data = read(root / "msrvtt")
    train, tenth = held_out(data.split("train"))
    reader = text_tower(MICapConfig(**recipe.model).text)
    spelled = spell(reader.tokenizer, train)
    config = MICapConfig(vocabulary(spelled, recipe.least), **recipe.model)
    pieces = numbered(spelled, config.vocabulary, recipe.longest)
    heard = hear_in_words(config, train, LEARNT, recipe.nearest, root, cache, report)
    frames = frame_table(data, config.video, "learnt", cache, report)
    told = [v for v in train if pieces[v.name] and heard.choices[v.name]]
    return CaptionData(
        config,
        reader,
        frames,
        CaptionSampler(frames, heard, pieces, recipe.drawing()),
        tuple(v.name for v in told if v.frames),
        tuple(v.name for v in told if not v.frames),
        (*data.split("validate", seen=True), *(v for v in tenth if v.frames)),
    )
