"""Colour for one picture of any size with a trained run: `Colorizer`, `picture_grid`.

L is taken from the picture as it is; ab is predicted from L at the run's working
resolution, brought back to the size of the picture and joined with the original L.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import Float, UInt8

from colorjax import images, run
from colorjax.color import lab_to_rgb, rgb_to_lab
from colorjax.data import Pictures
from colorjax.method import Method, Nets

ASPECTS = (1.0, 4 / 3, 3 / 2, 2.0, 4.0)  # working pictures are padded to one of these
STRIDE = 8  # and to multiples of the networks' stride
CHUNK = 1 << 18  # pixels joined at once: one compiled program for any size


class Colorizer:
    """Colorizes uint8 pictures; make one with `Colorizer.load(workdir)`."""

    def __init__(self, method: Method, nets: Nets, side: int):
        """`side` is the short side, in pixels, of the picture that the net sees."""

        def predict(nets, rgb):
            lightness = rgb_to_lab(rgb.astype(jnp.float32) / 255)[..., :1]
            return method.predict(nets, lightness, jax.random.key(0)).ab

        self.nets, self.side = nets, side
        self._predict = jax.jit(predict)

    @classmethod
    def load(cls, workdir: epath.PathLike, step: int | None = None) -> "Colorizer":
        """The colorizer of a run's last checkpoint, or of that of `step`."""
        loaded = run.load(workdir, step)
        return cls(loaded.method, loaded.nets, loaded.pictures.resize)

    def __call__(
        self, picture: np.ndarray | str | os.PathLike
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Colorize uint8 [h w] or [h w 3], whose colours are ignored, or a file."""
        if isinstance(picture, (str, os.PathLike)):
            picture = images.load(picture)
        if picture.dtype != np.uint8 or picture.shape[2:] not in ((), (3,)):
            raise TypeError(
                f"a picture is uint8 [h, w] or [h, w, 3], not {picture.dtype} of shape "
                f"{picture.shape}"
            )
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        return join(picture, self.predict_ab(picture))

    def predict_ab(
        self, picture: UInt8[np.ndarray, "h w 3"]
    ) -> Float[np.ndarray, "h w 2"]:
        """The predicted ab of a picture, at its size."""
        longest = round(self.side * ASPECTS[-1])
        small = images.resize_short(picture, self.side, longest)
        height, width = small.shape[:2]
        padded_height, padded_width = self._size(height, width)
        padding = ((0, padded_height - height), (0, padded_width - width), (0, 0))
        padded = np.pad(small, padding, mode="edge")
        ab = np.asarray(self._predict(self.nets, padded[None]))[0, :height, :width]
        size = picture.shape[:2]
        full = [images.resize(plane, size) for plane in np.moveaxis(ab, -1, 0)]
        return np.stack(full, axis=-1)

    def _size(self, height: int, width: int) -> tuple[int, int]:
        """The working size that a picture is padded to: one of nine, whatever comes."""
        longer = max(height, width)
        sides = [-(-round(self.side * a) // STRIDE) * STRIDE for a in ASPECTS]
        long = next(side for side in sides if side >= longer)
        return (long, sides[0]) if height > width else (sides[0], long)


def join(
    picture: UInt8[np.ndarray, "h w 3"], ab: Float[np.ndarray, "h w 2"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The L of a picture and another ab as an sRGB picture."""
    pixels, colors = picture.reshape(-1, 3), ab.reshape(-1, 2)
    result = np.empty_like(pixels)
    for start in range(0, len(pixels), CHUNK):
        part = slice(start, start + CHUNK)
        missing = ((0, CHUNK - len(pixels[part])), (0, 0))
        joined = _join(np.pad(pixels[part], missing), np.pad(colors[part], missing))
        result[part] = np.asarray(joined)[: len(pixels[part])]
    return result.reshape(picture.shape)


@jax.jit
def _join(pixels, ab):
    lightness = rgb_to_lab(pixels.astype(jnp.float32) / 255)[:, :1]
    rgb = lab_to_rgb(jnp.concatenate([lightness, ab], axis=-1))
    return jnp.round(rgb * 255).astype(jnp.uint8)


def picture_grid(
    colorizer: Colorizer, pictures: Pictures, split: str, count: int = 24
) -> UInt8[np.ndarray, "h w 3"]:
    """Grey input, colorized and original, of pictures spread evenly over a split, in
    two halves side by side."""
    source = pictures.source(split)
    chosen = np.linspace(0, len(source) - 1, min(count, len(source)), dtype=int)
    columns = []
    for half in np.array_split(chosen, 2) if len(chosen) > 1 else [chosen]:
        shown = {"grey input": [], "colorized": [], "original": []}
        for index in half:
            original = pictures.picture(source, int(index))
            grey = join(original, np.zeros((*original.shape[:2], 2), np.float32))
            triple = (grey, colorizer(original), original)
            for column, picture in zip(shown.values(), triple, strict=True):
                size = max(128, pictures.resize)
                column.append(images.resize(picture, (size, size)))
        columns += shown.items()
    return images.grid(columns)
