"""The house: floors, importability, and what may import what."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "colorjax").rglob("*.py"))
FLOORS = (  # low to high: a folder imports only from those before it
    "errors",
    "files",
    "color",
    "quantize",
    "method",
    "config",
    "distributed",
    "progress",
    "runtime",
    "images",
    "nets",
    "pretrained",
    "methods",
    "data",
    "train",
    "evaluation",
    "inference",
    "apps",
    "cli",
)
ONLY = {  # a library, and the only folders that may import it
    "PIL": {"images"},
    "av": {"apps"},
    "cv2": {"apps"},
    "onnx": {"apps"},
    "onnxruntime": {"apps"},
    "gradio": {"apps"},
    "imagecodecs": {"images"},
    "tifffile": {"images"},
    "grain": {"data"},
    "tensorflow_datasets": {"data"},
    "orbax": {"train"},
    "flax": {"evaluation", "methods", "nets", "pretrained"},
}


def unit(path):
    """The part of the house that a file belongs to: a module or a package of it."""
    return path.relative_to(ROOT / "colorjax").parts[0].removesuffix(".py")


def imports(path):
    """Names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_module(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    importlib.import_module(".".join(parts).removesuffix(".__init__"))
    if unit(path) == "__init__":
        return
    for name in imports(path):
        library, _, rest = name.partition(".")
        if library == "colorjax":
            used = rest.split(".")[0]
            assert used == unit(path) or FLOORS.index(used) < FLOORS.index(
                unit(path)
            ), name
        assert unit(path) in ONLY.get(library, {unit(path)}), name


def test_import_is_light():
    code = (
        "import colorjax, sys; print([m for m in ('jax', 'numpy') if m in sys.modules])"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
    assert out.strip() == "[]"


def test_no_tensorflow_torch_or_caffe():
    for path in [*FILES, ROOT / "train.py", ROOT / "evaluate.py"]:
        heavy = {"tensorflow", "torch", "caffe"}
        assert not heavy & {name.partition(".")[0] for name in imports(path)}, path
