"""Where a noun may be in a picture, by CLIP: `clip_finder`.

Each patch of the grey picture has a vector of the space in which texts have theirs
(`nets.clip.ImageTower`). The map of a noun says how much nearer a patch is to the noun
than to captions that fit any picture.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from colorjax.color import rgb_to_lab
from colorjax.errors import UserError
from colorjax.images import Picture
from colorjax.inference.clip_places import place_vectors
from colorjax.pretrained.clip import CAPTION, load_clip
from colorjax.words.classes import (
    STRIDE,
    Find,
    Finder,
    NounMap,
    at_working_size,
    highest,
    on_sides,
)

OTHERS = "a photo", "a photo of a thing", "a photo of a background"
# Which certainty needs no question has not been measured: the weights were not at hand.
LIMIT = math.inf


def clip_finder(path: epath.PathLike) -> Finder:
    """A function from a picture to a function that finds nouns in it, in English.

    `path` is that of `load_clip`. The certainty of a place is the logarithm of how many
    times as likely the noun is as the likeliest of `OTHERS`. `LIMIT` makes each place a
    question. Raises `UserError` where the file is not one of CLIP with patches of
    `STRIDE` pixels.
    """
    clip = load_clip(path)
    if clip.image.patch != STRIDE:
        raise UserError(
            f"{path}: has patches of {clip.image.patch} pixels; places need those of "
            f"{STRIDE}, as in ViT-B/32"
        )

    @jax.jit
    def encode(variables, rgb):
        lightness = rgb_to_lab(rgb[None].astype(jnp.float32) / 255)[..., :1]
        return place_vectors(clip.image, variables, lightness)[0]

    def finder(picture: Picture) -> Find:
        rgb = at_working_size(picture)
        places = np.asarray(encode(clip.image_variables, rgb))

        def find(noun, sides):
            cosines = places @ clip.encode([CAPTION.format(noun), *OTHERS]).T
            odds = clip.scale * (cosines[..., 0] - cosines[..., 1:].max(-1))
            peak = highest(odds, on_sides(odds.shape, sides))
            return NounMap(odds, peak, float(odds[peak]), LIMIT, offset=0.5)

        return find

    return finder
