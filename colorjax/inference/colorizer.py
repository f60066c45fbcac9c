"""Color for images of any size with a trained run.

The L of a picture is kept. ab is predicted from L at working size (the run's short
side), upsampled to the size of the picture, and combined with the original L.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypedDict, Unpack, overload

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import UInt8

from colorjax import images
from colorjax.color import rgb_to_lab
from colorjax.images import Picture
from colorjax.inference import decode
from colorjax.inference.batching import (
    ASPECTS,
    STRIDE,
    batches,
    number,
    padded_size,
    stack,
)
from colorjax.inference.decode import Options
from colorjax.inference.distribution import Distribution
from colorjax.inference.pictures import ACCEPTED, Source, read_picture
from colorjax.method import Method, Nets, image_keys
from colorjax.train.experiment import make_method
from colorjax.train.storage import Step
from colorjax.train.workdir import STARTER, check_trained, load_run

BATCH = 8  # images of a sequence that go through the network together


class Running(TypedDict, total=False):
    """The keyword arguments of `Colorizer.predict`; the seed None is 0."""

    batch: int
    seed: int | None
    same_noise: bool


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
        side: int,
        source: str = "",
        section: dict[str, Any] | None = None,
    ):
        """`side` is the short side, in pixels, of the images that the network sees.

        `source` is a name of the run, for messages. `section` is the `method` section
        of the config that made the method; without it the colorizer cannot be pickled.
        """

        def predict(nets, rgb, seed, numbers):
            lightness = rgb_to_lab(rgb.astype(jnp.float32) / 255)[..., :1]
            keys = image_keys(seed, numbers)
            prediction = method.predict(nets, {"lightness": lightness}, keys)
            return lightness[..., 0], prediction.ab, prediction.logits

        self.nets, self.side, self.source = nets, side, source
        self._section = section
        self.temperature, self.stochastic = method.temperature, method.stochastic
        self._predict = jax.jit(predict)

    @classmethod
    def load(
        cls,
        workdir: epath.PathLike = STARTER,
        step: Step = None,
        options: Mapping[str, Any] | None = None,
    ) -> "Colorizer":
        """The colorizer of a run, by default the one that comes with colorjax.

        The arguments and the errors are those of `load_run`.
        """
        run = load_run(workdir, step, options)
        source = f"{epath.Path(workdir).name}, step {run.step}"
        check_trained(run, workdir)
        section = run.config["method"]
        return cls(run.method, run.nets, run.dataset.resize, source, section)

    def __repr__(self) -> str:
        return f"Colorizer({self.source!r}, side={self.side})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._section is None:
            raise TypeError("only a colorizer that Colorizer.load made can be copied")
        nets = jax.device_get(self.nets)
        return _rebuild, (self._section, nets, self.side, self.source)

    @cached_property
    def has_logits(self) -> bool:
        """Whether the method predicts a distribution, not only one color per pixel."""
        rgb = jax.ShapeDtypeStruct((1, STRIDE, STRIDE, 3), jnp.uint8)
        numbers = jax.ShapeDtypeStruct((1,), jnp.uint32)
        shapes = jax.eval_shape(self._predict, self.nets, rgb, 0, numbers)
        return shapes[2] is not None

    @property
    def draws_noise(self) -> bool:
        """Whether another sample is another prediction, not another decoding."""
        return self.stochastic and not self.has_logits

    @property
    def has_samples(self) -> bool:
        """Whether a picture has more than one coloring."""
        return self.stochastic or self.has_logits

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
            prediction = self.predict(pixels, seed=options.get("seed"))
            return self.decode(prediction, pixels, **options)
        pictures = [read_picture(source) for source in _sequence(picture)]
        predictions = self.predict(pictures, seed=options.get("seed"))
        return list(map(partial(self.decode, **options), predictions, pictures))

    decode = staticmethod(decode.decode)

    @overload
    def predict(  # pyright: ignore[reportOverlappingOverload]
        self, picture: Source, **how: Unpack[Running]
    ) -> Distribution: ...

    @overload
    def predict(
        self, picture: Iterable[Source], **how: Unpack[Running]
    ) -> list[Distribution]: ...

    def predict(
        self, picture: Any, **how: Unpack[Running]
    ) -> Distribution | list[Distribution]:
        """The predicted distribution of a picture, or of each one of a sequence.

        The pictures of a sequence may have any sizes. Those of the same padded size go
        through the network `batch` at a time. Black images fill up the last batch of a
        size, so that one program per size is compiled, nine at most.

        A stochastic method predicts another result for another `seed`. Its noise also
        depends on the picture's pixels at working size, not on other pictures. With
        `same_noise`, which is for films, it is the same for all pictures of one size.
        """
        noise = how.get("seed") or 0, how.get("same_noise", False)
        if isinstance(picture, Source):
            return self._predict_all([picture], 1, *noise)[0]
        return self._predict_all(_sequence(picture), how.get("batch", BATCH), *noise)

    def _predict_all(
        self, sources: Sequence[Any], batch: int, seed: int, same_noise: bool
    ) -> list[Distribution]:
        sizes, working = [], []
        for source in sources:
            pixels = read_picture(source)
            sizes.append(pixels.shape[:2])
            working.append(self._to_working_size(pixels))
        padded = [
            padded_size(len(image), image.shape[1], self.side) for image in working
        ]
        predictions = {}
        for size, members in batches(padded, batch):
            stacked = stack([working[i] for i in members], size, batch)
            numbers = np.zeros(batch, np.uint32)
            if not same_noise:
                numbers[: len(members)] = [number(working[i]) for i in members]
            outputs = self._predict(self.nets, stacked, np.uint32(seed), numbers)
            outputs = jax.device_get(outputs)
            for row, i in enumerate(members):
                own = (None if x is None else x[row] for x in outputs)
                shape = working[i].shape[:2]
                predictions[i] = self._crop(sizes[i], shape, seed, *own)
        return [predictions[index] for index in range(len(working))]

    def _to_working_size(self, picture: Picture) -> UInt8[np.ndarray, "h2 w2 3"]:
        """The picture at working size, in 8 bits, laid on white."""
        longest = round(self.side * ASPECTS[-1])
        small = images.resize_short(images.to_8_bits(picture), self.side, longest)
        return images.on_white(small)

    def _crop(self, size, working, seed, lightness, ab, logits):
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
            seed if self.draws_noise else None,
        )


def _rebuild(section: dict[str, Any], nets: Nets, side: int, source: str) -> Colorizer:
    """The colorizer that was pickled."""
    return Colorizer(make_method(section), nets, side, source, section)


def _sequence(pictures: Any) -> list[Any]:
    """The pictures of a sequence or an iterator; raises `TypeError` for others."""
    if not isinstance(pictures, Iterable):
        raise TypeError(f"{ACCEPTED}, or a sequence of them, not {pictures!r:.100}")
    return list(pictures)
