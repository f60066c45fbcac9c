"""Time the soft code of colors: the candidate table against a ball tree, and against
all 313 bins with top_k.

    python -m benchmarks.soft_encode [--pictures N] [--repeats N] [--json PATH]

The default is the targets of 32 pictures of 176 x 176 pixels, the paper's size. The
ball tree is scikit-learn's, used as the released code's layer does: it is asked for the
nearest bins of every pixel, and their weights are put into an array of all the bins, in
the layout of Caffe. That array is the layer's target; ours is the sparse code. A row
without the array is beside it.
"""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.neighbors import NearestNeighbors

from benchmarks.timing import interleaved, parse, parser, report
from colorjax.quantize import Q, ab_bins, soft_encode


def dense_encode(ab, neighbors, sigma=5.0):
    """The same code from the distances to every bin."""
    distance = ((ab[..., None, :] - ab_bins()) ** 2).sum(-1)
    negative, indices = jax.lax.top_k(-distance, neighbors)
    # No slice of `negative`: XLA would no longer see a top_k, and sort all the bins.
    return indices, jax.nn.softmax(negative / (2 * sigma**2))


def tree_encode(tree, ab, neighbors, sigma=5.0):
    """The same code from a search tree, in NumPy."""
    distance, indices = tree.kneighbors(ab, neighbors)
    weights = np.exp(-(distance**2) / (2 * sigma**2))
    return indices, weights / weights.sum(-1, keepdims=True)


def layer_encode(tree, ab, neighbors):
    """The code of pictures of 44 x 44 targets as a dense array [b 313 44 44]."""
    indices, weights = tree_encode(tree, ab, neighbors)
    dense = np.zeros((len(ab), Q))
    dense[np.arange(len(ab))[:, None], indices] = weights
    return np.moveaxis(dense.reshape(-1, 44, 44, Q), -1, 1).copy()


def main() -> None:
    flags = parser(__doc__, repeats=15)
    flags.add_argument("--pictures", type=int, default=32)
    args = parse(flags)
    args.pixels = args.pictures * 44 * 44
    random = np.random.default_rng(0)
    ab = jnp.asarray(random.uniform(-100, 100, (args.pixels, 2)), jnp.float32)
    tree = NearestNeighbors(algorithm="ball_tree").fit(ab_bins())
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
        ratios[f"top_k / colorjax, K = {neighbors}"] = pair
        name = f"ball tree, K = {neighbors}"
        ways[name] = lambda k=neighbors: tree_encode(tree, np.asarray(ab), k)
        _, weights = ways[name]()
        layer = f"the layer with it, K = {neighbors}"
        ways[layer] = lambda k=neighbors: layer_encode(tree, np.asarray(ab), k)
        np.testing.assert_allclose(weights, outputs[1][1], atol=1e-4)
        ratios[f"{name[:9]} / colorjax, K = {neighbors}"] = (name, pair[1])
        ratios[f"layer / colorjax, K = {neighbors}"] = (layer, pair[1])
    seconds = interleaved(ways, args.repeats)
    report(seconds, ratios, {"pixels": args.pixels}, args.json)


if __name__ == "__main__":
    main()
