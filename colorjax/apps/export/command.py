"""Export a run as one file that other programs can run, ONNX or StableHLO."""

import argparse
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorjax import files
from colorjax.apps import options
from colorjax.apps.options import need_extra
from colorjax.errors import UserError

if TYPE_CHECKING:
    from colorjax.train.workdir import Run

FORMATS = {  # with a note for the user
    "onnx": "the temperature is an optional input; the network computes in float32",
    "stablehlo": "the temperature is fixed; the .json beside it has these lines",
}
NEEDED = {"onnx": ("onnx", "onnxruntime"), "stablehlo": ("flatbuffers",)}
VGG = "vgg_dilated"  # method.net of the networks that ONNX files can hold
TOLERANCE = 1e-3  # largest difference from the run, in sRGB in [0, 1]
CHECKED = ((2, 45, 51), (1, 3, 10))  # batch, height and width of the inputs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("workdir", metavar="RUN", type=options.path, help="the workdir of a run")
    add("--format", choices=FORMATS, required=True)
    add("--out", type=options.path, required=True, metavar="FILE", help="a new file")
    add(
        "--step",
        type=options.checkpoint,
        help="step of the checkpoint, or best (default: the last)",
    )
    add(
        "--temperature",
        type=options.temperature,
        help="lower is bolder and patchier (default: the run's)",
    )
    options.add_setting(add)


def run(args: argparse.Namespace) -> int:
    """Write the file, compare it with the run, and describe it."""
    out = Path(args.out)
    if out.exists():
        raise UserError(f"{out}: exists; give another --out")
    need_extra("export", *NEEDED[args.format])
    from colorjax.apps.export.function import make_colorize  # slow, so after the checks
    from colorjax.runtime import enable_compilation_cache
    from colorjax.train.experiment import make_method
    from colorjax.train.workdir import check_trained, load_run

    enable_compilation_cache()
    loaded = load_run(args.workdir, args.step, dict(args.settings))
    check_trained(loaded, args.workdir)
    section = _method(args, loaded.config["method"])
    method = make_method(section)
    colorize, facts = make_colorize(method, loaded.nets), _facts(loaded)
    if args.format == "onnx":
        from colorjax.apps.export import onnx_file as file_format

        data = file_format.serialize(
            section["name"], loaded.nets, method.temperature, facts
        )
    else:
        from colorjax.apps.export import stablehlo as file_format

        data = file_format.serialize(colorize)
    with files.beside(out) as part:
        part.write_bytes(data)
        difference = _difference(file_format.load(part.read_bytes()), colorize)
        if not difference <= TOLERANCE:
            raise UserError(
                f"{out}: not written; it differs from the run by {difference:.1g}"
            )
        if args.format == "stablehlo":
            files.write_json(out.with_name(f"{out.name}.json"), facts)
    print(f"{out}: {len(data) / 1e6:.1f} MB")
    facts |= {
        "checked": f"differs from the run by {difference:.1g} at most",
        "note": FORMATS[args.format],
    }
    for name, line in facts.items():
        print(f"  {name:<12} {line}")
    return 0


def _method(args: argparse.Namespace, section: dict[str, Any]) -> dict[str, Any]:
    """The method section of the run, with the changes that the export asks for."""
    section = dict(section)
    if args.temperature is not None:
        section["temperature"] = args.temperature
    net = section.get("net", VGG)
    if args.format == "onnx" and net != VGG:
        raise UserError(
            f"{args.workdir}: the network {net} cannot be written as ONNX, only {VGG}; "
            "--format stablehlo writes any"
        )
    if args.format == "onnx" and "dtype" in section:
        section["dtype"] = "float32"
    return section


def _difference(exported: Callable, colorize: Callable) -> float:
    """The largest difference between the two functions, on noise of `CHECKED` sizes."""
    import jax
    import numpy as np

    live = jax.jit(colorize)
    random, largest = np.random.default_rng(0), 0.0
    for size in CHECKED:
        rgb = random.random((*size, 3), np.float32)
        error = np.abs(np.asarray(exported(rgb)) - np.asarray(live(rgb))).max()
        largest = max(largest, float(error))
    return largest


def _facts(loaded: "Run") -> dict[str, str]:
    """The description that the file carries."""
    from colorjax.train.checksums import hash_nets

    source = loaded.source or {}
    side = loaded.dataset.resize
    return {
        "colorjax": importlib.metadata.version("colorjax"),
        "method": loaded.config["method"]["name"],
        "step": str(loaded.step),
        "nets sha256": hash_nets(loaded.nets)[0],
        "licence": source.get("licence", "not stated; consider that of the pictures"),
        "input": "sRGB in 0 to 1, float32 [batch height width 3], any sizes",
        "output": "the same in color, with the L of the input",
        "short side": f"{side} pixels are what the network was trained on",
        "left out": "the run's sizes and saturation; the network runs once, at the "
        "size of the input, and the chroma is not multiplied",
    }
