"""Training on small invented data: chance by seed alone, resuming, stopping, intervals, reading."""

from __future__ import annotations

import csv
import importlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from core_models.caam import CAAM, CAAMConfig
from core_models.checkpoint import load_model
from core_models.training.batches import Mix, Sampler, choose, collate
from core_models.training.cost import ratios
from core_models.training.data import Video, each_picture, read
from core_models.training.evaluate import CLIP_SUBSETS, TEXTS
from core_models.training.features import Features, Ragged, write_ragged
from core_models.training.grid_caam import swapped
from core_models.training.measure import SUBSETS, Scores, score, wilson
from core_models.training.prepare import Recipe, held_out, read_recipe
from core_models.training.sounds import ANY, ESC10, GRADIO, Sound, pairing
from core_models.training.teacher import targets
from core_models.training.train import TRAINERS, fit, loss_of, start

CATEGORIES = (
    "music people gaming sports/actions news/events/politics education movie/comedy animation "
    "vehicles/autos howto travel science/technology animals/pets kids/family documentary "
    "food/drink cooking beauty/fashion advertisement"
).split()
LABELS = ("music", "people", "animals/pets")
RECIPES = sorted((Path(__file__).parents[1] / "core_models/training/recipes").glob("*.json"))
CAAMS = [path for path in RECIPES if path.stem.startswith("caam")]
CONFIG = CAAMConfig(LABELS, feature_widths=(6, 5, 4), width=16, heads=2)


def table(rows: Mapping[str, int], shape: tuple[int, ...], seed: int) -> Ragged:
    rng, where, count = np.random.default_rng(seed), {}, 0
    for key, length in rows.items():
        where[key] = (count, count + length)
        count += length
    return Ragged(rng.normal(size=(count, *shape)).astype(np.float16), where)


@pytest.fixture
def videos() -> tuple[Video, ...]:
    said = ("a band plays", "someone sings")
    return tuple(Video(f"video{i}", i % 3, "train", said) for i in range(12))


@pytest.fixture
def features(videos: tuple[Video, ...]) -> Features:
    """A picture for all videos but the last three; two telling captions each; three sounds."""
    text = table({f"{v.name}#{i}": 2 + i for v in videos for i in range(2)}, (4,), 1)
    for video in videos:
        for i in range(2):
            text[f"{video.name}#{i}"][:, video.category] += 4
    return Features(
        table({v.name: 3 for v in videos[:-3]}, (4, 6), 0),
        text,
        table({"a/1": 9, "a/2": 5, "b/1": 7}, (5,), 2),
    )


@pytest.fixture
def sampler(videos: tuple[Video, ...], features: Features) -> Sampler:
    sounds = [Sound("a/1", Path(), ("music",)), Sound("a/2", Path(), ("music",))]
    pairs = pairing([*sounds, Sound("b/1", Path(), ANY)], LABELS)
    aims = targets(videos, 3, None, 0.0, 0.1)
    return Sampler(features, aims, pairs, Mix(frames=2, audio_tokens=6), videos)


Train = Callable[..., Path]


@pytest.fixture
def train(sampler: Sampler, features: Features, videos: tuple[Video, ...], tmp_path: Path) -> Train:
    def go(name: str, recipe: Recipe, stop: int | None = None) -> Path:
        seen = 0

        def check(model: CAAM) -> dict[str, Scores]:
            nonlocal seen
            if seen == stop:
                raise KeyboardInterrupt
            seen += 1
            return {k: score(model, features, videos, s, (0, 1)) for k, s in SUBSETS.items()}

        run = start(recipe, CONFIG)
        fit(run, recipe, sampler, videos, check, tmp_path / name, lambda line: None)
        return tmp_path / name

    return go


RECIPE = Recipe("small", epochs=4, batch=4, patience=9, rate=1e-2)


def same(a: Path, b: Path) -> bool:
    x, y = (load_file(folder / "model.safetensors") for folder in (a, b))
    return x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x)


def test_a_run_depends_on_its_seed_alone(train: Train) -> None:
    assert same(train("a", RECIPE), train("b", RECIPE))
    assert not same(train("a", RECIPE), train("c", Recipe(**{**vars(RECIPE), "seed": 1})))


def test_an_interrupted_run_goes_on_to_the_same_result(train: Train) -> None:
    whole = train("whole", RECIPE)
    with pytest.raises(KeyboardInterrupt):
        train("parts", RECIPE, stop=2)
    parts = train("parts", RECIPE)
    assert same(whole, parts)
    assert (whole / "training_log.csv").read_text() == (parts / "training_log.csv").read_text()


def test_a_run_stops_when_nothing_improves(train: Train) -> None:
    still = Recipe("still", epochs=30, batch=4, patience=2, rate=0.0)
    log = (train("still", still) / "training_log.csv").read_text()
    assert len(log.splitlines()) == 1 + 3


def test_training_learns_what_can_be_learnt(
    sampler: Sampler, features: Features, videos: tuple[Video, ...], train: Train
) -> None:
    folder = train("long", Recipe("long", epochs=25, batch=6, patience=25, rate=3e-3))
    model = load_model(folder, towers=False)
    assert isinstance(model, CAAM) and model.labels == LABELS
    assert (folder / "curves.png").stat().st_size > 1000
    assert score(model, features, videos, SUBSETS["T"], (0, 1)).top1 > 0.8


def test_absent_modalities_have_no_influence_on_the_loss(sampler: Sampler) -> None:
    rng = np.random.default_rng(3)
    batch = collate([sampler.draw(v, rng) for v in sampler_videos(sampler)])
    torch.manual_seed(0)
    model = CAAM(CONFIG, towers=False).eval()

    def loss(fill: float) -> torch.Tensor:
        filled = {
            m: torch.where(batch.keep[m][..., None], x, fill) for m, x in batch.values.items()
        }
        out = model.fuse(model.embed(filled, batch.times, batch.keep))
        return loss_of(out, batch.targets)

    assert torch.allclose(loss(0.0), loss(3.0), atol=1e-5)


def sampler_videos(sampler: Sampler) -> list[Video]:
    return [Video(name, 0, "train", ("x", "y")) for name in sampler.targets]


def test_every_subset_of_modalities_is_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = {tuple(choose((True,) * 3, (0.7, 0.5, 0.6), rng)) for _ in range(400)}
    assert len(drawn) == 7
    assert all(not choose((False, True, True), (0.9,) * 3, rng)[0] for _ in range(50))


def test_sound_does_not_tell_the_category_by_being_there(sampler: Sampler) -> None:
    rng = np.random.default_rng(0)
    heard = np.zeros(3)
    for video in sampler_videos(sampler) * 60:
        for label in range(3):
            heard[label] += len(sampler.draw(Video(video.name, label, "", ("x",)), rng).audio) > 0
    assert heard.max() / heard.min() < 1.15


def test_held_out_clips_are_not_heard() -> None:
    sounds = [Sound(f"clips/{i}", Path(), ("music",), f"{i}") for i in range(4)]
    pairs = pairing(sounds, LABELS, frozenset({"1", "2"}))
    assert {key for kind in pairs.own[0] for key in kind} == {"clips/0", "clips/3"}


def test_wilson_interval() -> None:
    low, high = wilson(0.5, 100)
    assert (round(low, 4), round(high, 4)) == (0.4038, 0.5962)
    assert (wilson(0.0, 10)[0], wilson(1.0, 10)[1], wilson(0.3, 0)) == (0.0, 1.0, (0.0, 1.0))


def test_swapped_pictures_are_those_of_other_clips(
    videos: tuple[Video, ...], features: Features
) -> None:
    seen = videos[:4]
    now = swapped(features, seen)
    for video, other in zip(seen, (seen[-1], *seen), strict=False):
        np.testing.assert_array_equal(now.video[video.name], features.video[other.name])
    assert now.sound is features.sound and now.text is features.text


def test_costs_are_multiples_of_the_encoder_pass_of_their_round() -> None:
    slow, fast = [0.5, 0.5, 2.0, 1.0], [0.25, 0.25, 1.0, 1.0]  # decode, prepare, encode, answer
    found = {name: x.tolist() for name, x in ratios(np.array([slow, fast])).items()}
    assert found == {
        "in all": [2.0, 2.5],
        "decoding": [0.25, 0.25],
        "preparing": [0.25, 0.25],
        "answering": [0.5, 1.0],
    }


def test_soft_labels_are_mixed_in(videos: tuple[Video, ...]) -> None:
    soft = torch.full((len(videos), 3), 1 / 3)
    row = targets(videos, 3, soft, share=0.5, smoothing=0.0)["video0"]
    assert np.allclose(row, [2 / 3, 1 / 6, 1 / 6])


def test_ragged_tables_come_back(tmp_path: Path) -> None:
    rows = {k: np.full((n, 2), n, np.float16) for k, n in (("a", 3), ("b", 0), ("c", 1))}
    stored = write_ragged(tmp_path / "t", rows.items())
    assert all(np.array_equal(stored[k], rows[k]) for k in rows)
    assert len(write_ragged(tmp_path / "none", ()).rows) == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder of two videos; the first has two stored frames."""
    (tmp_path / "category.txt").write_text("people\t1\nmusic\t0\n")
    for stem, name, split in (
        ("train_val_videodatainfo", "video1", "train"),
        ("test_videodatainfo", "video7", "test"),
    ):
        info = {
            "videos": [{"video_id": name, "category": 1, "split": split}],
            "sentences": [{"video_id": name, "caption": f"said of {name}"}],
        }
        (tmp_path / f"{stem}.json").write_text(json.dumps(info))
    with zipfile.ZipFile(tmp_path / "frames_160x120.zip", "w") as archive:
        for i in range(2):
            picture = io.BytesIO()
            Image.new("RGB", (16, 12), (90 * i, 0, 0)).save(picture, "JPEG")
            archive.writestr(f"video1/{i}.jpg", picture.getvalue())
    names = {"video1": ["video1/0.jpg", "video1/1.jpg"]}
    (tmp_path / "frames_index.json").write_text(json.dumps(names))
    return tmp_path


def test_a_data_folder_is_read(folder: Path) -> None:
    data = read(folder)
    assert data.labels == ("music", "people")
    assert [v.name for v in data.split("train", seen=True)] == ["video1"]
    assert data.split("test", seen=True) == ()
    ((video, frames),) = each_picture(data, data.split("train"))
    assert video.captions == ("said of video1",)
    assert [frame.shape for frame in frames] == [(12, 16, 3)] * 2


def test_a_tenth_of_the_training_videos_is_held_out(videos: tuple[Video, ...]) -> None:
    kept, tenth = held_out(videos)
    assert len(kept) == 11 and not set(kept) & set(tenth)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_has_a_trainer(path: Path) -> None:
    name = json.loads(path.read_text()).get("trainer", "caam")
    assert callable(importlib.import_module(f"core_models.training.{TRAINERS[name]}").train)


@pytest.mark.parametrize("path", CAAMS, ids=lambda path: path.stem)
def test_recipes_are_complete(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.mixing().frames > 0
    CAAM(CAAMConfig(LABELS, **{**recipe.model, "width": 16}), towers=False)


def test_tables_name_real_categories_and_clips() -> None:
    known = set(CATEGORIES)
    assert {c for cs in (*ESC10.values(), *GRADIO.values()) for c in cs} <= known
    with TEXTS.open() as file:
        texts = {row["file"]: row["text"] for row in csv.DictReader(file)}
    assert len(texts) == 40
    assert not any(c in text for c in known for text in texts.values())
    assert set(CLIP_SUBSETS) == {"V", "A", "V+A", "T", "V+T", "V+A+T"}
