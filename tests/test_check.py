"""The check passes the shipped model, and names exactly what is wrong with a broken one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from core_models import check
from core_models.check import CHECKS, main, report, run
from core_models.interface import Inputs, Output, Tokens
from core_models.layout import TimeGrid
from core_models.registry import MODELS
from core_models.trace import Trace, attend
from tests.readme import WRAP, module

Spoil = Callable[[Any, dict[str, Any]], None]  # the README's model, and the names it is made of


def tiny() -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(0)
    names = module(WRAP)
    return names["Tiny"]().eval(), names


def failed(model: Any) -> set[str]:
    findings = run(model)
    return {c.__name__ for c in CHECKS if not findings[str(c.__doc__)].ok}


def after(method: str, change: Callable[..., Any]) -> Spoil:
    """Change what a method returns: ``change(model, result, *args, **kwargs)``."""

    def spoil(model: Any, names: dict[str, Any]) -> None:
        right = getattr(model, method)
        wrong = lambda *args, **kw: change(model, right(*args, **kw), *args, **kw)  # noqa: E731
        setattr(model, method, wrong)

    return spoil


def logits(change: Callable[..., Any]) -> Spoil:
    """Add to the logits what ``change(logits, tokens, ...)`` gives."""
    return after(
        "fuse", lambda _, out, *args, **kw: Output(out.logits + change(out.logits, *args, **kw), {})
    )


def recording(weigh: Callable[[Any], tuple[Any, Any]]) -> Spoil:
    """Attend with ``weigh(weights)``: what is recorded, and what is used."""

    def wrong(q: Any, k: Any, v: Any, *, keep: Any, record: Trace | None, name: str) -> Any:
        if record is None:
            return attend(q, k, v, keep=keep)
        own = Trace()
        attend(q, k, v, keep=keep, record=own, name=name)
        kept, used = weigh(own[name])
        record.add(name, kept)
        return used @ v

    return lambda _, names: names.update(attend=wrong)


def doubled(weights: Any) -> tuple[Any, Any]:
    twice = 2 * weights
    return twice, twice / 2


def renamed(model: Any, names: dict[str, Any]) -> None:
    names["attend"] = lambda *qkv, keep, record, name: attend(
        *qkv, keep=keep, record=record, name=name.replace("fusion", "cross")
    )
    right = model.fuse
    model.fuse = lambda tokens, present=None, record=None, cut=(): right(
        tokens, present, record, [name.replace("cross", "fusion") for name in cut]
    )


def never_cut(model: Any, names: dict[str, Any]) -> None:
    right = model.fuse
    model.fuse = lambda tokens, present=None, record=None, cut=(): right(tokens, present, record)


def too_many_labels(model: Any, names: dict[str, Any]) -> None:
    model.labels = ("quiet", "loud", "louder")


def hooked(model: Any, names: dict[str, Any]) -> None:
    model.see.register_forward_hook(lambda *_: None)


def needs_sound(model: Any, inputs: Inputs, *_: Any) -> Inputs:
    if "audio" not in inputs.values:
        raise ValueError("no sound, no answer\nand more")
    return inputs


def backward(model: Any, out: Output, *_: Any, **__: Any) -> Output:
    if torch.is_grad_enabled():
        out.logits.sum().backward(retain_graph=True)
    return out


def shorter(model: Any, inputs: Inputs, *_: Any) -> Inputs:
    fewer = {m: x[:, 1:] if m == "video" else x for m, x in inputs.values.items()}
    return Inputs(fewer, inputs.clip)


def reordered(model: Any, tokens: Tokens, *_: Any, **__: Any) -> Tokens:
    back = tuple(tokens.values)[::-1]
    return Tokens({m: tokens.values[m] for m in back}, {m: tokens.keep[m] for m in back})


def random(model: Any, tokens: Tokens, *_: Any, **__: Any) -> Tokens:
    noisy = {m: x + 1e-7 * torch.randn_like(x) for m, x in tokens.values.items()}
    return Tokens(noisy, tokens.keep)


def edges(change: Callable[..., Any]) -> Spoil:
    """Lay the sound on other seconds: ``change(edges, clip)``."""

    def wrong(model: Any, layout: Any, inputs: Inputs) -> Any:
        grid = layout.get("audio")
        return layout if grid is None else {**layout, "audio": TimeGrid(change(grid.edges, inputs))}

    return after("layout", wrong)


def emptied(model: Any, blank: Inputs, inputs: Inputs) -> Inputs:
    inputs.values["video"].zero_()
    return blank


def batch_mean(logits: Any, *_: Any, **__: Any) -> Any:
    return 1e-2 * logits.mean(dim=0)


def by_place(_: Any, tokens: Tokens, present: Any = None, *__: Any, **___: Any) -> Any:
    short = tokens.only(present)
    x, kept = short.values["video"].mean(dim=-1), short.keep["video"]
    return 1e-2 * (x * kept * torch.arange(x.shape[1])).sum(dim=1, keepdim=True)


def recorded_more(
    logits: Any, tokens: Any, present: Any = None, record: Any = None, **_: Any
) -> Any:
    return 0.0 if record is None else 1e-3


BROKEN: dict[str, tuple[Spoil, set[str]]] = {
    "drops a frame": (after("prepare", shorter), {"prepare", "sizes"}),
    "another order": (after("encode", reordered), {"encode"}),
    "too many labels": (too_many_labels, {"fuse"}),
    "a place too few": (edges(lambda e, _: e[:-1]), {"sizes"}),
    "forgets the start": (edges(lambda e, inputs: e - inputs.clip.start), {"places"}),
    "other names": (renamed, {"names", "sums", "cuts"}),
    "empties the inputs": (after("baseline", emptied), {"baseline"}),
    "needs sound": (after("prepare", needs_sound), {"kinds_of_clip", "missing"}),
    "another answer when recorded": (logits(recorded_more), {"fused", "cuts"}),
    "rows sum to two": (recording(doubled), {"sums"}),
    "leaks masked tokens": (
        logits(lambda _, tokens, *a, **k: 1e-2 * tokens.values["audio"].sum()),
        {"influence", "missing", "packed"},
    ),
    "places in the fusion": (logits(by_place), {"packed"}),
    "rows of a batch meet": (logits(batch_mean), {"batched"}),
    "cannot be cut": (never_cut, {"cuts"}),
    "records a copy": (recording(lambda w: (w.detach(), w)), {"gradients"}),
    "records aside": (recording(lambda w: (w.clone(), w)), {"gradients"}),
    "leaves .grad": (after("fuse", backward), {"leftovers"}),
    "leaves a hook": (hooked, {"leftovers"}),
    "is random": (after("encode", random), {"repeated"}),
}


@pytest.mark.parametrize(("spoil", "wrong"), BROKEN.values(), ids=BROKEN)
def test_a_broken_model_fails_what_is_broken(spoil: Spoil, wrong: set[str]) -> None:
    model, names = tiny()
    assert failed(model) == set()
    spoil(model, names)
    assert failed(model) == wrong


def test_every_check_can_fail() -> None:
    assert {name for _, wrong in BROKEN.values() for name in wrong} == {c.__name__ for c in CHECKS}


@pytest.mark.parametrize("name", [info.name for info in MODELS])
def test_a_shipped_model_passes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 0
    said = capsys.readouterr().out
    assert said.count("✓") == len(CHECKS) and "✗" not in said


def test_it_need_not_be_a_module() -> None:
    model, _ = tiny()
    parts = ("name", "labels", "modalities", "frames", "needs", "prepare", "encode", "fuse",
             "layout", "baseline")  # fmt: skip
    assert failed(SimpleNamespace(**{part: getattr(model, part) for part in parts})) == set()


def test_what_a_model_raises_is_one_line() -> None:
    model, names = tiny()
    BROKEN["needs sound"][0](model, names)
    said = report(run(model))
    assert "ValueError: no sound, no answer\n" in said and "and more" not in said
    assert len(said.splitlines()) == len(CHECKS) + 1


def test_the_exit_says_whether_all_is_well(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    heard = capsys.readouterr()
    assert heard.err.count("\n") == 1 and "config.json" in heard.err and not heard.out
    model, names = tiny()
    never_cut(model, names)
    monkeypatch.setattr(check, "load", lambda *_: model)
    assert main(["tiny"]) == 1
    assert "17 of 18 pass" in capsys.readouterr().out
