"""Color for images of any size with a trained run.

The L of a picture is kept. ab is predicted from L at one or several working sizes (the
run's short sides), upsampled to the picture's size, and combined with the original L.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, TypedDict, Unpack, overload

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from colorjax.color import rgb_to_lab
from colorjax.images import Picture
from colorjax.inference import decode
from colorjax.inference.batching import (
    STRIDE,
    batches,
    crop,
    number,
    padded_size,
    stack,
    to_working_size,
)
from colorjax.inference.decode import Options
from colorjax.inference.distribution import Distribution
from colorjax.inference.pictures import Source, read_picture, sequence
from colorjax.inference.scales import average
from colorjax.method import Method, Nets, image_keys
from colorjax.nets import winograd
from colorjax.train.experiment import make_method
from colorjax.train.storage import Step
from colorjax.train.workdir import STARTER, check_trained, load_run

BATCH = 8  # images of a sequence that go through the network together


class PredictOptions(TypedDict, total=False):
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

        def predict(nets, rgb, seed, numbers):
            lightness = rgb_to_lab(rgb.astype(jnp.float32) / 255)[..., :1]
            keys = image_keys(seed, numbers)
            prediction = method.predict(nets, {"lightness": lightness}, keys)
            return lightness[..., 0], prediction.ab, prediction.logits

        self.use(nets)
        self.sizes, self.source = tuple(sizes), source
        self._section, self.saturation = section, saturation
        self.temperature, self.stochastic = method.temperature, method.stochastic
        self._predict = jax.jit(predict)

    @classmethod
    def load(
        cls,
        workdir: epath.PathLike = STARTER,
        step: Step = None,
        options: Mapping[str, Any] | None = None,
        size: int | None = None,
    ) -> "Colorizer":
        """The colorizer of a run, by default the one that comes with colorjax.

        `size` is the short side, in pixels, of the images that the network sees, by
        default the sizes of the run. The other arguments and the errors are those of
        `load_run`.
        """
        run = load_run(workdir, step, options)
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
        rest = self.sizes, self.source, self._section, self.saturation
        return _rebuild, (self._section, jax.device_get(self.nets), *rest)

    def use(self, nets: Nets) -> None:
        """Predict with these nets from now on."""
        self.nets, self._prepared = nets, winograd.prepare(nets)

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
        `saturation`, `palette`, `seed`, `hints`) and the errors are those of `decode`;
        a file that cannot be read also raises `UserError`.
        """
        if isinstance(picture, Source):
            pixels = read_picture(picture)
            prediction = self.predict(pixels, seed=options.get("seed"))
            return self.decode(prediction, pixels, **options)
        pictures = [read_picture(source) for source in sequence(picture)]
        predictions = self.predict(pictures, seed=options.get("seed"))
        return list(map(partial(self.decode, **options), predictions, pictures))

    decode = staticmethod(decode.decode)

    @overload
    def predict(  # pyright: ignore[reportOverlappingOverload]
        self, picture: Source, **options: Unpack[PredictOptions]
    ) -> Distribution: ...

    @overload
    def predict(
        self, picture: Iterable[Source], **options: Unpack[PredictOptions]
    ) -> list[Distribution]: ...

    def predict(
        self, picture: Any, **options: Unpack[PredictOptions]
    ) -> Distribution | list[Distribution]:
        """The predicted distribution of a picture, or of each one of a sequence.

        The pictures of a sequence may have any sizes. Those of the same padded size go
        through the network `batch` at a time. Black images fill up the last batch of a
        size, so that one program per size is compiled, nine at most for each of the
        run's `sizes`.

        A stochastic method predicts another result for another `seed`. Its noise also
        depends on the picture's pixels at working size, not on other pictures. With
        `same_noise`, which is for films, it is the same for all pictures of one size.
        """
        noise = options.get("seed") or 0, options.get("same_noise", False)
        if isinstance(picture, Source):
            return self._predict_all([picture], 1, *noise)[0]
        return self._predict_all(sequence(picture), options.get("batch", BATCH), *noise)

    def _predict_all(
        self, sources: Sequence[Any], batch: int, seed: int, same_noise: bool
    ) -> list[Distribution]:
        sizes, working = [], {side: [] for side in self.sizes}
        for source in sources:
            pixels = read_picture(source)
            sizes.append(pixels.shape[:2])
            for side in self.sizes:
                working[side].append(to_working_size(pixels, side))
        scales = [
            self._predict_at(*item, sizes, batch, seed, same_noise)
            for item in working.items()
        ]
        return [average(parts) for parts in zip(*scales, strict=True)]

    def _predict_at(self, side, working, sizes, batch, seed, same_noise):
        """The distributions of images at the working size of a short side `side`.

        `sizes` are those of the pictures.
        """
        padded = [padded_size(len(image), image.shape[1], side) for image in working]
        predictions = {}
        for size, members in batches(padded, batch):
            stacked = stack([working[i] for i in members], size, batch)
            numbers = np.zeros(batch, np.uint32)
            if not same_noise:
                numbers[: len(members)] = [number(working[i]) for i in members]
            outputs = self._predict(self._prepared, stacked, np.uint32(seed), numbers)
            outputs = jax.device_get(outputs)
            for row, i in enumerate(members):
                own = [None if x is None else x[row] for x in outputs]
                picture = sizes[i], working[i].shape[:2], numbers[row]
                predictions[i] = self._distribution(*picture, seed, own)
        return [predictions[index] for index in range(len(working))]

    def _distribution(self, size, shape, number, seed, outputs) -> Distribution:
        """The prediction for a picture of a `size` from the network's `outputs`."""
        seed = seed if self.draws_noise else None
        own = self.temperature, self.source, seed, self.saturation, int(number)
        return Distribution(size, *crop(shape, *outputs), *own)


def _rebuild(section: dict[str, Any], nets: Nets, *rest: Any) -> Colorizer:
    """The colorizer that was pickled."""
    return Colorizer(make_method(section), nets, *rest)
