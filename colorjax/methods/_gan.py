"""What adversarial methods share: `CRITERIA`, `judge`, `r1_penalty`, the `ImagePool`.

A discriminator gives logits of patches, positive where it takes one to be real. Losses
are means over patches, one a picture, so that a mask can leave pictures out.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

GanLoss = Literal["vanilla", "lsgan", "hinge"]
AB_UNIT = 110.0  # ab units of one unit of an adversarial net's picture


class Criterion(NamedTuple):
    """Losses of a patch by its logit: of a `real` and a `fake` one for the
    discriminator, and for the `generator`; above `middle` it was taken to be real."""

    real: Callable
    fake: Callable
    generator: Callable
    middle: float


CRITERIA = {
    # Goodfellow et al., NIPS 2014, with the generator's loss that does not saturate.
    "vanilla": Criterion(
        lambda d: jax.nn.softplus(-d), jax.nn.softplus, lambda d: jax.nn.softplus(-d), 0
    ),
    # Mao et al., ICCV 2017: least squares.
    "lsgan": Criterion(
        lambda d: jnp.square(d - 1), jnp.square, lambda d: jnp.square(d - 1), 0.5
    ),
    # Lim and Ye, 2017; Miyato et al., ICLR 2018.
    "hinge": Criterion(
        lambda d: jax.nn.relu(1 - d), lambda d: jax.nn.relu(1 + d), lambda d: -d, 0
    ),
}


def to_unit(
    lightness: Float[Array, "b h w 1"], ab: Float[Array, "b h w 2"]
) -> Float[Array, "b h w 3"]:
    """Lab as adversarial nets see it, within [-1, 1]."""
    return jnp.concatenate([lightness / 50 - 1, ab / AB_UNIT], axis=-1)


def per_picture(x: Shaped[Array, "b ..."]) -> Float[Array, "b"]:
    """The mean over everything of a picture, in float32."""
    return x.astype(jnp.float32).reshape(len(x), -1).mean(axis=1)


def total(
    values: Float[Array, "b"], counted: Float[Array, "b"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Of the pictures that count: the sum, over the size of the batch, which is the
    loss; and the mean, which is what to log."""
    # What does not count may be anything, and 0 times a nan is a nan.
    kept = jnp.where(counted > 0, values, 0) * counted
    return kept.sum() / len(kept), kept.sum() / jnp.maximum(counted.sum(), 1)


def judge(
    criterion: Criterion,
    real: Float[Array, "b h w 1"],
    fake: Float[Array, "b2 h w 1"],
    real_counted: Float[Array, "b"],
    fake_counted: Float[Array, "b2"],
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """The discriminator's loss, half of each kind; the same as a mean to log; and its
    accuracy, the share of patches that it took for what they are."""
    losses, means = zip(
        total(per_picture(criterion.real(real.astype(jnp.float32))), real_counted),
        total(per_picture(criterion.fake(fake.astype(jnp.float32))), fake_counted),
        strict=True,
    )
    _, right_real = total(per_picture(real > criterion.middle), real_counted)
    _, right_fake = total(per_picture(fake <= criterion.middle), fake_counted)
    return sum(losses) / 2, sum(means) / 2, (right_real + right_fake) / 2


def r1_penalty(
    discriminate: Callable, pictures: Float[Array, "b h w c"]
) -> Float[Array, "b"]:
    """The squared norm of the gradient, in a real picture, of the mean logit.

    Source: Mescheder, Geiger, Nowozin, ICML 2018, eq. 9, without gamma / 2.
    """
    slope = jax.grad(lambda x: per_picture(discriminate(x)).sum())(pictures)
    return jnp.square(slope).sum(axis=(1, 2, 3))


class ImagePool(NamedTuple):
    """The last pictures of a generator, of which a discriminator is shown some again.

    Source: Shrivastava et al., CVPR 2017, and the code of CycleGAN.
    """

    pictures: Float[Array, "size h w c"]
    filled: Int[Array, ""]


def empty_pool(size: int, like: Float[Array, "b h w c"]) -> ImagePool:
    """A pool for `size` pictures of the shape of `like`'s."""
    return ImagePool(jnp.zeros((size, *like.shape[1:])), jnp.zeros((), jnp.int32))


def exchange(
    pool: ImagePool,
    pictures: Float[Array, "b h w c"],
    counted: Float[Array, "b"],
    key: PRNGKeyArray,
) -> tuple[ImagePool, Float[Array, "b h w c"]]:
    """The pool after these pictures, and what to show instead of them.

    One picture after another: while the pool is not full, it is kept and shown; then,
    in one of two cases, it takes the place of one of the pool, drawn at random, which
    is shown. Images that do not count are not kept.
    """
    size = len(pool.pictures)

    def one(pool: ImagePool, item: tuple[Array, Bool[Array, ""], PRNGKeyArray]):
        picture, counts, key = item
        slot_key, coin_key = jax.random.split(key)
        full = pool.filled == size
        slot = jnp.where(full, jax.random.randint(slot_key, (), 0, size), pool.filled)
        swap = full & counts & jax.random.bernoulli(coin_key)
        kept = counts & (swap | ~full)
        stored = pool.pictures[slot]
        after = ImagePool(
            pool.pictures.at[slot].set(jnp.where(kept, picture, stored)),
            pool.filled + (counts & ~full),
        )
        return after, jnp.where(swap, stored, picture)

    keys = jax.random.split(key, len(pictures))
    pictures = pictures.astype(jnp.float32)
    return jax.lax.scan(one, pool, (pictures, counted > 0, keys))
