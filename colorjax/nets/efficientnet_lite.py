"""A colorizer on top of a classifier's features, `EfficientNetColorizer`, and the
classifier itself at each place of a picture, `EfficientNetClassMap`.

The encoder is EfficientNet-Lite0 up to its last block (Tan and Le, "EfficientNet", ICML
2019; like Google's release for small devices without squeeze and excitation and with
ReLU6). Each BatchNorm is folded into the convolution before it. The decoder goes from
1/32 of the resolution to 1/4 and joins the features of all scales (Lin et al., "Feature
Pyramid Networks", CVPR 2017). The idea to predict colors from a classifier's features
is from Larsson et al., "Learning Representations for Automatic Colorization", ECCV
2016.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.hint_planes import hint_planes, whole_plane
from colorjax.nets.layers import Conv, depthwise_conv, dilated_conv, upsample

STEM = 32  # output channels of the first convolution


class Stage(NamedTuple):
    """`depth` blocks with `channels` outputs; `stride` is that of the first block."""

    depth: int
    channels: int
    kernel: int
    stride: int
    expansion: int


STAGES = (
    Stage(1, 16, 3, 1, 1),
    Stage(2, 24, 3, 2, 6),
    Stage(2, 40, 5, 2, 6),
    Stage(3, 80, 3, 2, 6),
    Stage(3, 112, 5, 1, 6),
    Stage(4, 192, 5, 2, 6),
    Stage(1, 320, 3, 1, 6),
)
LEVELS = (1, 2, 4, 6)  # stages that the decoder joins: 1/4, 1/8, 1/16, 1/32
CHANNELS = 128  # of the decoder
HEAD, CLASSES = 1280, 1000  # channels of the classifier's head, and of its output
COARSE = 2 / 3  # of the likeness of two places is that at 1/16, the rest that at 1/8
COARSEST = 32  # pixels between the features of the last stage


class EfficientNetLite(nn.Module):
    """L to the features of each stage of Lite0, without its head.

    The first `frozen` stages are not trained.
    """

    frozen: int = 0

    @nn.compact
    def __call__(
        self, lightness: Float[Array, "b h w 1"]
    ) -> list[Float[Array, "b h2 w2 c"]]:
        """`lightness` is (L - 50) / 50.

        The released net gets a grey image as equal R, G and B, (0 to 255 - 127) / 128,
        which differs by at most 0.04. The features of a stage with a total stride of s
        have ceil(h / s) rows, the first of which lies on row 0 of the image.

        The released net pads strided convolutions at the far side, like TensorFlow. So
        its features are the same but lie (s - 1) pixels further down.
        """

        def conv(x, channels, name, size=1, stride=1):
            shape = (size, size, x.shape[-1], channels)

            def convolve(x, kernel):
                return dilated_conv(x, kernel, stride)

            return Conv(shape, convolve, name=name)(x)

        def depthwise(x, name, size, stride):
            shape = (size, size, 1, x.shape[-1])

            def convolve(x, kernel):
                return depthwise_conv(x, kernel, stride)

            return Conv(shape, convolve, name=name)(x)

        x = nn.relu6(conv(lightness, STEM, "stem", 3, 2))
        features, number = [], 0
        for place, stage in enumerate(STAGES, start=1):
            for layer in range(stage.depth):
                y, name = x, f"block{number}"
                stride = stage.stride if layer == 0 else 1
                if stage.expansion > 1:
                    channels = x.shape[-1] * stage.expansion
                    y = nn.relu6(conv(x, channels, f"{name}_expand"))
                y = nn.relu6(depthwise(y, f"{name}_depthwise", stage.kernel, stride))
                y = conv(y, stage.channels, f"{name}_project")
                x = x + y if layer else y
                number += 1
            if place <= self.frozen:
                x = jax.lax.stop_gradient(x)
            features.append(x)
        return features


class EfficientNetColorizer(nn.Module):
    """L to `outputs` channels at a quarter of the resolution.

    `channels` is the width of the decoder. `head_scale` is the standard deviation of
    the outputs at the start. Training drops the share `dropout` of the encoder's
    channels. The first `frozen` stages of the encoder are not trained.

    A net whose input has hints adds a convolution of them at each scale of the decoder.
    These start at zero, so that it begins as the net without hints.
    """

    outputs: int
    channels: int = CHANNELS
    head_scale: float = 1.0
    dropout: float = 0.0
    frozen: int = 0
    dtype: jnp.dtype = jnp.dtype("float32")

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w planes"], train: bool = False
    ) -> Float[Array, "b h/4 w/4 outputs"]:
        """`x` is L of Lab in [0, 100], and, if it has 4 planes, the ab and the weight
        of hints. With `train`, dropout needs the key "dropout"."""
        lightness, local = x[..., :1], x[..., 1:]

        def conv(x, channels, name, size=3, scale=1.0):
            shape = (size, size, x.shape[-1], channels)
            return Conv(shape, scale=scale, name=name)(x)

        def hinted(x, scale):
            if not local.shape[-1]:
                return x
            planes = hint_planes(local, scale)
            if scale == COARSEST:
                planes = jnp.concatenate([planes, whole_plane(planes)], axis=-1)
            zeros, name = nn.initializers.zeros, f"hint{scale}"
            conv = nn.Conv(self.channels, (3, 3), kernel_init=zeros, name=name)
            return x + conv(planes.astype(self.dtype)).astype(x.dtype)

        drop = nn.Dropout(self.dropout, (1, 2), deterministic=not train)
        x = ((lightness - 50) / 50).astype(self.dtype)
        features = EfficientNetLite(self.frozen, name="encoder")(x)
        *finer, coarsest = [drop(features[level]) for level in LEVELS]
        overall = jnp.broadcast_to(coarsest.mean((1, 2), keepdims=True), coarsest.shape)
        x = jnp.concatenate([coarsest, overall], axis=-1)
        x = nn.relu(hinted(conv(x, self.channels, "lateral32", 1), COARSEST))
        for scale, level in zip((16, 8, 4), reversed(finer), strict=True):
            x = upsample(x, 2)[:, : level.shape[1], : level.shape[2]]
            x = hinted(x + conv(level, self.channels, f"lateral{scale}", 1), scale)
            x = nn.relu(x)
            x = nn.relu(conv(x, self.channels, f"smooth{scale}"))
        return conv(x, self.outputs, "head", 1, self.head_scale)


class EfficientNetClassMap(nn.Module):
    """L to the logits of the 1,000 classes of ImageNet at 1/32 of the resolution.

    The released net classifies the mean of its last features over all places. The
    last layer is linear, so the logits of the picture are the mean of these logits:
    they are its class activation maps (Zhou et al., "Learning Deep Features for
    Discriminative Localization", CVPR 2016).
    """

    @nn.compact
    def __call__(
        self, lightness: Float[Array, "b h w 1"]
    ) -> Float[Array, "b h2 w2 1000"]:
        """`lightness` is L of Lab in [0, 100]."""
        x = EfficientNetLite(name="encoder")((lightness - 50) / 50)[-1]
        x = nn.relu6(Conv((1, 1, x.shape[-1], HEAD), name="head")(x))
        return Conv((1, 1, HEAD, CLASSES), name="classes")(x)


def place_features(
    params: Mapping[str, Any], lightness: Float[Array, "b h w 1"]
) -> Float[Array, "b h2 w2 152"]:
    """Unit vectors whose inner product says how alike two places look, at 1/8 of the
    resolution.

    They join the features of an `EfficientNetLite` with these `params` at 1/8 and at
    1/16. `lightness` is L, in [0, 100].
    """
    x = (lightness - 50) / 50
    features: Any = EfficientNetLite().apply({"params": params}, x)
    finer, coarser = (features[level] for level in LEVELS[1:3])
    height, width = finer.shape[1:3]
    coarser = coarser.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]
    shares = (1 - COARSE, finer), (COARSE, coarser)
    parts = [
        share**0.5 * x / jnp.linalg.norm(x, axis=-1, keepdims=True)
        for share, x in shares
    ]
    return jnp.concatenate(parts, axis=-1)
