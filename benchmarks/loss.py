"""Time the loss and its gradient against copying the bytes that they must move.

    python -m benchmarks.loss [--pixels N] [--dtype bfloat16] [--repeats N]

Soft code of the colors, cross-entropy and gradient in the logits, compiled as one
program, as in a training step; the copy reads as many bytes as the logits have and
writes as many, which is what a loss that reads them once and writes its gradient once
would. Also printed: the memory that the program needs beside its arguments and results.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import interleaved, parse, parser, report
from colorjax.quantize import Q, soft_cross_entropy, soft_encode

PIXELS = 32 * 44 * 44


def gradient(logits, ab, weight):
    """Of the weighted cross-entropy, in the logits."""

    def loss(logits):
        return (weight * soft_cross_entropy(logits, *soft_encode(ab))).sum()

    return jax.grad(loss)(logits)


def main() -> None:
    flags = parser(__doc__, repeats=15)
    flags.add_argument("--pixels", type=int, default=PIXELS)
    flags.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    args = parse(flags)
    random = np.random.default_rng(0)
    shape = (args.pixels, Q)
    logits = jnp.asarray(random.normal(size=shape), args.dtype)
    ab = jnp.asarray(random.uniform(-60, 60, (args.pixels, 2)), jnp.float32)
    weight = jnp.asarray(random.uniform(0.5, 2, args.pixels), jnp.float32)
    ours = jax.jit(gradient).lower(logits, ab, weight).compile()
    # Negated, because XLA would return a plain copy's argument itself.
    copy = jax.jit(jnp.negative).lower(logits).compile()
    ways = {
        "copy": lambda: jax.block_until_ready(copy(logits)),
        "loss and gradient": lambda: jax.block_until_ready(ours(logits, ab, weight)),
    }
    extra = ours.memory_analysis().temp_size_in_bytes
    settings = dict(
        pixels=args.pixels,
        dtype=args.dtype,
        logits_megabytes=logits.nbytes / 1e6,
        extra_megabytes=extra / 1e6,
    )
    ratios = {"loss and gradient / copy": ("loss and gradient", "copy")}
    report(interleaved(ways, args.repeats), ratios, settings, args.json)


if __name__ == "__main__":
    main()
