"""CLIP's vectors of the places of a grey picture: `place_vectors`, `clip_features`."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath
from jaxtyping import Array, Float

from colorjax.color import lab_to_rgb
from colorjax.inference.likeness import STRIDE, Features
from colorjax.nets.clip import ImageTower
from colorjax.nets.layers import to_stride
from colorjax.pretrained.clip import load_clip, unit

FINER = 2  # places on a side of a patch: finer patches would take CLIP longer


def place_vectors(
    tower: ImageTower, variables: Any, lightness: Float[Array, "b h w 1"]
) -> Float[Array, "b h2 w2 c"]:
    """A unit vector of each patch of grey pictures with this L."""
    lab = jnp.pad(lightness, ((0, 0), (0, 0), (0, 0), (0, 2)))
    return unit(jnp.asarray(tower.apply(variables, lab_to_rgb(lab), places=True)))


def clip_features(path: epath.PathLike) -> Features:
    """`Method.features` by CLIP instead of a method's own net, for
    `Colorizer.features`.

    `path` and the errors are those of `load_clip`. A patch covers 16 pixels, whatever
    its size in CLIP, so pictures are resized before.
    """
    clip = load_clip(path)
    return partial(_features, clip.image, clip.image_variables)


@partial(jax.jit, static_argnums=0)
def _features(
    tower: ImageTower, variables: Any, lightness: Float[Array, "1 h w 1"]
) -> Float[Array, "1 h2 w2 c"]:
    _, height, width, _ = lightness.shape
    padded = to_stride(lightness, FINER * STRIDE)
    sides = [n * tower.patch // (FINER * STRIDE) for n in padded.shape[1:3]]
    large = jax.image.resize(padded, (1, *sides, 1), "linear")
    places = place_vectors(tower, variables, large)
    places = places.repeat(FINER, axis=1).repeat(FINER, axis=2)
    return places[:, : -(-height // STRIDE), : -(-width // STRIDE)]
