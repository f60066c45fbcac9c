"""Color for images of any size with a trained run.

The L of a picture is kept. ab is predicted from L at one or several working sizes (the
run's short sides), upsampled to the size of the picture, and combined with the original
L.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Unpack, overload

import jax
import jax.numpy as jnp
from etils import epath

from colorjax.color import rgb_to_lab
from colorjax.images import Picture
from colorjax.inference import decode
from colorjax.inference.decode import Options
from colorjax.inference.distribution import Distribution
from colorjax.inference.pictures import ACCEPTED, Source, read_picture
from colorjax.inference.scales import average
from colorjax.inference.working_size import (
    STRIDE,
    padded,
    padded_size,
    to_working_size,
)
from colorjax.method import Method, Nets
from colorjax.train.experiment import make_method
from colorjax.train.workdir import STARTER, check_trained, load_run

BATCH = 8  # images of a sequence that go through the network together


class Colorizer:
    """Colorizes pictures with a trained run.

    A picture is the name of a file, the bytes of one, an open binary file, an image of
    Pillow, or an array of any library: uint8 or uint16 [h, w], [h, w, 3] or, with
    alpha, [h, w, 4]. Its colors are ignored. A call predicts and decodes:

        colorizer = Colorizer.load()
        picture = colorizer("photo.jpg")
        first, second = colorizer(["first.jpg", "second.jpg"], saturation=1.2)

    `predict` runs the network; `decode` turns its prediction into a picture in
    milliseconds, as often as needed.
    """

    def __init__(
        self,
        method: Method,
        nets: Nets,
        sizes: Sequence[int],
        source: str = "",
        section: dict[str, Any] | None = None,
        saturation: float = 1.0,
    ):
        """`sizes` are the short sides, in pixels, of the images that the network sees.

        The prediction is the mean over all sizes (see `scales`). `saturation` is the
        default of `decode`. `source` is a name of the run, for messages. `section` is
        the `method` section of the config that made the method; without it the
        colorizer cannot be pickled.
        """

        def predict(nets, rgb):
            lightness = rgb_to_lab(rgb.astype(jnp.float32) / 255)[..., :1]
            prediction = method.predict(nets, lightness, jax.random.key(0))
            return lightness[..., 0], prediction.ab, prediction.logits

        self.nets, self.sizes, self.source = nets, tuple(sizes), source
        self._section, self.saturation = section, saturation
        self.temperature = method.temperature
        self._predict = jax.jit(predict)

    @classmethod
    def load(
        cls,
        workdir: epath.PathLike = STARTER,
        step: int | None = None,
        size: int | None = None,
    ) -> "Colorizer":
        """The colorizer of a run, by default the one that comes with colorjax.

        It uses the checkpoint of `step`, by default the last one. `size` is the short
        side, in pixels, of the images that the network sees, by default the sizes of
        the run. Raises `UserError` if there is no such run or checkpoint.
        """
        run = load_run(workdir, step)
        source = f"{epath.Path(workdir).name}, step {run.step}"
        check_trained(run, workdir)
        section, inference = run.config["method"], run.inference
        sizes = [size] if size else inference.sizes
        return cls(run.method, run.nets, sizes, source, section, inference.saturation)

    def __repr__(self) -> str:
        sizes = "+".join(map(str, self.sizes))
        return f"Colorizer({self.source!r}, sizes={sizes})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._section is None:
            raise TypeError("only a colorizer that Colorizer.load made can be copied")
        nets = jax.device_get(self.nets)
        return _rebuild, (
            self._section,
            nets,
            self.sizes,
            self.source,
            self.saturation,
        )

    @property
    def has_logits(self) -> bool:
        """Whether the method predicts a distribution, not only one color per pixel."""
        rgb = jax.ShapeDtypeStruct((1, STRIDE, STRIDE, 3), jnp.uint8)
        return jax.eval_shape(self._predict, self.nets, rgb)[2] is not None

    # A file name, as every str, is also a sequence of str: the first overload wins.
    @overload
    def __call__(  # pyright: ignore[reportOverlappingOverload]
        self, picture: Source, **options: Unpack[Options]
    ) -> Picture: ...

    @overload
    def __call__(
        self, picture: Iterable[Source], **options: Unpack[Options]
    ) -> list[Picture]: ...

    def __call__(
        self, picture: Any, **options: Unpack[Options]
    ) -> Picture | list[Picture]:
        """Colorize a picture, or each one of a sequence.

        Returns pictures of the same size and depth. The options (`temperature`,
        `saturation`, `palette`, `seed`) and the errors are those of `decode`; a file
        that cannot be read also raises `UserError`.
        """
        if isinstance(picture, Source):
            pixels = read_picture(picture)
            return self.decode(self.predict(pixels), pixels, **options)
        pictures = [read_picture(source) for source in _sequence(picture)]
        pairs = zip(self.predict(pictures), pictures, strict=True)
        return [self.decode(*pair, **options) for pair in pairs]

    decode = staticmethod(decode.decode)

    @overload
    def predict(  # pyright: ignore[reportOverlappingOverload]
        self, picture: Source, batch: int = ...
    ) -> Distribution: ...

    @overload
    def predict(
        self, picture: Iterable[Source], batch: int = ...
    ) -> list[Distribution]: ...

    def predict(
        self, picture: Any, batch: int = BATCH
    ) -> Distribution | list[Distribution]:
        """The predicted distribution of a picture, or of each one of a sequence.

        The pictures of a sequence may have any sizes. Those of the same padded size go
        through the network `batch` at a time. The last batch of a size is filled up
        with black images, so that one program per size is compiled, nine at most for
        each of the run's `sizes`.
        """
        if isinstance(picture, Source):
            return self._predict_all([picture], batch=1)[0]
        return self._predict_all(_sequence(picture), batch)

    def _predict_all(self, sources: Sequence[Any], batch: int) -> list[Distribution]:
        sizes, working = [], {side: [] for side in self.sizes}
        for source in sources:
            pixels = read_picture(source)
            sizes.append(pixels.shape[:2])
            for side in self.sizes:
                working[side].append(to_working_size(pixels, side))
        if not sizes:
            return []
        scales = [self._predict_at(*item, sizes, batch) for item in working.items()]
        return [average(parts) for parts in zip(*scales, strict=True)]

    def _predict_at(self, side, working, sizes, batch) -> list[Distribution]:
        """The distributions of images at the working size of a short side `side`.

        `sizes` are those of the pictures.
        """
        groups = {}
        for index, image in enumerate(working):
            height, width = image.shape[:2]
            size = padded_size(height, width, side)
            groups.setdefault(size, []).append(index)
        predictions = {}
        for size, members in groups.items():
            for start in range(0, len(members), batch):
                part = members[start : start + batch]
                outputs = self._run(size, [working[i] for i in part], batch)
                for row, i in enumerate(part):
                    own = (None if x is None else x[row] for x in outputs)
                    predictions[i] = self._crop(sizes[i], working[i].shape[:2], *own)
        return [predictions[index] for index in range(len(working))]

    def _run(self, size, pictures, batch):
        """L, ab and logits of a batch of images at working size, padded to `size`."""
        return jax.device_get(self._predict(self.nets, padded(pictures, size, batch)))

    def _crop(self, size, working, lightness, ab, logits):
        """The distribution of one image, without the padding."""
        height, width = working
        stride = 1
        if logits is not None:
            stride = len(ab) // len(logits)
            # One sample beyond the last pixel, because colors are interpolated.
            logits = logits[: (height - 1) // stride + 2, : (width - 1) // stride + 2]
        return Distribution(
            size,
            lightness[:height, :width],
            ab[:height, :width],
            logits,
            stride,
            self.temperature,
            self.source,
            self.saturation,
        )


def _rebuild(
    section: dict[str, Any],
    nets: Nets,
    sizes: Sequence[int],
    source: str,
    saturation: float,
) -> Colorizer:
    """The colorizer that was pickled."""
    return Colorizer(make_method(section), nets, sizes, source, section, saturation)


def _sequence(pictures: Any) -> list[Any]:
    """The pictures of a sequence or an iterator; raises `TypeError` for others."""
    if not isinstance(pictures, Iterable):
        raise TypeError(f"{ACCEPTED}, or a sequence of them, not {pictures!r:.100}")
    return list(pictures)
