"""What adversarial methods share: `CRITERIA`, `discriminator_loss`, `r1_penalty`, and
the `ImagePool`.

A discriminator gives one logit for each patch, positive for a patch that it takes to be
real. The losses are means over the patches of each image, so that a mask can leave
images out.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from colorjax.errors import UserError
from colorjax.nets.patchgan import PatchGAN

GanLoss = Literal["vanilla", "lsgan", "hinge"]
AB_UNIT = 110.0  # ab units that are 1 in the images of adversarial nets


class Criterion(NamedTuple):
    """Losses of a patch as functions of its logit.

    `real` and `fake` are the discriminator's loss of a real and of a generated patch,
    `generator` is the generator's. The discriminator takes a patch with a logit above
    `threshold` to be real.
    """

    real: Callable
    fake: Callable
    generator: Callable
    threshold: float


CRITERIA = {
    # Goodfellow et al., NIPS 2014, with the generator's non-saturating loss.
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


def check_side(discriminator: PatchGAN, side: int) -> None:
    """Raise `UserError` where images of `side` pixels are too small."""
    if side < discriminator.smallest:
        raise UserError(
            f"config.method.patch_layers {discriminator.layers}: images of {side} "
            "pixels (data.crop) are too small; the discriminator needs "
            f"{discriminator.smallest}, or fewer layers"
        )


def to_unit(
    lightness: Float[Array, "b h w 1"], ab: Float[Array, "b h w 2"]
) -> Float[Array, "b h w 3"]:
    """Lab scaled to [-1, 1], as adversarial nets see it."""
    return jnp.concatenate([lightness / 50 - 1, ab / AB_UNIT], axis=-1)


def per_image(x: Shaped[Array, "b ..."]) -> Float[Array, "b"]:
    """The mean over all values of each image, in float32."""
    return x.astype(jnp.float32).reshape(len(x), -1).mean(axis=1)


def loss_and_mean(
    values: Float[Array, "b"], counted: Float[Array, "b"]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """The loss and the metric to log: sums over the images that count, divided by the
    size of the batch and by the number of images that count.

    `counted` is 1 for images that count and 0 for others.
    """
    # An image that does not count may hold anything, and 0 times NaN is NaN.
    masked = jnp.where(counted > 0, values, 0) * counted
    return masked.sum() / len(masked), masked.sum() / jnp.maximum(counted.sum(), 1)


def discriminator_loss(
    criterion: Criterion,
    real: Float[Array, "b h w 1"],
    fake: Float[Array, "b2 h w 1"],
    real_counted: Float[Array, "b"],
    fake_counted: Float[Array, "b2"],
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """The loss, the metric to log, and the accuracy of a discriminator.

    `real` and `fake` are its logits; each makes half of the loss. The accuracy is the
    share of patches that are classified correctly.
    """
    real_losses = per_image(criterion.real(real.astype(jnp.float32)))
    fake_losses = per_image(criterion.fake(fake.astype(jnp.float32)))
    real_loss, real_mean = loss_and_mean(real_losses, real_counted)
    fake_loss, fake_mean = loss_and_mean(fake_losses, fake_counted)
    _, right_real = loss_and_mean(per_image(real > criterion.threshold), real_counted)
    _, right_fake = loss_and_mean(per_image(fake <= criterion.threshold), fake_counted)
    accuracy = (right_real + right_fake) / 2
    return (real_loss + fake_loss) / 2, (real_mean + fake_mean) / 2, accuracy


def r1_penalty(
    discriminate: Callable, images: Float[Array, "b h w c"]
) -> Float[Array, "b"]:
    """The squared norm of the gradient of the mean logit in each real image.

    Source: Mescheder, Geiger, Nowozin, ICML 2018, eq. 9, without gamma / 2.
    """
    slope = jax.grad(lambda x: per_image(discriminate(x)).sum())(images)
    return jnp.square(slope).sum(axis=(1, 2, 3))


class ImagePool(NamedTuple):
    """Earlier images of a generator, some of which its discriminator sees again.

    Checkpoints hold its fields by these names.

    Source: Shrivastava et al., CVPR 2017, and the code of CycleGAN.
    """

    pictures: Float[Array, "size h w c"]
    filled: Int[Array, ""]


def empty_pool(size: int, like: Float[Array, "b h w c"]) -> ImagePool:
    """A pool for `size` images of the shape of those in `like`."""
    return ImagePool(jnp.zeros((size, *like.shape[1:])), jnp.zeros((), jnp.int32))


def exchange(
    pool: ImagePool,
    images: Float[Array, "b h w c"],
    counted: Float[Array, "b"],
    key: PRNGKeyArray,
) -> tuple[ImagePool, Float[Array, "b h w c"]]:
    """Add images to the pool; returns the pool and what the discriminator sees.

    While the pool is not full, it stores each image and shows it. After that, one half
    of the time an image replaces a random one of the pool, which is shown instead of
    it. Images that do not count are shown and not stored.
    """
    size = len(pool.pictures)

    def exchange_one(
        pool: ImagePool, item: tuple[Array, Bool[Array, ""], PRNGKeyArray]
    ):
        image, counts, key = item
        slot_key, coin_key = jax.random.split(key)
        full = pool.filled == size
        slot = jnp.where(full, jax.random.randint(slot_key, (), 0, size), pool.filled)
        swap = full & counts & jax.random.bernoulli(coin_key)
        store = counts & (swap | ~full)
        stored = pool.pictures[slot]
        after = ImagePool(
            pool.pictures.at[slot].set(jnp.where(store, image, stored)),
            pool.filled + (counts & ~full),
        )
        return after, jnp.where(swap, stored, image)

    keys = jax.random.split(key, len(images))
    images = images.astype(jnp.float32)
    return jax.lax.scan(exchange_one, pool, (images, counted > 0, keys))
