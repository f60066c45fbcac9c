"""From a distribution and its picture to a picture in colour: `decode`,
`uncertainty`."""

import math

import numpy as np
from jaxtyping import UInt8

from colorjax import images
from colorjax.errors import UserError
from colorjax.images import Picture
from colorjax.inference import upsample
from colorjax.inference.compose import join, paint
from colorjax.inference.distribution import Distribution
from colorjax.quantize import Q

MAP = 1024  # pixels of the long side of a map of uncertainty, at most


def as_picture(array: np.ndarray) -> Picture:
    """A picture of three or four channels; of grey [h, w] the same three times.

    Raises `TypeError` for what is not uint8 or uint16, or of another shape.
    """
    fitting = array.dtype in (np.uint8, np.uint16) and array.size
    if not fitting or array.shape[2:] not in ((), (3,), (4,)) or array.ndim < 2:
        raise TypeError(
            "a picture is uint8 or uint16 [h, w], [h, w, 3] or, with alpha, [h, w, 4], "
            f"not {array.dtype} of shape {array.shape}"
        )
    return array if array.ndim == 3 else np.repeat(array[..., None], 3, axis=2)


def decode(
    distribution: Distribution,
    picture: np.ndarray,
    *,
    temperature: float | None = None,
    saturation: float = 1.0,
    palette: str | None = None,
    seed: int | None = None,
) -> Picture:
    """The picture in the colours of its distribution, at its size and depth.

    `picture` is the one that the distribution was predicted from: uint8 or uint16
    [h, w], [h, w, 3] or, with alpha, [h, w, 4]; the result has three channels, or four.
    Its L is kept. `saturation` multiplies the chroma; the others are explained at
    `Distribution.decode`; left out, the method decodes in its own way. Raises
    `UserError` for another picture, an option out of range, or one that needs logits
    that the method does not give.
    """
    picture = as_picture(picture)
    if picture.shape[:2] != distribution.size:
        height, width = distribution.size
        raise UserError(
            f"the distribution is of a picture of {width}x{height} pixels, not of "
            f"{picture.shape[1]}x{picture.shape[0]}"
        )
    if not 0 <= saturation < math.inf:
        raise UserError(f"saturation is {saturation}, which must be 0 or more")
    ab = np.float32(saturation) * distribution.decode(temperature, palette, seed)
    return paint(picture, upsample.fit(distribution.lightness, ab))


def uncertainty(
    distribution: Distribution, hints: int = 5
) -> UInt8[np.ndarray, "h w 3"]:
    """The entropy of a distribution as a picture: from dark blue, sure of the colour,
    to bright yellow, any of all bins.

    Numbered rings show where hints would help most. The long side has at most `MAP`
    pixels.
    """
    scale = min(1.0, MAP / max(distribution.size))
    size = tuple(max(1, round(scale * n)) for n in distribution.size)
    share = images.resize(distribution.entropy() / np.float32(math.log(Q)), size)
    share = np.clip(share, 0, 1)
    grey = np.repeat(np.uint8(255 * share)[..., None], 3, axis=2)
    blue_to_yellow = 80 * (2 * share - 1)
    colored = join(grey, np.stack([np.zeros_like(share), blue_to_yellow], axis=-1))
    points = [(int(scale * y), int(scale * x)) for y, x in distribution.hints(hints)]
    return images.mark(colored, points)
