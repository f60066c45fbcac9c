"""Statistics of a data set in one pass: `color_statistics`, `estimate_prior`,
`mean_colors`.

`masked_sums`, `weighted_sums` and `add_sums` compute such sums over batches,
`sum_by_class` the sums of an image.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int

from colorjax.distributed import batch_sharding, replicated, shard_batch
from colorjax.errors import UserError
from colorjax.method import Examples, to_examples
from colorjax.quantize import Q, soft_encode

COLORED = 0.005  # an image is colored if a larger share of its pixels is


class ColorStatistics(NamedTuple):
    """The colors of a data set.

    `prior` is what `estimate_prior` returns, `images` the number of readable images,
    `colored` the number of colored ones: |a| or |b| is above 5 in more than the share
    `COLORED` of the pixels.
    """

    prior: Float[np.ndarray, "313"]
    images: int
    colored: int


def color_statistics(batches: Iterable[dict], mesh: Mesh) -> ColorStatistics:
    """The statistics of all images. Raises `UserError` where none can be read."""

    def stats(examples):
        ab = examples["ab"]
        share = (jnp.abs(ab).max(axis=-1) > 5).mean(axis=(1, 2))
        colored = (share > COLORED).astype(jnp.float32)
        return {"code": mean_code(ab), "colored": colored, "images": jnp.ones(len(ab))}

    sums = masked_sums(stats, batches, mesh)
    code = sums["code"]
    if code.sum() == 0:
        raise UserError("data: not one image of the training split can be read")
    prior = (code / code.sum()).astype(np.float32)
    return ColorStatistics(prior, int(sums["images"]), int(sums["colored"]))


def estimate_prior(batches: Iterable[dict], mesh: Mesh) -> Float[np.ndarray, "313"]:
    """The frequency of each bin: the mean soft code at every fourth row and column.

    The frequencies sum to 1.

    The code has 5 neighbors and a sigma of 5 ab units. It is itself the smoothing, as
    in the released code; the paper smooths a histogram with a Gaussian of that sigma.
    Raises `UserError` where no image of `batches` can be read.
    """
    return color_statistics(batches, mesh).prior


def mean_code(ab: Float[Array, "b h w 2"]) -> Float[Array, "b 313"]:
    """The mean soft code at every fourth row and column of each image; sums to 1."""
    indices, weights = soft_encode(ab[:, ::4, ::4])
    return sum_by_class(weights, indices) / weights[0, ..., 0].size


def sum_by_class(
    values: Float[Array, "b *s"], classes: Int[Array, "b *s"], count: int = Q
) -> Float[Array, "b {count}"]:
    """For each image, the sums of its values in each of `count` classes."""

    def of_image(values, classes):
        return jax.ops.segment_sum(values.ravel(), classes.ravel(), count)

    return jax.vmap(of_image)(values, classes)


def mean_colors(batches: Iterable[dict], mesh: Mesh) -> Float[np.ndarray, "h w 2"]:
    """The mean ab at each pixel, over images of one size."""

    def stats(examples):
        return {"ab": examples["ab"], "images": jnp.ones(len(examples["ab"]))}

    sums = masked_sums(stats, batches, mesh)
    return np.asarray(sums["ab"] / max(sums["images"], 1), np.float32)


def masked_sums(
    stats: Callable[[Examples], Any], batches: Iterable[dict[str, np.ndarray]], mesh
) -> Any:
    """Sum `stats(examples)`, a tree of [b ...], over the images with mask 1.

    The sums of a batch are float32 on the device, the total is float64 on the host.
    Raises `UserError` where there is no batch.
    """

    def batch_sums(batch):
        weights = batch["mask"][None]
        return jax.tree.map(
            lambda x: x[0], weighted_sums(weights, stats(to_examples(batch)))
        )

    compiled = jax.jit(
        batch_sums, in_shardings=batch_sharding(mesh), out_shardings=replicated(mesh)
    )
    total = None
    for batch in batches:
        total = add_sums(total, compiled(shard_batch(batch, mesh)))
    if total is None:
        raise UserError("evaluation: the split has no images")
    return total


def weighted_sums(weights: Float[Array, "r b"], tree: Any) -> Any:
    """Sum the leaves [b ...] under each row of weights: [r ...].

    Images whose weight is 0 in the first row, the mask, do not count in any row.
    """

    def weigh(leaf):
        counted = (weights[0] > 0).reshape(-1, *[1] * (leaf.ndim - 1))
        # A masked image may hold anything, and 0 times NaN is NaN.
        flat = jnp.where(counted, leaf, 0).reshape(len(leaf), -1)
        total = jnp.matmul(weights, flat, precision=jax.lax.Precision.HIGHEST)
        return total.reshape(-1, *leaf.shape[1:])

    return jax.tree.map(weigh, tree)


def add_sums(total: Any, sums: Any) -> Any:
    """`total` plus the `sums` of a batch, in float64 on the host; None is 0."""
    sums = jax.tree.map(lambda x: x.astype(np.float64), jax.device_get(sums))
    return sums if total is None else jax.tree.map(np.add, total, sums)
