"""The encoder of DDColor: `ConvNeXt`.

Source: Liu et al., "A ConvNet for the 2020s", CVPR 2022, figure 4 and appendix A.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from colorjax.nets.layers import depthwise_conv

SIZES = {  # blocks and channels of the four stages
    "tiny": ((3, 3, 9, 3), (96, 192, 384, 768)),
    "large": ((3, 3, 27, 3), (192, 384, 768, 1536)),
}
STRIDE = 32  # input pixels per pixel of the last stage
NORMAL = nn.initializers.truncated_normal(0.02)


def layer_norm(
    x: Float[Array, "*b c"], name: str, epsilon: float = 1e-6
) -> Float[Array, "*b c"]:
    """Inside a module: normalize the channels of each position, in float32."""
    norm = nn.LayerNorm(epsilon, use_fast_variance=False, name=name)
    return norm(x.astype(jnp.float32)).astype(x.dtype)


class Block(nn.Module):
    """A residual block: a depthwise 7x7 convolution, then two dense layers."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], _: None
    ) -> tuple[Float[Array, "b h w c"], None]:
        """The output, as the carry of a scan."""
        channels = x.shape[-1]
        options: dict[str, Any] = dict(dtype=x.dtype, kernel_init=NORMAL)
        depthwise = nn.Conv(
            channels,
            (7, 7),
            feature_group_count=channels,
            conv_general_dilated=lambda x, kernel, *_, **__: depthwise_conv(x, kernel),
            name="depthwise",
            **options,
        )
        y = layer_norm(depthwise(x), "norm")
        y = nn.Dense(4 * channels, name="expand", **options)(y)
        y = nn.gelu(y, approximate=False)
        y = nn.Dense(channels, name="project", **options)(y)
        small = nn.initializers.constant(1e-6)
        scale = self.param("layer_scale", small, (channels,)).astype(x.dtype)
        return x + scale * y, None


class ConvNeXt(nn.Module):
    """An image to the features of the four stages, each with its own LayerNorm.

    `size` is a key of `SIZES`. `width` multiplies every channel count. The features
    have 1/4, 1/8, 1/16 and 1/32 of the input's height and width.

    The blocks of a stage are one scan over their stacked parameters, which compiles one
    block.
    """

    size: str = "tiny"
    width: float = 1.0

    @nn.compact
    def __call__(self, x: Float[Array, "b h w i"]) -> list[Float[Array, "b h2 w2 c"]]:
        """Height and width of `x` are multiples of `STRIDE`."""

        def patches(x, channels, side, name):
            """A convolution of squares that do not overlap."""
            conv = nn.Conv(
                channels,
                (side, side),
                side,
                padding=0,
                dtype=x.dtype,
                kernel_init=NORMAL,
                name=name,
            )
            return conv(x)

        features = []
        for stage, (depth, channels) in enumerate(zip(*SIZES[self.size], strict=True)):
            channels = round(channels * self.width)
            if stage == 0:
                x = layer_norm(patches(x, channels, 4, "down0"), "down0_norm")
            else:
                x = layer_norm(x, f"down{stage}_norm")
                x = patches(x, channels, 2, f"down{stage}")
            blocks = nn.scan(
                Block,
                variable_axes={"params": 0},
                split_rngs={"params": True},
                length=depth,
            )
            x, _ = blocks(name=f"stage{stage}")(x, None)
            features.append(layer_norm(x, f"norm{stage}"))
        return features
