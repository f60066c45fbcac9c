"""Convert published weights to a run.

The weights are those of a colorizer, or those of a classifier, from which a colorizer
can be trained.

The run has the networks as the checkpoint of step 0, a config that decodes as the
authors do, and source.json: file, licence, conventions, and hashes of the file and of
the networks. It has no prior, because the published files have none.
"""

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

from colorjax import files
from colorjax.apps import options
from colorjax.errors import UserError

HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")  # in a file name of PyTorch's hub


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "file",
        metavar="FILE",
        type=options.path,
        help="colorization_release_v2 or siggraph17, .pth or .caffemodel; a file of "
        "DDColor or DeOldify, .bin, .pt, .pth or .safetensors; or, to train from, "
        "efficientnet-lite0's or ConvNeXt's .pth",
    )
    parser.add_argument(
        "--out",
        type=options.path,
        required=True,
        metavar="RUN",
        help="a new directory for the run",
    )
    parser.add_argument(
        "--mask-center",
        type=float,
        choices=(0.0, 0.5),
        help="of Zhang et al. 2017: what the net subtracts from the mask of the hints; "
        "needed where neither name nor hash of the file tells",
    )


def run(args: argparse.Namespace) -> int:
    """Write the run and describe it; the directory appears only when complete."""
    files.check_new(args.out)
    from colorjax.pretrained.weights import read  # slow, so after the check
    from colorjax.train.checkpoint import save_nets
    from colorjax.train.checksums import hash_nets
    from colorjax.train.workdir import SOURCE

    weights = read(args.file)
    expected = HASH.search(args.file)
    if expected and not weights.sha256.startswith(expected[1]):
        raise UserError(
            f"{args.file}: its SHA-256 begins {weights.sha256[:8]}, not "
            f"{expected[1]}, as its name says; download it again"
        )
    published = _published(weights, args.mask_center)
    nets = {"G": published.variables}
    digest, parameters = hash_nets(nets)
    source = {
        "layout": published.layout,
        "file": Path(args.file).name,
        "file sha256": weights.sha256,
        "nets sha256": digest,
        "licence": published.license,
        **published.conventions,
    }
    with files.new_directory(args.out) as part:
        save_nets(part, nets)
        files.write_json(part / SOURCE, source)
        files.write_json(part / "config.json", _config(published))
    print(f"{args.out}: {parameters / 1e6:.2f} M parameters")
    for name, line in source.items():
        print(f"  {name:<12} {line}")
    print(published.use.format(run=shlex.quote(args.out)))
    return 0


def _published(weights, mask_center):
    """The network in a file; raises `UserError` where it is of no known kind."""
    from colorjax.pretrained import ddcolor, deoldify, efficientnet_lite, zhang2016
    from colorjax.pretrained.zhang2017 import MARK, load_zhang2017

    names = tuple(weights.tensors)
    if any(re.match(MARK, key) for key in names):
        return load_zhang2017(weights, mask_center)
    if mask_center is not None:
        raise UserError(
            f"{weights.path}: --mask-center is for the weights of Zhang et al. 2017"
        )
    loaders = (
        (zhang2016.MARK, zhang2016.load_zhang2016),
        (ddcolor.MARK, ddcolor.load_ddcolor),
        (deoldify.MARK, deoldify.load_deoldify),
        (efficientnet_lite.MARK, efficientnet_lite.load_efficientnet_lite0),
        (ddcolor.ENCODER_MARK, ddcolor.load_convnext),
    )
    for mark, load in loaders:
        if any(re.match(mark, key) for key in names):
            return load(weights)
    raise UserError(
        f"{weights.path}: not the weights of a known network: Zhang et al. 2016 "
        "and 2017, DDColor, DeOldify, EfficientNet-Lite0 or ConvNeXt; its first tensor "
        f"is '{names[0]}'"
    )


def _config(published) -> dict[str, Any]:
    """The authors' config, as far as it is known, of a run without training steps."""
    side = published.side
    data = {"name": "imagenet2012", "test_split": "validation[:10000]", "resize": side}
    return {
        "seed": 0,
        "steps": 0,
        "batch": 40,
        "init_from": "",
        "data": data,
        "method": published.method,
        "optimizer": {"learning_rate": 3e-5},
        "checkpoint": {},
        "evaluation": {"batch": 40},
    }
