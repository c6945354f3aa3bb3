"""Many clips: lists, rows that last through a kill, statistics by hand, and the report."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from core_models.registry import WEIGHTS
from explain.dataset import __main__ as command
from explain.dataset.columns import Explanation, Layer, Part, Row, Seconds
from explain.dataset.listing import DatasetError, Entry, listing
from explain.dataset.report import page
from explain.dataset.rows import named
from explain.dataset.statistics import Share
from explain.dataset.summary import mean, summary
from explain.render.dataset_cases import command as shown
from tests.media_files import even, make_clip, tone

store = pytest.importorskip(
    "explain.dataset.store",
    reason="pyarrow is not installed; see explain/dataset/requirements.txt",
    exc_type=ModuleNotFoundError,
)
ROOT = Path(__file__).parent.parent
MODEL = str(WEIGHTS / "planted" / "bottleneck")
CLIPS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips whose pictures and tones differ, and two files that are none."""
    root = tmp_path_factory.mktemp("many")
    for i in range(CLIPS):
        wave = tone(1, 44100, 200.0 + 150 * i)
        make_clip(root / f"{i:02d}.mp4", even(1, 4 + i), size=(96, 96), wave=wave)
    (root / "bad.mp4").write_bytes(b"no clip at all")
    (root / "empty.mp4").touch()
    return root


def arguments(folder: Path, out: Path, *more: str) -> list[str]:
    every = [str(folder), "--model", MODEL, "--device", "cpu", "--out", str(out)]
    return [*every, "--method", "token-input-x-gradient", *more]


def without_times(out: Path) -> list[Row]:
    rows: list[Row] = store.read(out / "rows.parquet")
    return [replace(row, seconds=Seconds()) for row in rows]


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    assert command.main(arguments(folder, out)) == 0
    return out


# ---- lists --------------------------------------------------------------------------------------


def test_a_folder_has_its_clips_and_their_subtitles(tmp_path: Path) -> None:
    for name in ("b.mp4", "deep/a.MKV", "deep/a.srt", ".hidden/c.mp4", "notes.txt", ".d.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = listing(tmp_path)
    assert found.root == tmp_path and found.name == tmp_path.name
    assert found.entries == (Entry("b.mp4"), Entry("deep/a.MKV", subtitles="deep/a.srt"))


def test_a_list_of_paths(tmp_path: Path) -> None:
    path = tmp_path / "clips.txt"
    path.write_text("# mine\na.mp4\n\n deep/b.mp4 \na.mp4\n")
    found = listing(path)
    assert [x.file for x in found.entries] == ["a.mp4", "deep/b.mp4"] and found.repeated == 1


def test_a_table_with_labels_and_texts(tmp_path: Path) -> None:
    path = tmp_path / "clips.csv"
    lines = ("Path,other,categories,text", 'a.mp4,1,music|people,"a man, singing"', "b.mp4,2,,")
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    first, second = listing(path).entries
    assert first == Entry("a.mp4", ("music", "people"), "a man, singing")
    assert second == Entry("b.mp4")
    assert first.id != replace(first, text="").id != second.id and len(first.id) == 16


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("clips.csv", "name,label\na.mp4,x\n", "must name a column “file”"),
        ("clips.txt", "# none\n", "names no clip"),
        ("clips.txt", "\xff\xfe", "cannot be read as a list"),
        ("clip.mp4", "", "is one clip"),
        ("", "", "names no clip"),
    ],
)
def test_what_is_no_list_says_so(tmp_path: Path, name: str, content: str, says: str) -> None:
    path = tmp_path / name if name else tmp_path
    if name:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DatasetError, match=says):
        listing(path)


# ---- runs ---------------------------------------------------------------------------------------


def test_every_clip_has_a_row_and_bad_ones_their_sentence(whole: Path, folder: Path) -> None:
    rows = without_times(whole)
    assert [row.file for row in rows] == sorted(p.name for p in folder.iterdir())
    bad = {row.file: row.error for row in rows if row.error}
    assert bad.keys() == {"bad.mp4", "empty.mp4"}
    assert all(why and why.endswith(".") and "Traceback" not in why for why in bad.values())
    row = rows[0]
    assert row.model == MODEL and row.answer and row.present == ("video", "audio")
    assert sum(part.share for part in row.parts) == pytest.approx(1)
    assert row.change == pytest.approx(sum(part.value for part in row.parts), abs=1e-4)
    assert [x.members for x in row.combinations] == ["", "video", "audio", "video + audio"]
    assert row.combinations[-1].answer == row.answer
    assert row.combinations[-1].chance == pytest.approx(row.probability)
    assert sum(row.combinations[0].probabilities) == pytest.approx(1)
    assert row.layers and all(len(x.focus) == len(x.share) for x in row.layers)
    (why,) = row.explanations
    assert why.method == "token-input-x-gradient" and why.order and why.verdict
    assert set(os.listdir(whole)) >= {"rows.parquet", "rows.csv", "report.html", "figures"}
    with (whole / "rows.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == CLIPS + 2


def test_the_rows_of_a_run_that_was_killed_are_those_of_one_that_was_not(
    whole: Path, folder: Path, tmp_path: Path
) -> None:
    again = [sys.executable, "-m", "explain.dataset", *arguments(folder, tmp_path)]
    with subprocess.Popen(again, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        until = time.monotonic() + 300
        while not store.parts(tmp_path) and run.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
    before = store.done(tmp_path)
    assert run.returncode == -signal.SIGKILL and 0 < len(before) < CLIPS + 2
    (tmp_path / "parts" / ".part-000009.parquet.part").write_bytes(b"half of it")
    told = subprocess.run(again, cwd=ROOT, check=True, capture_output=True, text=True)
    assert f"{len(before)} of {CLIPS + 2} clips are there already." in told.stderr
    assert without_times(tmp_path) == without_times(whole)


def test_an_interruption_says_how_to_go_on_and_keeps_what_is_done(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from explain.dataset import run

    def tired(self: run.Progress, rows: object) -> None:
        self.fresh += 1
        if self.fresh == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(run.Progress, "tell", tired)
    assert command.main(arguments(folder, tmp_path)) == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert len(store.done(tmp_path)) == 3


def test_a_run_that_is_done_is_only_told_again(
    whole: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (whole / "report.html").read_bytes(), without_times(whole)
    monkeypatch.setattr("explain.dataset.job.load_clip", None)  # nothing is read
    assert command.main(arguments(folder, whole)) == 0
    assert f"{CLIPS} clips explained, 2 could not be" in capsys.readouterr().out
    assert ((whole / "report.html").read_bytes(), without_times(whole)) == before


def test_another_question_is_refused_in_the_same_folder(
    whole: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments(folder, whole, "--frames", "2")) == 2
    assert "were made with another frames; ask as then" in capsys.readouterr().err
    assert command.main(arguments(folder, whole, "--threads", "2", "--trust", "none")) == 2
    assert "another threads and another trust" in capsys.readouterr().err


def test_a_folder_that_has_grown_is_completed_and_errors_can_be_tried_again(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    clips.mkdir()
    (clips / "b.mp4").write_bytes(b"not yet")
    given = arguments(clips, out, "--trust", "none")
    assert command.main(given) == 0
    assert [bool(row.error) for row in without_times(out)] == [True]
    for name, old in (("a.mp4", "00.mp4"), ("b.mp4", "01.mp4")):
        (clips / name).write_bytes((folder / old).read_bytes())
    assert command.main(given) == 0
    assert [bool(row.error) for row in without_times(out)] == [False, True]
    assert command.main([*given, "--again"]) == 0
    assert [bool(row.error) for row in without_times(out)] == [False, False]


def test_only_one_run_writes_to_a_folder(tmp_path: Path) -> None:
    with store.held(tmp_path), pytest.raises(DatasetError, match="Another run writes"):
        with store.held(tmp_path):
            pass


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--model", "nobody"], "There is no model"),
        (["--method", "guess"], "guess"),
        (["--set", "steps=4"], "steps"),
        (["--target", "a tune"], "This model has no label “a tune”"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], says: str
) -> None:
    assert command.main(arguments(folder, tmp_path, *more)) == 2
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1


@pytest.mark.parametrize("more", [["--frames", "0"], ["--workers", "0"], ["--length", "-1"]])
def test_figures_that_cannot_be_are_refused_at_once(folder: Path, more: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(arguments(folder, folder / "never", *more))
    assert not (folder / "never").exists()


def test_what_is_left_out_takes_no_part(folder: Path, tmp_path: Path) -> None:
    one = tmp_path / "one.txt"
    one.write_text(f"{folder / '00.mp4'}\n")
    out = tmp_path / "out"
    assert command.main(arguments(one, out, "--without", "audio", "--trust", "none")) == 0
    (row,) = without_times(out)
    assert row.present == ("video",) and [x.members for x in row.combinations] == ["", "video"]
    assert row.parts[0].share == 1 and "The sound was left out." in row.notices


def test_what_is_not_installed_is_one_sentence(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, "ray", None)
    assert command.main(arguments(folder, tmp_path, "--engine", "ray")) == 2
    assert (
        "Ray is not installed; install explain/dataset/requirements.txt" in capsys.readouterr().err
    )
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    assert command.main(arguments(folder, tmp_path)) == 2
    assert "pyarrow, which writes Parquet, is not installed" in capsys.readouterr().err


# ---- the store ----------------------------------------------------------------------------------


def test_rows_come_back_as_they_were(whole: Path, tmp_path: Path) -> None:
    rows = without_times(whole)
    store.add(tmp_path, rows[:5])
    store.add(tmp_path, [])
    store.add(tmp_path, rows[5:])
    store.add(tmp_path, [replace(rows[0], answer="later")])
    ids = [row.id for row in rows]
    assert store.done(tmp_path) == set(ids)
    found = store.merged(tmp_path, ids[::-1])
    assert found == [*rows[:0:-1], replace(rows[0], answer="later")]
    assert store.merged(tmp_path, ids[3:4]) == rows[3:4]


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "part-000001.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DatasetError, match=r"part-000001\.parquet is damaged"):
        store.done(tmp_path)


def test_a_name_that_is_no_text_is_spelt_out() -> None:
    assert named(os.fsdecode(b"caf\xe9.mp4")) == "caf\\udce9.mp4" and named("é.mp4") == "é.mp4"


# ---- statistics by hand -------------------------------------------------------------------------


def row(name: str, label: str, answer: str, video: float, effect: float | None) -> Row:
    """video: its Shapley value; that of the sound is 1."""
    whole = abs(video) + 1
    parts = (Part("video", video, abs(video) / whole), Part("audio", 1.0, 1 / whole))
    layer = Layer("fusion.0.video<-audio", "fusion", 0, "video", "audio",
                  (video, 0.0), (1.0, 0.5), -video)  # fmt: skip
    none = dict.fromkeys(("text", "residual", "missed", "deletion", "insertion", "infidelity"))
    why = Explanation(method="relevance", target=answer, level="token", video=0.5, audio=0.5,
                      effect=effect, p=0.05, order="better than random" if effect else "",
                      good=True, verdict="", **none)  # fmt: skip
    return Row(name, f"{name}.mp4", (label,) if label else (), "m", "{}", "{}", "{}",
               answer=answer, right=answer == label if label else None, probability=0.5,
               parts=parts, layers=(layer,), explanations=(why,))  # fmt: skip


ROWS = [
    row("a", "cat", "cat", 1.0, 3.0),
    row("b", "cat", "dog", -3.0, 1.0),
    row("c", "dog", "dog", 0.0, None),
    row("d", "dog", "dog", 1.0, -2.0),
    Row("e", "e.mp4", (), "m", "{}", "{}", "{}", error="It is broken."),
]


def test_statistics_of_four_clips() -> None:
    found = summary(ROWS)
    assert found.by == "label" and found.right == Share(3, 4)
    assert [(g.name, g.clips, g.right) for g in found.groups] == [
        ("cat", 2, Share(1, 2)), ("dog", 2, Share(2, 2)),
    ]  # fmt: skip
    cat, dog = found.groups
    assert cat.shares["video"].mean == pytest.approx((0.5 + 0.75) / 2)
    assert dog.shares["video"].mean == pytest.approx(0.25)
    assert cat.values["video"].mean == pytest.approx(-1)
    assert found.whole.clips == 4 and set(found.whole.shares) == {"video", "audio"}
    (layer,) = found.layers
    assert layer.focus == pytest.approx((-0.25, 0)) and layer.share == pytest.approx((1, 0.5))
    assert layer.cut and layer.cut.mean == pytest.approx(0.25)
    assert layer.moved and layer.moved.mean == pytest.approx(1.25)
    (faith,) = found.faith
    assert [row.file for row, _ in faith.most] == ["a.mp4"]
    assert [row.file for row, _ in faith.least] == ["d.mp4"]
    assert faith.effect and faith.effect.clips == 3
    assert found.errors == {"It is broken.": ("e.mp4",)}


def test_without_labels_clips_go_by_their_answer() -> None:
    found = summary([replace(x, labels=(), right=None) for x in ROWS])
    assert found.by == "answer" and found.right is None
    assert [(g.name, g.clips) for g in found.groups] == [("dog", 3), ("cat", 1)]


def test_means_and_intervals() -> None:
    assert mean([]) is None and mean([None]) is None
    few, some = mean([1.0, 3.0]), mean([1.0, 3.0, None, 1.0, 3.0, 2.0])
    assert few and few.mean == 2 == few.low and not few.sure
    assert some and some.sure and some.clips == 5
    assert some.high - 2 == pytest.approx(1.96 * 1 / 5**0.5)  # a standard deviation of 1
    low, high = Share(5, 10).interval
    assert (low, high) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert Share(0, 0).share == 0


def test_a_set_is_decomposed_where_both_modalities_answer(whole: Path) -> None:
    rows = [x for x in without_times(whole) if not x.error]

    def told(source: Row, video: str, audio: str, both: str) -> Row:
        names = {"": "0", "video": video, "audio": audio, "video + audio": both}
        made = tuple(replace(x, answer=names[x.members]) for x in source.combinations)
        return replace(source, combinations=made)

    coins = [(str(i & 1), str(i >> 1 & 1)) for i in range(CLIPS)]  # 12 clips: three of each pair
    xor = summary([told(r, a, b, str(a != b)) for r, (a, b) in zip(rows, coins, strict=True)])
    (split,) = xor.splits
    assert (split.first, split.second, split.of) == ("video", "audio", "answer")
    assert split.measured.found.synergy == pytest.approx(1, abs=1e-4)
    assert split.measured.clips == CLIPS
    copy = summary([told(r, a, a, a) for r, (a, _) in zip(rows, coins, strict=True)])
    assert copy.splits[0].measured.found.redundant == pytest.approx(1)
    assert copy.splits[0].measured.found.total == pytest.approx(1)
    assert not summary(rows[:9]).splits  # too few


def test_a_captioner_has_no_decomposition_and_no_categories() -> None:
    from explain.dataset.columns import Combination

    said = tuple(Combination(m, "", 0.0, 0.1, ()) for m in ("", "video", "audio", "video + audio"))
    rows = [
        replace(ROWS[0], id=str(i), labels=(), right=None, combinations=said) for i in range(12)
    ]
    found = summary(rows)
    assert not found.splits and not found.groups and found.whole.clips == 12


# ---- the report ---------------------------------------------------------------------------------


def test_the_report_asks_nobody_and_escapes_everything(browser: Browser, tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>&\"'"
    rows = [replace(x, id=x.id + nasty, file=f"{nasty}{i}.mp4", labels=(nasty,), answer=nasty,
                    model=nasty, notices=(nasty,)) for i, x in enumerate(ROWS)]  # fmt: skip
    given = '{"asked": [["relevance", "auto", {}]], "decoding": {}, "present": ["video"]}'
    rows = [replace(x, arguments=given) for x in rows]
    rows[-1] = replace(rows[-1], error=nasty)
    source = tmp_path / f"{nasty.replace('/', '')}.csv"
    source.write_text("file\n" + "".join(f"{i}.mp4\n" for i in range(5)))
    text = page(summary(rows), listing(source))
    assert "<script>alert" not in text and not re.search(r"https?://(?!www\.w3\.org)", text)
    path = tmp_path / "report.html"
    path.write_text(text, encoding="utf-8")
    tab, wrong = browser.new_page(), list[str]()
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
    tab.on("request", lambda r: wrong.append(r.url) if r.url.startswith("http") else None)
    tab.on("dialog", lambda d: wrong.append(d.message))
    tab.goto(path.as_uri())
    assert nasty in tab.inner_text("body")
    tab.click("#theme")
    wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    tab.close()
    assert not wrong and wide <= 0


def test_the_command_of_a_case_is_one_that_a_shell_reads() -> None:
    import shlex

    odd = replace(ROWS[0], file="it's $HOME.mp4", text='say `no`; "please"')
    told = shlex.split(shown(odd, odd.explanations[0], Path("/clips")))
    assert told[3] == "/clips/it's $HOME.mp4" and 'say `no`; "please"' in told
    given = {"asked": [["relevance", "auto", {"layers": 2}]], "present": ["video"], "start": 1.5}
    asked = shown(replace(odd, arguments=json.dumps(given)), odd.explanations[0], Path("/clips"))
    for part in ("--set layers=2", "--without audio --without text", "--start 1.5"):
        assert part in asked
