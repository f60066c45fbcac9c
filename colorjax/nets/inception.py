"""The network whose features FID compares: `InceptionV3`, up to its last pooling.

Source: Szegedy et al., "Rethinking the Inception Architecture for Computer Vision",
CVPR 2016. Two sets of weights are in use. FID is defined with the weights of 2015
(Heusel et al., NeurIPS 2017); their net averages without the padding and has a maximum
in its last block. torchvision's net averages with the padding everywhere.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

SIDE = 299  # pixels of the images that it was trained on
FEATURES = 2048
SAME: Any = ((1, 1), (1, 1))  # Flax's annotation of padding allows only str


class InceptionV3(nn.Module):
    """RGB in [-1, 1] to its 2048 features, in evaluation mode.

    With `original` it is the net of 2015, else torchvision's. The layers have the names
    of the original graph.
    """

    original: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "b h w 3"]) -> Float[Array, "b 2048"]:
        def average(x):
            return nn.avg_pool(
                x, (3, 3), padding=SAME, count_include_pad=not self.original
            )

        x = _conv("conv", x, 32, (3, 3), 2, same=False)
        x = _conv("conv_1", x, 32, (3, 3), same=False)
        x = _conv("conv_2", x, 64, (3, 3))
        x = _halve(x)
        x = _conv("conv_3", x, 80, (1, 1))
        x = _conv("conv_4", x, 192, (3, 3), same=False)
        x = _halve(x)
        for name, pooled in (("mixed", 32), ("mixed_1", 64), ("mixed_2", 64)):
            x = jnp.concatenate(_mixed_a(name, x, average(x), pooled), -1)
        x = jnp.concatenate(_mixed_b("mixed_3", x), -1)
        for number, channels in ((4, 128), (5, 160), (6, 160), (7, 192)):
            mixed = _mixed_c(f"mixed_{number}", x, average(x), channels)
            x = jnp.concatenate(mixed, -1)
        x = jnp.concatenate(_mixed_d("mixed_8", x), -1)
        x = jnp.concatenate(_mixed_e("mixed_9", x, average(x)), -1)
        pooled = average(x)
        if self.original:
            pooled = nn.max_pool(x, (3, 3), padding=SAME)
        return jnp.concatenate(_mixed_e("mixed_10", x, pooled), -1).mean(axis=(1, 2))


def _conv(name, x, channels, size, stride=1, same=True):
    """Convolution, BatchNorm and ReLU."""
    height, width = size
    pad = ((height // 2,) * 2, (width // 2,) * 2) if same else "VALID"
    conv = nn.Conv(channels, size, stride, padding=pad, use_bias=False, name=name)
    norm = nn.BatchNorm(use_running_average=True, epsilon=1e-3, name=f"{name}/norm")
    return nn.relu(norm(conv(x)))


def _chain(name, x, *layers):
    """Convolutions one after another; `layers` are (channels, height, width)."""
    for number, (channels, *size) in enumerate(layers):
        layer = f"{name}/conv_{number}" if number else f"{name}/conv"
        x = _conv(layer, x, channels, size)
    return x


def _halve(x):
    return nn.max_pool(x, (3, 3), (2, 2))


def _mixed_a(name, x, average, pooled):
    return [
        _chain(name, x, (64, 1, 1)),
        _chain(f"{name}/tower", x, (48, 1, 1), (64, 5, 5)),
        _chain(f"{name}/tower_1", x, (64, 1, 1), (96, 3, 3), (96, 3, 3)),
        _chain(f"{name}/tower_2", average, (pooled, 1, 1)),
    ]


def _mixed_b(name, x):
    tower = _chain(f"{name}/tower", x, (64, 1, 1), (96, 3, 3))
    return [
        _conv(f"{name}/conv", x, 384, (3, 3), 2, same=False),
        _conv(f"{name}/tower/conv_2", tower, 96, (3, 3), 2, same=False),
        _halve(x),
    ]


def _mixed_c(name, x, average, c):
    once = ((c, 1, 1), (c, 1, 7), (192, 7, 1))
    twice = ((c, 1, 1), (c, 7, 1), (c, 1, 7), (c, 7, 1), (192, 1, 7))
    return [
        _chain(name, x, (192, 1, 1)),
        _chain(f"{name}/tower", x, *once),
        _chain(f"{name}/tower_1", x, *twice),
        _chain(f"{name}/tower_2", average, (192, 1, 1)),
    ]


def _mixed_d(name, x):
    tower = _chain(f"{name}/tower", x, (192, 1, 1))
    other = _chain(f"{name}/tower_1", x, (192, 1, 1), (192, 1, 7), (192, 7, 1))
    return [
        _conv(f"{name}/tower/conv_1", tower, 320, (3, 3), 2, same=False),
        _conv(f"{name}/tower_1/conv_3", other, 192, (3, 3), 2, same=False),
        _halve(x),
    ]


def _mixed_e(name, x, pooled):
    def both(name, x):
        return [
            _conv(f"{name}/mixed/conv", x, 384, (1, 3)),
            _conv(f"{name}/mixed/conv_1", x, 384, (3, 1)),
        ]

    tower = _conv(f"{name}/tower/conv", x, 384, (1, 1))
    other = _conv(f"{name}/tower_1/conv", x, 448, (1, 1))
    other = _conv(f"{name}/tower_1/conv_1", other, 384, (3, 3))
    return [
        _conv(f"{name}/conv", x, 320, (1, 1)),
        *both(f"{name}/tower", tower),
        *both(f"{name}/tower_1", other),
        _conv(f"{name}/tower_2/conv", pooled, 192, (1, 1)),
    ]
