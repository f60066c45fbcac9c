"""The classification network of the paper's evaluation, `VGG16`, and its features for
the perceptual loss, `VGG16Features`.

Source: Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015, configuration D; with BatchNorm as in later variants.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions


def _small_conv(x, kernel, *args, **kwargs):
    """A 3x3 convolution as one matrix product.

    For 2x2 pixels XLA's convolution takes 80 times as long per FLOP on the CPU.
    """
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    taps = [x[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return jnp.concatenate(taps, -1) @ kernel.reshape(-1, kernel.shape[-1])


class VGG16(nn.Module):
    """RGB to logits over `classes`, in evaluation mode.

    `hidden` are the sizes of the dense layers before the last one. `norm` puts
    BatchNorm behind every convolution, `dense_norm` behind those dense layers. The
    input must have the size that the first dense layer expects: 224 pixels for 7x7
    positions, 32 for one position.
    """

    classes: int
    hidden: tuple[int, ...]
    norm: bool = False
    dense_norm: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b classes"]:
        def norm(x, name):
            return nn.BatchNorm(use_running_average=True, epsilon=1e-5, name=name)(x)

        number = 0
        for channels, depth in BLOCKS:
            for _ in range(depth):
                number += 1
                conv = nn.Conv(
                    channels,
                    (3, 3),
                    padding=1,
                    conv_general_dilated=_small_conv if x.shape[1] < 4 else None,
                    name=f"conv{number}",
                )
                x = conv(x)
                if self.norm:
                    x = norm(x, f"norm{number}")
                x = nn.relu(x)
            x = nn.max_pool(x, (2, 2), (2, 2))
        # Channels first, which the published first dense layer expects.
        x = jnp.transpose(x, (0, 3, 1, 2)).reshape(len(x), -1)
        for number, size in enumerate(self.hidden, start=1):
            x = nn.Dense(size, name=f"dense{number}")(x)
            if self.dense_norm:
                x = norm(x, f"dense_norm{number}")
            x = nn.relu(x)
        return nn.Dense(self.classes, name="head")(x)


class VGG16Features(nn.Module):
    """An image to the outputs of the first convolution of each block, before ReLU.

    `norm` as in `VGG16`. `width` multiplies every channel count. The names of layers
    are those of `VGG16`.
    """

    norm: bool = False
    width: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> list[Float[Array, "b h2 w2 c"]]:
        features, number = [], 0
        for channels, depth in BLOCKS:
            for layer in range(depth):
                number += 1
                size = round(channels * self.width)
                x = nn.Conv(size, (3, 3), padding=1, name=f"conv{number}")(x)
                if layer == 0:
                    features.append(x)
                if len(features) == len(BLOCKS):
                    return features
                if self.norm:
                    norm = nn.BatchNorm(
                        use_running_average=True, epsilon=1e-5, name=f"norm{number}"
                    )
                    x = norm(x)
                x = nn.relu(x)
            x = nn.max_pool(x, (2, 2), (2, 2))
        raise AssertionError("the last block has no convolution")
