"""From a predicted distribution and its picture to a picture in color."""

import math
from dataclasses import replace
from typing import TypedDict

import numpy as np
from jaxtyping import Float, UInt8

from colorjax import images
from colorjax.errors import UserError
from colorjax.hints import Guide
from colorjax.images import Picture
from colorjax.inference import upsample
from colorjax.inference.compose import replace_ab, replace_ab_guided
from colorjax.inference.distribution import Distribution
from colorjax.inference.pictures import Source, read_picture
from colorjax.quantize import Q

MAP = 1024  # largest long side, in pixels, of a map of uncertainty
LEGEND = 300  # smallest width, in pixels, of its legend


class Options(TypedDict, total=False):
    """The keyword arguments of `decode`."""

    temperature: float | None
    saturation: float | None
    seed: int | None
    hints: Guide | None


def decode(
    distribution: Distribution,
    picture: Source,
    *,
    temperature: float | None = None,
    saturation: float | None = None,
    seed: int | None = None,
    hints: Guide | None = None,
) -> Picture:
    """The picture in the colors of its distribution, with its own L, size and depth.

    `picture` is the one that the distribution was predicted from, in any form that
    `read_picture` reads. The result has three channels, or four with alpha.
    `saturation` multiplies the chroma, by default by the run's factor; `hints` ask for
    colors at places, which are met exactly at any saturation but 0, or of all places.
    `Distribution.decode` explains the other options. Raises `UserError` if the picture
    has another size, if an option is out of range, or if an option needs logits and
    there are none.
    """
    picture = read_picture(picture)
    if picture.shape[:2] != distribution.size:
        height, width = distribution.size
        raise UserError(
            f"the distribution is of a picture of {width}x{height} pixels, not of "
            f"{picture.shape[1]}x{picture.shape[0]}"
        )
    saturation = distribution.saturation if saturation is None else saturation
    if not 0 <= saturation < math.inf:
        raise UserError(f"saturation is {saturation}, which must be 0 or more")
    distribution = replace(distribution, saturation=saturation)
    asked = distribution.locate(hints) if hints and hints.has_places else None
    ab = distribution.decode(temperature, seed, hints, asked)
    upsampler = upsample.fit(distribution.lightness, np.float32(saturation) * ab)
    if asked is not None:
        upsampler = upsampler.pinned(asked.local[..., 2])
    return replace_ab_guided(picture, upsampler)


def uncertainty(
    distribution: Distribution, locations: int = 5, hints: Guide | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """A map of the entropy of a distribution, from dark blue (0) to bright yellow.

    Bright yellow is log 313, the entropy of the uniform distribution. Numbered rings
    mark the first `locations` of `Distribution.hint_locations`. The long side has at
    most `MAP` pixels. `hints` determine colors and so lower the entropy. Raises
    `UserError` if there are no logits.
    """
    scale = min(1.0, MAP / max(distribution.size))
    height, width = (max(1, round(scale * n)) for n in distribution.size)
    relative = distribution.entropy(hints) / np.float32(math.log(Q))
    relative = np.clip(images.resize(relative, (height, width)), 0, 1)
    points = distribution.hint_locations(locations, hints)
    points = [(int(scale * row), int(scale * column)) for row, column in points]
    return images.mark(_blue_to_yellow(relative), points)


def with_legend(
    uncertainty_map: UInt8[np.ndarray, "h w 3"],
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A map of uncertainty with the scale of its colors below it."""
    height, width = uncertainty_map.shape[:2]
    levels = np.linspace(0, 1, max(width, LEGEND), dtype=np.float32)
    bar = _blue_to_yellow(np.tile(levels, (12, 1)))
    title = f"entropy: 0 (blue, sure) to {math.log(Q):.2f} nats (yellow)"
    legend = images.grid([(title, [bar])])
    page = np.full((height + len(legend), legend.shape[1], 3), 255, np.uint8)
    page[:height, :width], page[height:] = uncertainty_map, legend
    return page


def _blue_to_yellow(
    levels: Float[np.ndarray, "h w"],
) -> UInt8[np.ndarray, "h w 3"]:
    """Colors for levels in [0, 1], from dark blue to bright yellow."""
    grey = np.repeat((255 * levels).astype(np.uint8)[..., None], 3, axis=2)
    ab = np.stack([np.zeros_like(levels), 80 * (2 * levels - 1)], axis=-1)
    return replace_ab(grey, ab)
