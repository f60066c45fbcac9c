"""Time of 3x3 convolutions by the definition and by Winograd's products, by shape.

    python -m benchmarks.winograd

Convolution and ReLU as one program, in float32; then both gradients of a convolution,
for which Winograd's kernels are transformed in the program. The shapes are those of the
paper's network at 256 pixels and in training, of the shipped model at its working
sizes, and some smaller ones.
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
GRADIENTS = (
    (2, 8, 8, 512, 512, 1),
    (2, 16, 16, 512, 512, 1),
    (8, 16, 16, 512, 512, 1),
    (2, 32, 32, 256, 256, 1),
    (2, 64, 64, 128, 128, 1),
    (8, 64, 64, 128, 128, 1),
    (128, 8, 8, 128, 128, 1),
    (2, 64, 64, 64, 128, 1),
    (16, 32, 32, 64, 64, 1),
    (2, 128, 128, 64, 64, 1),
)


def relu(convolve):
    return jax.jit(lambda x, kernel, _: jax.nn.relu(convolve(x, kernel)))


def gradients(convolve):
    def product(x, kernel, dy):
        return (convolve(x, kernel) * dy).sum()

    return jax.jit(jax.grad(product, (0, 1)))


def by_winograd(x, kernel, dilation):
    return winograd.convolve(x, winograd.transform(kernel), dilation)


def main() -> None:
    args = parse(parser(__doc__, repeats=15))
    random = np.random.default_rng(0)
    ways, ratios = {}, {}

    def add(shape, label, program, fast, prepare):
        images, height, width, channels, outputs, dilation = shape
        x, kernel, dy = (
            jax.device_put(random.normal(size=size).astype("f4"))
            for size in (
                (images, height, width, channels),
                (3, 3, channels, outputs),
                (images, height, width, outputs),
            )
        )
        name = f"{images}x{height}x{width}x{channels} to {outputs}{label}"
        if dilation > 1:
            name += ", dilated"
        choices = {
            "definition": (dilated_conv, kernel),
            "Winograd": (fast, prepare(kernel)),
        }
        for way, (convolve, weights) in choices.items():
            call = program(functools.partial(convolve, dilation=dilation))
            call = functools.partial(call, x, weights, dy)
            ways[f"{name}: {way}"] = lambda call=call: jax.block_until_ready(call())
        ratios[name] = (f"{name}: definition", f"{name}: Winograd")

    for shape in SHAPES:
        add(shape, "", relu, winograd.convolve, winograd.transform)
    for shape in GRADIENTS:
        add(shape, ", gradients", gradients, by_winograd, lambda kernel: kernel)
    report(interleaved(ways, args.repeats), ratios, {}, args.json)


if __name__ == "__main__":
    main()
