"""Statistics of a data set in one pass: `estimate_prior`, of `mean_code`s,
`mean_colors`, and what they are made of, `masked_sums`."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float

from colorjax.distributed import batch_sharding, replicated, shard_batch
from colorjax.errors import UserError
from colorjax.method import Examples, to_examples
from colorjax.quantize import Q, soft_encode


def estimate_prior(batches, mesh: Mesh) -> Float[np.ndarray, "313"]:
    """Mean soft code (5 neighbours, sigma 5) of every fourth pixel; sums to 1.

    The soft code itself smooths it, as in the released code; the paper smooths a
    histogram with a Gaussian of the same sigma. One pass over `batches`.
    """
    code = masked_sums(lambda examples: mean_code(examples["ab"]), batches, mesh)
    if code.sum() == 0:
        raise UserError("data: not one picture of the training split can be read")
    return (code / code.sum()).astype(np.float32)


def mean_code(ab: Float[Array, "b h w 2"]) -> Float[Array, "b 313"]:
    """Of each picture the mean soft code of every fourth pixel; sums to 1."""
    indices, weights = soft_encode(ab[:, ::4, ::4])

    def mean(i, w):
        return jax.ops.segment_sum(w.ravel(), i.ravel(), Q) / w[..., 0].size

    return jax.vmap(mean)(indices, weights)


def mean_colors(batches: Iterable[dict], mesh: Mesh) -> Float[np.ndarray, "h w 2"]:
    """The mean ab of pictures of one size, place by place, in one pass."""

    def stats(examples):
        return {"ab": examples["ab"], "pictures": jnp.ones(len(examples["ab"]))}

    sums = masked_sums(stats, batches, mesh)
    return np.float32(sums["ab"] / max(sums["pictures"], 1))


def masked_sums(
    stats: Callable[[Examples], Any], batches: Iterable[dict[str, np.ndarray]], mesh
) -> Any:
    """Sum `stats(examples)`, a tree of [b ...], over the pictures of all batches.

    Sums of a batch are float32 on the device, their total float64 on the host.
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
        raise UserError("evaluation: the split has no pictures")
    return total


def weighted_sums(weights: Array, tree: Any) -> Any:
    """Sum over the first axis under each row of `weights`: [r ...]."""

    def add(leaf):
        counted = (weights[0] > 0).reshape(-1, *[1] * (leaf.ndim - 1))
        # What is masked may be anything, and 0 times a nan is a nan.
        flat = jnp.where(counted, leaf, 0).reshape(len(leaf), -1)
        total = jnp.matmul(weights, flat, precision=jax.lax.Precision.HIGHEST)
        return total.reshape(-1, *leaf.shape[1:])

    return jax.tree.map(add, tree)


def add_sums(total: Any, sums: Any) -> Any:
    sums = jax.tree.map(lambda x: x.astype(np.float64), jax.device_get(sums))
    return sums if total is None else jax.tree.map(np.add, total, sums)
