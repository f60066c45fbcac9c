"""The hints of a guide on the pixels that a network sees: `locate`."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from colorjax.color import into_gamut, rgb_to_lab
from colorjax.hints.exemplar import globe
from colorjax.hints.guide import Guide
from colorjax.hints.places import RADIUS, Point

BLOCK = 1 / 16  # of the short side: strokes of one color in such a square are one hint
SHADE = 20  # ab units: colors of strokes that differ by less may be one hint
MAX_STROKES = 1000  # hints of strokes, such as those of noise
CHUNK = 4096  # colors that one compiled program converts


class Hints(NamedTuple):
    """The hints of a guide on the pixels that a network sees.

    - `places`: row and column of each hint, in pixels, which may be fractions;
    - `lightness`: L of the picture there;
    - `ab`: the color of each hint;
    - `local`: for each pixel the ab that it must get and, from 0 to 1, how much of it;
    - `globe`: the shares of the 313 bins in the whole picture, then 1 if they are
      asked for; zeros if not.
    """

    places: Float[np.ndarray, "k 2"]
    lightness: Float[np.ndarray, "k"]
    ab: Float[np.ndarray, "k 2"]
    local: Float[np.ndarray, "h w 3"]
    globe: Float[np.ndarray, "314"]

    def before(self, saturation: float) -> "Hints":
        """The hints with the chroma that is theirs once `saturation` multiplies it."""
        factor = np.float32(1 / (saturation or 1.0))  # 0 leaves no color at all
        local = self.local * np.array([factor, factor, 1], np.float32)
        return self._replace(ab=self.ab * factor, local=local)


def locate(
    guide: Guide, size: tuple[int, int], lightness: Float[np.ndarray, "h w"]
) -> Hints:
    """The hints on the pixels of `lightness`, the L of a picture of this `size`.

    A pixel in several discs gets the color of the one whose center is nearest, in units
    of the radius. Around a disc its weight falls to 0 over `RADIUS`. Strokes are in
    front of discs, and discs in front of boxes. Raises `UserError` if strokes have
    another size than the picture.
    """
    guide.check_size(size)
    score = np.zeros(lightness.shape, np.float32)  # 2 at the center, 1 at the rim
    levels = np.zeros((*lightness.shape, 3), np.float32)
    places = [_place(point, lightness.shape) for point in guide.points]
    for point, place in zip(guide.points, places, strict=True):
        _draw_disc(score, levels, place, point)
    filled = guide.filled(lightness.shape)
    boxes = (filled[..., 3] == 255) & (score < 1)
    levels[boxes] = filled[boxes][:, :3]
    painted, strokes = _painted(guide, lightness.shape)
    levels[strokes] = painted[strokes]
    own = boxes | strokes
    score[own] = 1
    asked = score > 0
    local = np.zeros((*lightness.shape, 3), np.float32)
    local[asked, :2] = _colors(levels[asked], lightness[asked])
    local[..., 2] = np.minimum(score, 1)
    at = np.array(places, np.float32).reshape(-1, 2)
    rows, columns = np.rint(at).astype(int).T
    colors = [point.levels() for point in guide.points]
    colors = np.array(colors, np.float32).reshape(-1, 3)
    points = at, lightness[rows, columns], _colors(colors, lightness[rows, columns])
    both = zip(points, _stroke_hints(own, lightness, local), strict=True)
    at, light, ab = (np.concatenate(parts) for parts in both)
    return Hints(at, light, ab, local, globe(guide))


def _place(point: Point, shape: tuple[int, ...]) -> tuple[float, float]:
    """The row and the column of a point on a grid of pixels, never outside of it."""
    row, column = (
        min(max(part * count - 0.5, 0.0), count - 1.0)
        for part, count in zip((point.y, point.x), shape, strict=True)
    )
    return row, column


def _draw_disc(
    score: Float[np.ndarray, "h w"],
    levels: Float[np.ndarray, "h w 3"],
    place: tuple[float, float],
    point: Point,
) -> None:
    """Give the pixels near a point its color, unless another point is nearer."""
    short = min(score.shape)
    radius, rim = max(1.0, point.radius * short), max(1.0, RADIUS * short)
    low = [max(0, int(at - radius - rim)) for at in place]
    high = [int(at + radius + rim) + 2 for at in place]
    window = np.s_[low[0] : high[0], low[1] : high[1]]
    y, x = (
        np.arange(first, first + count) - at
        for first, count, at in zip(low, score[window].shape, place, strict=True)
    )
    distance = np.hypot(y[:, None], x)
    inside, outside = 2 - distance / radius, 1 - (distance - radius) / rim
    own = np.where(distance <= radius, inside, np.maximum(0, outside))
    own = own.astype(np.float32)
    nearer = own > score[window]
    levels[window][nearer] = point.levels()
    score[window][nearer] = own[nearer]


def _painted(
    guide: Guide, shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]:
    """The mean levels of the opaque pixels that fall on each pixel of a grid, and
    whether there are any."""
    if guide.strokes is None:
        return np.zeros((*shape, 3), np.float32), np.zeros(shape, bool)
    opaque = guide.opaque()
    rows, columns = (
        axis * count // full
        for axis, count, full in zip(opaque.nonzero(), shape, opaque.shape, strict=True)
    )
    index, number = rows * shape[1] + columns, shape[0] * shape[1]
    count = np.bincount(index, minlength=number)
    channels = guide.strokes[opaque][:, :3].T
    sums = [np.bincount(index, channel, minlength=number) for channel in channels]
    means = np.stack(sums, axis=-1) / np.maximum(count, 1)[:, None]
    return means.reshape(*shape, 3).astype(np.float32), (count > 0).reshape(shape)


def _stroke_hints(
    own: Bool[np.ndarray, "h w"],
    lightness: Float[np.ndarray, "h w"],
    local: Float[np.ndarray, "h w 3"],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, L and ab of the hints of strokes, which cover the pixels `own`.

    A hint is the mean of the pixels of one color in one block. Where that would be more
    than `MAX_STROKES` hints, blocks are larger, and more shades are one color.
    """
    places = np.argwhere(own)
    ab = local[own][:, :2]
    side, shade = max(1, round(BLOCK * min(own.shape))), SHADE
    while True:
        key = np.concatenate([places // side, np.round(ab / shade)], axis=1)
        hints, index = np.unique(key, axis=0, return_inverse=True)
        if len(hints) <= MAX_STROKES:
            break
        side, shade = 2 * side, 2 * shade
    values = np.concatenate([places, lightness[own][:, None], ab], axis=1)
    sums = [np.bincount(index.ravel(), value) for value in values.T]
    count = np.bincount(index.ravel())
    means = (np.stack(sums, axis=-1) / count[:, None]).astype(np.float32)
    return means[:, :2], means[:, 2], means[:, 3:]


def _colors(
    levels: Float[np.ndarray, "n 3"], lightness: Float[np.ndarray, "n"]
) -> Float[np.ndarray, "n 2"]:
    """The ab of sRGB levels, 0 to 255, with the chroma that fits the gamut at L."""
    parts = [np.zeros((0, 2), np.float32)]
    for start in range(0, len(levels), CHUNK):
        rgb, light = (x[start : start + CHUNK] for x in (levels, lightness))
        rest = (0, CHUNK - len(rgb))
        ab = _within_gamut(np.pad(rgb, (rest, (0, 0))), np.pad(light, rest))
        parts.append(np.asarray(ab)[: len(rgb)])
    return np.concatenate(parts)


@jax.jit
def _within_gamut(
    levels: Float[Array, "n 3"], lightness: Float[Array, "n"]
) -> Float[Array, "n 2"]:
    ab = rgb_to_lab(levels / 255)[:, 1:]
    return into_gamut(jnp.concatenate([lightness[:, None], ab], axis=-1))[:, 1:]
