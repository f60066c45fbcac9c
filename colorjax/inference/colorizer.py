"""Colour for pictures of any size with a trained run: `Colorizer`, `image_grid`.

L is taken from the picture as it is; ab is predicted from L at the run's working
resolution, brought back to the size of the picture and joined with the original L.
"""

import os
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import UInt8

from colorjax import images
from colorjax.color import rgb_to_lab
from colorjax.data.pipeline import ImageDataset
from colorjax.images import Picture
from colorjax.inference import decode
from colorjax.inference.compose import join
from colorjax.inference.decode import as_picture
from colorjax.inference.distribution import Distribution
from colorjax.method import Method, Nets
from colorjax.train.workdir import STARTER, load_run

ASPECTS = (1.0, 4 / 3, 3 / 2, 2.0, 4.0)  # working pictures are padded to one of these
STRIDE = 8  # and to multiples of the networks' stride
BATCH = 8  # pictures of a list that go through the net together


class Colorizer:
    """Colorizes pictures; make one with `Colorizer.load()` or
    `Colorizer.load(workdir)`.

    A picture is a file's name, or uint8 or uint16 [h, w], [h, w, 3] or, with alpha,
    [h, w, 4]; its colours are ignored. Calling predicts and decodes:

        picture = colorizer("photo.jpg")
        one, two = colorizer([first, second], saturation=1.2)

    `predict` runs the net, `decode` is as often as you like in no time.
    """

    def __init__(self, method: Method, nets: Nets, side: int, source: str = ""):
        """`side` is the short side, in pixels, of the picture that the net sees;
        `source` says where the nets come from."""

        def predict(nets, rgb):
            lightness = rgb_to_lab(rgb.astype(jnp.float32) / 255)[..., :1]
            prediction = method.predict(nets, lightness, jax.random.key(0))
            return lightness[..., 0], prediction.ab, prediction.logits

        self.nets, self.side, self.source = nets, side, source
        self.temperature = method.temperature
        self._predict = jax.jit(predict)

    @classmethod
    def load(
        cls, workdir: epath.PathLike = STARTER, step: int | None = None
    ) -> "Colorizer":
        """The colorizer of a run's last checkpoint, or of that of `step`.

        Without a run it is the one that comes with colorjax.
        """
        loaded = load_run(workdir, step)
        source = f"{epath.Path(workdir).name}, step {loaded.step}"
        return cls(loaded.method, loaded.nets, loaded.pictures.resize, source)

    @property
    def has_logits(self) -> bool:
        """Whether the method gives a distribution, not one colour a pixel only."""
        rgb = jax.ShapeDtypeStruct((1, STRIDE, STRIDE, 3), jnp.uint8)
        return jax.eval_shape(self._predict, self.nets, rgb)[2] is not None

    def __call__(
        self,
        picture: np.ndarray | str | os.PathLike | Sequence,
        *,
        temperature: float | None = None,
        saturation: float = 1.0,
        palette: str | None = None,
        seed: int | None = None,
    ) -> Picture | list[Picture]:
        """Colorize a picture, or each of a sequence; the options are `decode`'s."""
        options = dict(
            temperature=temperature, saturation=saturation, palette=palette, seed=seed
        )
        if not _is_one(picture):
            pictures = [_loaded(one) for one in picture]
            found = zip(self.predict(pictures), pictures, strict=True)
            return [self.decode(*pair, **options) for pair in found]
        picture = _loaded(picture)
        return self.decode(self.predict(picture), picture, **options)

    decode = staticmethod(decode.decode)

    def predict(
        self,
        picture: np.ndarray | str | os.PathLike | Sequence,
        batch: int = BATCH,
    ) -> Distribution | list[Distribution]:
        """What the net says of a picture, or of each of a sequence of any sizes.

        Of a sequence, `batch` pictures of the same padded size go through the net
        together; the last ones of a size are joined by empty ones, so that there is
        one program a size, and sizes are nine at most.
        """
        if _is_one(picture):
            return self.predict([picture], batch=1)[0]
        small, sizes, groups = [], [], {}
        for index, one in enumerate(picture):
            one = _loaded(one)
            sizes.append(one.shape[:2])
            small.append(self._working(one))
            groups.setdefault(self._padded(*small[-1].shape[:2]), []).append(index)
        found = {}
        for size, members in groups.items():
            for start in range(0, len(members), batch):
                part = members[start : start + batch]
                lightness, *rest = self._run(size, [small[i] for i in part], batch)
                for row, i in enumerate(part):
                    given = (None if x is None else x[row] for x in rest)
                    found[i] = self._cropped(
                        sizes[i], small[i].shape[:2], lightness[row], *given
                    )
        return [found[index] for index in range(len(small))]

    def _working(self, picture: Picture) -> UInt8[np.ndarray, "h2 w2 3"]:
        """The picture at working size, laid on white."""
        longest = round(self.side * ASPECTS[-1])
        small = images.resize_short(images.to_8_bits(picture), self.side, longest)
        return images.on_white(small)

    def _run(self, size, pictures, batch):
        """L, ab and logits of working pictures, padded to one size and `batch`."""
        stacked = np.zeros((batch, *size, 3), np.uint8)
        for padded, one in zip(stacked, pictures, strict=False):
            missing = [(0, n - m) for n, m in zip(size, one.shape[:2], strict=True)]
            padded[:] = np.pad(one, [*missing, (0, 0)], mode="edge")
        return jax.device_get(self._predict(self.nets, stacked))

    def _cropped(self, size, working, lightness, ab, logits):
        """The distribution of one picture, without what it was padded with."""
        height, width = working
        stride = 1
        if logits is not None:
            stride = len(ab) // len(logits)
            # One sample beyond the last pixel, because colours are interpolated.
            logits = logits[: (height - 1) // stride + 2, : (width - 1) // stride + 2]
        return Distribution(
            size,
            lightness[:height, :width],
            ab[:height, :width],
            logits,
            stride,
            self.temperature,
            self.source,
        )

    def _padded(self, height: int, width: int) -> tuple[int, int]:
        """The working size that a picture is padded to: one of nine, whatever comes."""
        longer = max(height, width)
        sides = [-(-round(self.side * a) // STRIDE) * STRIDE for a in ASPECTS]
        long = next(side for side in sides if side >= longer)
        return (long, sides[0]) if height > width else (sides[0], long)


def _is_one(picture: object) -> bool:
    return isinstance(picture, (np.ndarray, str, os.PathLike))


def _loaded(picture: np.ndarray | str | os.PathLike) -> Picture:
    if not isinstance(picture, np.ndarray):
        picture = images.read_full(images.load_bytes(picture), str(picture))
    return as_picture(picture)


def image_grid(
    colorizer: Colorizer, pictures: ImageDataset, split: str, count: int = 24
) -> UInt8[np.ndarray, "h w 3"]:
    """Grey input, colorized and original, of pictures spread evenly over a split, in
    two halves side by side."""
    source = pictures.source(split)
    chosen = np.linspace(0, len(source) - 1, min(count, len(source)), dtype=int)
    columns = []
    for half in np.array_split(chosen, 2) if len(chosen) > 1 else [chosen]:
        shown = {"grey input": [], "colorized": [], "original": []}
        for index in half:
            original = pictures.image(source, int(index))
            grey = join(original, np.zeros((*original.shape[:2], 2), np.float32))
            triple = (grey, colorizer(original), original)
            for column, picture in zip(shown.values(), triple, strict=True):
                size = max(128, pictures.resize)
                column.append(images.resize(picture, (size, size)))
        columns += shown.items()
    return images.grid(columns)
