"""CLIP's two towers, for images and for texts: `ImageTower` and `TextTower`.

Both end in vectors of one space, in which an image is near to the texts that describe
it. Source: Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", ICML 2021, sections 2.4 and 2.5 and figure 3.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from colorjax.nets.convnext import layer_norm
from colorjax.nets.transformer import Block

MEAN = 0.48145466, 0.4578275, 0.40821073  # of RGB in CLIP's training images
STD = 0.26862954, 0.26130258, 0.27577711
HEAD = 64  # channels of a head of attention
EPSILON = 1e-5  # of LayerNorm
SMALL = nn.initializers.normal(0.02)


def quick_gelu(x: Array) -> Array:
    """The approximation of GELU in OpenAI's CLIP (Hendrycks and Gimpel, 2016)."""
    return x * nn.sigmoid(1.702 * x)


def gelu(x: Array) -> Array:
    """The exact GELU, which most nets of open_clip have."""
    return nn.gelu(x, approximate=False)


def block(tower: "ImageTower | TextTower", width: int, number: int) -> Block:
    """Block number `number` of a tower."""
    name = f"block{number}"
    return Block(width // HEAD, tower.activation, True, EPSILON, name=name)


class ImageTower(nn.Module):
    """RGB in [0, 1] to vectors with `outputs` numbers.

    The net is a vision transformer (Dosovitskiy et al., ICLR 2021). A token is a patch
    of `patch` x `patch` pixels; one more token, "class", stands for the whole image.
    The net was trained on squares of `grid` x `grid` patches. On other sizes, the
    vectors of the positions are interpolated.
    """

    activation: Callable[[Array], Array] = quick_gelu
    width: int = 768
    layers: int = 12
    patch: int = 32
    grid: int = 7
    outputs: int = 512

    @property
    def side(self) -> int:
        """Pixels of the squares that the net was trained on."""
        return self.grid * self.patch

    @nn.compact
    def __call__(
        self, rgb: Float[Array, "b h w 3"], places: bool = False
    ) -> Float[Array, "b outputs"] | Float[Array, "b h2 w2 outputs"]:
        """One vector an image; with `places` one a patch, h2 = h / patch.

        Height and width are multiples of `patch`. The vectors of patches are those of
        MaskCLIP (Zhou et al., "Extract Free Dense Labels from CLIP", ECCV 2022): in the
        last block, each token attends to itself only.
        """
        x = (rgb - jnp.array(MEAN)) / jnp.array(STD)
        side = (self.patch, self.patch)
        conv = nn.Conv(
            self.width, side, side, padding=0, use_bias=False, name="patches"
        )
        x = conv(x)
        batch, *size, _ = x.shape
        whole = self.param("class", SMALL, (self.width,))
        whole = jnp.broadcast_to(whole, (batch, 1, self.width))
        x = jnp.concatenate([whole, x.reshape(batch, -1, self.width)], axis=1)
        x = layer_norm(x + self._positions(size), "norm_before", EPSILON)
        for number in range(self.layers):
            last = number == self.layers - 1
            alone = jnp.eye(x.shape[1], dtype=bool)[None, None]
            x = block(self, self.width, number)(x, alone if places and last else None)
        x = x[:, 1:].reshape(batch, *size, -1) if places else x[:, 0]
        x = layer_norm(x, "norm_after", EPSILON)
        return x @ self.param("projection", SMALL, (self.width, self.outputs))

    def _positions(self, size: list[int]) -> Float[Array, "n c"]:
        """The vectors of the positions, that of the class first, on a grid of `size`.

        The grid of the trained vectors is interpolated (bilinear).
        """
        shape = self.grid**2 + 1, self.width
        positions = self.param("positions", SMALL, shape)
        if size == [self.grid, self.grid]:
            return positions
        square = positions[1:].reshape(self.grid, self.grid, self.width)
        wanted = (*size, self.width)
        resized = jax.image.resize(square, wanted, "linear", antialias=False)
        return jnp.concatenate([positions[:1], resized.reshape(-1, self.width)])


class TextTower(nn.Module):
    """Tokens to one vector a text, with `outputs` numbers.

    A token sees those before it. The vector is that of the token that ends the text,
    which is the one with the largest number of the `vocabulary`.
    """

    activation: Callable[[Array], Array] = quick_gelu
    width: int = 512
    layers: int = 12
    vocabulary: int = 49408
    length: int = 77
    outputs: int = 512

    @nn.compact
    def __call__(self, tokens: Int[Array, "b n"]) -> Float[Array, "b outputs"]:
        """`tokens` are those of `pretrained.bytepairs`, at most `length` a text."""
        count = tokens.shape[1]
        table = self.param("tokens", SMALL, (self.vocabulary, self.width))
        positions = self.param("positions", SMALL, (self.length, self.width))
        x = jnp.take(table, tokens, axis=0) + positions[:count]
        before = jnp.tril(jnp.ones((count, count), bool))[None, None]
        for number in range(self.layers):
            x = block(self, self.width, number)(x, before)
        x = layer_norm(x, "norm_after", EPSILON)
        x = x[jnp.arange(len(x)), tokens.argmax(-1)]
        return x @ self.param("projection", SMALL, (self.width, self.outputs))
