"""Time of DDColor and DeOldify from L to ab: colorjax and PyTorch, at full width.

    PYTHONPATH=.:tests python -m benchmarks.published [--net ddcolor] [--side 512]

PyTorch runs the networks that the tests compare with, on the same seeded weights, with
normalizations applied beforehand; `--compile` adds torch.compile. The benchmark checks
that both give the same colors. `--write FILE` writes the seeded weights in the layout
of the published file instead, for `colorjax convert`. Needs torch and the tests' golden
files.
"""

from pathlib import Path

import jax
import numpy as np
import torch
from golden import ddcolor_tensors, deoldify_tensors, torch_ddcolor
from golden.torch_deoldify import deoldify

from benchmarks.timing import interleaved, parse, parser, report
from colorjax.color import lab_to_rgb, rgb_to_lab
from colorjax.pretrained.ddcolor import load_ddcolor
from colorjax.pretrained.deoldify import load_deoldify
from colorjax.pretrained.weights import Weights
from colorjax.train.experiment import make_method

FORMS = {"deoldify_artistic": "deep", "deoldify_stable": "wide"}
ENCODERS = {  # the blocks and channels of the four stages of ConvNeXt-T and -L
    "ddcolor": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "ddcolor_large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
}


def make_tensors(net: str) -> dict[str, np.ndarray]:
    """Seeded weights of full width, by their names in the published file."""
    if net in FORMS:
        deoldify_tensors.WIDTH = 1.0
        return deoldify_tensors.deoldify_tensors(FORMS[net])
    depths, channels = ENCODERS[net]
    ddcolor_tensors.WIDTH, ddcolor_tensors.QUERIES = 1.0, 100
    ddcolor_tensors.CHANNELS = channels
    for module in (ddcolor_tensors, torch_ddcolor):
        module.DEPTHS, module.LAYERS = depths, 9
    return ddcolor_tensors.ddcolor_tensors()


def make(net: str):
    """The published net of ours, and a function from grey sRGB [b 3 h w] to its output
    in PyTorch, which is ab for DDColor and sRGB for DeOldify."""
    tensors, forward = make_tensors(net), FORMS.get(net)
    load = load_deoldify if forward else load_ddcolor
    published = load(Weights(net, tensors, ""))
    folded = fold({key: torch.tensor(x) for key, x in tensors.items()})

    def predict(rgb):
        with torch.no_grad():  # torch.compile refuses inference tensors
            if forward is None:
                return torch_ddcolor.ddcolor(folded, rgb)
            return deoldify(folded, rgb, forward)

    return published, predict


def fold(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors with spectral normalization applied to the kernels."""
    folded = dict(tensors)
    for key in tensors:
        if key.endswith(".weight_orig"):
            layer = key.removesuffix(".weight_orig")
            kernel = torch_ddcolor.spectral_kernel(tensors, layer)
            folded[f"{layer}.weight"] = kernel.contiguous()
    return folded


def main() -> None:
    flags = parser(__doc__, repeats=5)
    flags.add_argument("--net", choices=(*ENCODERS, *FORMS), default="ddcolor")
    flags.add_argument("--side", type=int, default=512)
    flags.add_argument("--compile", action="store_true")
    flags.add_argument("--write", type=Path, metavar="FILE")
    args = parse(flags)
    if args.write:
        tensors = make_tensors(args.net)
        torch.save({key: torch.tensor(x) for key, x in tensors.items()}, args.write)
        return
    published, theirs = make(args.net)
    method = make_method({**published.method, "square": False})
    nets = jax.device_put({"G": published.variables})
    keys = jax.random.split(jax.random.key(0), 1)
    predict = jax.jit(method.predict)
    shape = (1, args.side, args.side, 1)
    lightness = np.random.default_rng(0).uniform(0, 100, shape).astype("f4")
    grey = np.asarray(lab_to_rgb(np.pad(lightness, ((0, 0),) * 3 + ((0, 2),))))
    rgb = torch.tensor(grey).permute(0, 3, 1, 2).contiguous()
    inputs = {"lightness": jax.device_put(lightness)}
    ways = {
        "colorjax": lambda: jax.block_until_ready(predict(nets, inputs, keys)),
        "PyTorch": lambda: theirs(rgb),
    }
    if args.compile:
        compiled = torch.compile(theirs, dynamic=False)
        ways["PyTorch, compiled"] = lambda: compiled(rgb)
    expected = theirs(rgb).permute(0, 2, 3, 1).numpy()
    if args.net in FORMS:
        expected = np.asarray(rgb_to_lab(expected))[..., 1:]
    np.testing.assert_allclose(ways["colorjax"]().ab, expected, atol=0.05)
    ratios = {f"{name} / colorjax": (name, "colorjax") for name in list(ways)[1:]}
    settings = {"net": args.net, "side": args.side}
    report(interleaved(ways, args.repeats), ratios, settings, args.json)


if __name__ == "__main__":
    main()
