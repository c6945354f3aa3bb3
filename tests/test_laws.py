"""The laws of the house: who may import whom, and what."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("core_models", "explain", "app")  # each may import itself and those before it
ONLY_IN = {
    "gradio": ("app", "app.py"),
    "captum": ("explain/methods",),
    "matplotlib": ("explain/render", "core_models/training"),
    "plotly": ("explain/render", "app"),
    "huggingface_hub": ("core_models/registry.py",),
    "timm": ("core_models",),
    "transformers": ("core_models",),
}
FORBIDDEN = {"pickle", "torchaudio", "torchcodec", "librosa", "decord", "kaleido"}
FILES = sorted(
    p.relative_to(ROOT)
    for folder in (*LAYERS, "app.py")
    for p in ([ROOT / folder] if folder.endswith(".py") else (ROOT / folder).rglob("*.py"))
)


def imports(path: Path) -> Iterator[str]:
    """The absolute module names that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_one_way(path: Path) -> None:
    home = path.parts[0]
    for name in imports(path):
        top = name.split(".")[0]
        assert top not in FORBIDDEN
        if top in LAYERS and home in LAYERS:
            assert LAYERS.index(top) <= LAYERS.index(home), f"{path} imports {name}"
        if places := ONLY_IN.get(top):
            inside = any(path.is_relative_to(place) for place in places)
            assert inside, f"{path} imports {name}, which belongs in {places}"
        if name.startswith("core_models.training"):
            assert path.is_relative_to("core_models/training"), f"{path} imports training code"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_hooks_and_no_backward(path: Path) -> None:
    """Attention reaches a Trace that the caller passes; only training calls backward."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("register_forward"), f"{path} registers a hook"
            assert node.attr != "register_full_backward_hook"
            if not path.is_relative_to("core_models/training"):
                assert node.attr != "backward", f"{path} calls backward"


def test_the_laws_can_fail(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    import gradio.blocks\n    from app.session import Runs\n")
    assert set(imports(bad)) == {"gradio.blocks", "app.session"}
