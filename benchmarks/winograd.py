"""Time of 3x3 convolutions by the definition and by Winograd's products, by shape.

    python -m benchmarks.winograd

Convolution and ReLU as one program, in float32. The shapes are those of the paper's
network at 256 pixels, of the shipped model at its working sizes, and some smaller ones.
`nets.winograd.CHANNELS` comes from this table.
"""

import functools

import jax
import numpy as np

from benchmarks.timing import interleaved, parse, parser, report
from colorjax.nets import winograd
from colorjax.nets.layers import dilated_conv

SHAPES = (  # images, height, width, channels, outputs, dilation
    (1, 128, 128, 64, 64, 1),
    (1, 128, 128, 64, 128, 1),
    (1, 64, 64, 128, 256, 1),
    (1, 64, 64, 256, 256, 1),
    (1, 32, 32, 256, 512, 1),
    (1, 32, 32, 512, 512, 1),
    (1, 32, 32, 512, 512, 2),
    (8, 32, 32, 512, 512, 1),
    (2, 16, 16, 512, 512, 1),
    (8, 16, 16, 512, 512, 1),
    (1, 8, 12, 128, 128, 1),
    (1, 16, 24, 128, 128, 1),
    (1, 32, 48, 128, 128, 1),
    (1, 64, 96, 128, 128, 1),
    (8, 64, 96, 128, 128, 1),
)


def relu(convolve):
    return jax.jit(lambda x, kernel: jax.nn.relu(convolve(x, kernel)))


def main() -> None:
    args = parse(parser(__doc__, repeats=15))
    random = np.random.default_rng(0)
    ways, ratios = {}, {}
    for images, height, width, channels, outputs, dilation in SHAPES:
        x, kernel = (
            jax.device_put(random.normal(size=size).astype("f4"))
            for size in ((images, height, width, channels), (3, 3, channels, outputs))
        )
        name = f"{images}x{height}x{width}x{channels} to {outputs}"
        if dilation > 1:
            name += ", dilated"
        choices = {
            "definition": (dilated_conv, kernel),
            "Winograd": (winograd.convolve, winograd.transform(kernel)),
        }
        for way, (convolve, weights) in choices.items():
            call = relu(functools.partial(convolve, dilation=dilation))
            ways[f"{name}: {way}"] = lambda call=call, x=x, weights=weights: (
                jax.block_until_ready(call(x, weights))
            )
        ratios[name] = (f"{name}: definition", f"{name}: Winograd")
    report(interleaved(ways, args.repeats), ratios, {}, args.json)


if __name__ == "__main__":
    main()
