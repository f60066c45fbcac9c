"""Time the soft code of colours: candidate table against all 313 bins with top_k.

    python -m benchmarks.soft_encode [--pixels N] [--repeats N] [--json PATH]

The default is the targets of 32 pictures of 176 x 176 pixels, the paper's size.
"""

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import interleaved, parser, report
from colorjax.quantize import ab_bins, soft_encode

PIXELS = 32 * 44 * 44


def dense_encode(ab, neighbors, sigma=5.0):
    """The same code from the distances to every bin."""
    distance = ((ab[..., None, :] - ab_bins()) ** 2).sum(-1)
    negative, indices = jax.lax.top_k(-distance, neighbors)
    # No slice of `negative`: XLA would no longer see a top_k, and sort all the bins.
    return indices, jax.nn.softmax(negative / (2 * sigma**2))


def main() -> None:
    flags = parser(__doc__, repeats=15)
    flags.add_argument("--pixels", type=int, default=PIXELS)
    args = flags.parse_args()
    random = np.random.default_rng(0)
    ab = jnp.asarray(random.uniform(-100, 100, (args.pixels, 2)), jnp.float32)
    ways, ratios = {}, {}
    for neighbors in (5, 10):
        pair = f"top_k of all bins, K = {neighbors}", f"colorjax, K = {neighbors}"
        outputs = []
        for name, encode in zip(pair, (dense_encode, soft_encode), strict=True):
            compiled = jax.jit(encode, static_argnums=1).lower(ab, neighbors).compile()
            ways[name] = lambda run=compiled: jax.block_until_ready(run(ab))
            outputs.append(ways[name]())
        np.testing.assert_array_equal(outputs[0][0], outputs[1][0])
        np.testing.assert_allclose(outputs[0][1], outputs[1][1], atol=1e-5)
        ratios[f"ratio, K = {neighbors}"] = pair
    seconds = interleaved(ways, args.repeats)
    report(seconds, ratios, {"pixels": args.pixels}, args.json)


if __name__ == "__main__":
    main()
