"""Measure trained MICaps: ``python -m core_models.training.evaluate_micap TABLE MODEL ...``.

TABLE: ``main`` (scores beside two baselines), ``categories`` (CIDEr by category of video),
``streams`` (one stream alone against both) or ``alignment`` (how near a video and its audio caption
lie in the contrastive space, also as a picture). MODEL: a shipped model's name, or a folder.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from core_models.checkpoint import load_model
from core_models.clip import Modality
from core_models.interface import Decoding
from core_models.micap import MICap
from core_models.registry import find
from core_models.training.audio_captions import UNSEEN
from core_models.training.batches import pad
from core_models.training.caption_scores import describe, faults, gain, score, shown
from core_models.training.captions import plain
from core_models.training.data import Msrvtt, Video, read
from core_models.training.features import Ragged
from core_models.training.prepare import held_out
from core_models.training.prepare_micap import frame_table, hear_in_words, text_tower
from core_models.training.teacher import sentence_means

STREAMS: Mapping[str, tuple[Modality, ...]] = {
    "video": ("video",),
    "audio caption": ("text",),
    "both": ("video", "text"),
}
NEAREST = 20  # audio captions of which one is drawn for a video
PAIRS = 100  # of videos and audio captions that are compared with each other at a time


@dataclass(frozen=True)
class Bench:
    """The data and where its features are kept."""

    data: Msrvtt
    root: Path
    cache: Path
    decoding: Decoding

    def frames(self, model: MICap, which: str = "tested") -> Ragged:
        return frame_table(self.data, model.config.video, which, self.cache, print)

    def tenth(self) -> tuple[Video, ...]:
        """The training videos with a picture that were kept back."""
        return tuple(v for v in held_out(self.data.split("train"))[1] if v.frames)

    def heard(self, model: MICap, videos: Sequence[Video]) -> dict[str, NDArray[np.float16]]:
        """An audio caption that no training video was shown with, for each kept-back video."""
        tenth = held_out(self.data.split("train"))[1]
        unseen = hear_in_words(model.config, tenth, UNSEEN, NEAREST, self.root, self.cache, print)
        rng = np.random.default_rng(0)
        picked = {v.name: str(rng.choice(unseen.choices[v.name])) for v in videos}
        return {name: unseen.rows[key] for name, key in picked.items()}


def load(name: str) -> MICap:
    """A model from its name or folder, without its towers but with the words of its decoder."""
    folder = Path(name) if Path(name).is_dir() else find(name)
    model = load_model(folder, towers=False)
    assert isinstance(model, MICap)
    model.adopt(text_tower(model.config.text))
    return model


def most_frequent(videos: Sequence[Video]) -> str:
    """The caption that occurs most often."""
    return Counter(plain(said) for v in videos for said in v.captions).most_common(1)[0][0]


def nearest_captions(
    bench: Bench, learnt: Ragged, tested: Ragged, asked: Sequence[Video]
) -> dict[str, str]:
    """The caption of the training video whose mean features lie nearest (cosine).

    Of its captions the one nearest to the mean of all of them, in MiniLM's sentence space.
    """
    train = held_out(bench.data.split("train"))[0]
    matcher = text_tower(str((bench.cache / "untuned" / "minilm").resolve()))
    told = F.normalize(sentence_means(matcher, train, bench.cache, print), dim=-1)  # (N, C, d)
    centre = (told @ F.normalize(told.mean(dim=1), dim=-1)[..., None])[..., 0].argmax(dim=1)
    there = [i for i, v in enumerate(train) if v.frames]
    known, new = (
        F.normalize(torch.stack([mean_feature(table[v.name]) for v in part]), dim=-1)
        for table, part in ((learnt, [train[i] for i in there]), (tested, asked))
    )
    best = (new @ known.T).argmax(dim=1).tolist()
    rows = [there[i] for i in best]
    return {v.name: train[i].captions[int(centre[i])] for v, i in zip(asked, rows, strict=True)}


def mean_feature(frames: NDArray[np.float16]) -> Tensor:
    """Frames (T, cells, d) -> (d,)."""
    return torch.from_numpy(frames.astype(np.float32)).mean(dim=(0, 1))


def main_table(bench: Bench, models: Sequence[MICap]) -> None:
    """Both baselines, and every model, on the official splits; later models against the first."""
    often = most_frequent(held_out(bench.data.split("train"))[0])
    for split in ("validate", "test"):
        videos = bench.data.split(split, seen=True)
        known = {v.name: v.captions for v in videos}
        tested = bench.frames(models[0])
        learnt = bench.frames(models[0], "learnt")
        rows = {
            f"always {often!r}": dict.fromkeys(known, often),
            "nearest training video": nearest_captions(bench, learnt, tested, videos),
        }
        for name, said in rows.items():
            print(f"{split:9s} {name:28s} {score(said, known)}", flush=True)
        first = None
        for model in models:
            said = describe(model, bench.frames(model), list(known), bench.decoding)
            found = score(said, known)
            print(f"{split:9s} {model.name:28s} {found}", flush=True)
            print(f"{split:9s} {model.name:28s} {faults(said)}", flush=True)
            if first is not None:
                more, low, high = gain(first, found)
                print(
                    f"{split:9s} {model.name:28s} CIDEr against {models[0].name}: "
                    f"{more:+.1f} [{low:+.1f}, {high:+.1f}]",
                    flush=True,
                )
            first = first or found


def categories(bench: Bench, models: Sequence[MICap]) -> None:
    """CIDEr of the test videos of each category."""
    videos = bench.data.split("test", seen=True)
    known = {v.name: v.captions for v in videos}
    for model in models:
        said = describe(model, bench.frames(model), list(known), bench.decoding)
        each = score(said, known).each
        for k, label in enumerate(bench.data.labels):
            part = [each[v.name] for v in videos if v.category == k]
            print(f"{model.name:20s} {label:20s} CIDEr {np.mean(part):5.1f}  n={len(part)}")


def streams(bench: Bench, models: Sequence[MICap]) -> None:
    """Kept-back training videos with matched audio captions: each stream alone, and both."""
    videos = bench.tenth()
    known = {v.name: v.captions for v in videos}
    for model in models:
        frames, heard = bench.frames(model, "learnt"), bench.heard(model, videos)
        for name, subset in STREAMS.items():
            said = describe(model, frames, list(known), bench.decoding, heard, subset)
            print(f"{model.name:20s} {name:14s} {score(said, known)}", flush=True)


@torch.no_grad()
def cosines(bench: Bench, model: MICap, videos: Sequence[Video]) -> Tensor:
    """Of every video with every audio caption in the contrastive space: (N, N)."""
    frames, heard = bench.frames(model, "learnt"), bench.heard(model, videos)
    names = [v.name for v in videos]
    values, keep, times = shown(frames, names, STREAMS["video"])
    values["text"], keep["text"] = pad([heard[name] for name in names])
    both = model.compare(model.embed(values, times, keep))
    return both["video"] @ both["text"].T


def alignment(bench: Bench, models: Sequence[MICap], image: Path) -> None:
    """Matched and mismatched pairs of kept-back videos, and how often the right one is found."""
    videos = bench.tenth()
    figure = Figure(figsize=(4.2 * len(models), 3.2), layout="constrained")
    axes = figure.subplots(1, len(models), squeeze=False, sharey=True)[0]
    for axis, model in zip(axes, models, strict=True):
        near = cosines(bench, model, videos)
        right = torch.eye(len(near), dtype=torch.bool)
        found = []
        for rows in torch.arange(len(near)).split(PAIRS):
            part = near[rows][:, rows]
            found.append((part >= part.diagonal()[:, None]).sum(dim=1) <= 5)
        within = torch.cat(found).float().mean()
        print(
            f"{model.name:20s} matched {near[right].mean():.3f}  mismatched "
            f"{near[~right].mean():.3f}  right one among 5 of {PAIRS}: {within:.1%}"
        )
        for label, part in (("matched", near[right]), ("mismatched", near[~right])):
            axis.hist(
                part.numpy(), bins=np.linspace(-1, 1, 61), density=True, alpha=0.6, label=label
            )
        axis.set(title=model.name, xlabel="cosine of video and audio caption")
        axis.set_xticks(np.linspace(-1, 1, 5))
        axis.legend(frameon=False)
    image.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(image, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure a trained MICap.")
    parser.add_argument("table", choices=("main", "categories", "streams", "alignment"))
    parser.add_argument("models", nargs="+", help="shipped models or folders")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--beams", type=int, default=4)
    parser.add_argument("--image", type=Path, default=Path("alignment.png"))
    args = parser.parse_args()
    data = read(args.data / "msrvtt")
    bench = Bench(data, args.data, args.cache, Decoding(beams=args.beams))
    models = [load(name) for name in args.models]
    if args.table == "alignment":
        alignment(bench, models, args.image)
        return
    {"main": main_table, "categories": categories, "streams": streams}[args.table](bench, models)


if __name__ == "__main__":
    main()
