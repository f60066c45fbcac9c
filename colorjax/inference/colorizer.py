"""Color for images of any size with a trained run.

The L of a picture is kept. ab is predicted from L at one or several working sizes (the
run's short sides), upsampled to the picture's size, and combined with the original L.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Unpack, overload

import jax
import jax.numpy as jnp
from etils import epath

from colorjax.hints import Guide
from colorjax.images import Picture
from colorjax.inference import decode, network
from colorjax.inference.batching import STRIDE
from colorjax.inference.decode import Options
from colorjax.inference.distribution import Distribution
from colorjax.inference.likeness import Features, liken
from colorjax.inference.network import PredictOptions
from colorjax.inference.pictures import Source, read_picture, sequence
from colorjax.inference.scales import average
from colorjax.method import HINTS, Method, Nets
from colorjax.nets import winograd
from colorjax.train.experiment import make_method, set_options
from colorjax.train.storage import Step
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
        self.sizes, self.source = tuple(sizes), source
        self._section, self.saturation = section, saturation
        self.temperature, self.stochastic = method.temperature, method.stochastic
        self.inputs, self._predict = method.inputs, network.compiled(method, section)
        self.text = method.text
        self._features = method.features and jax.jit(method.features)
        self.use(nets)

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
        return f"Colorizer({self.source!r}, sizes={'+'.join(map(str, self.sizes))})"

    def __reduce__(self) -> tuple[Any, ...]:
        if self._section is None:
            raise TypeError("only a colorizer that Colorizer.load made can be copied")
        rest = self.sizes, self.source, self.saturation
        return _rebuild, (self._section, jax.device_get(self.nets), *rest)

    def with_options(self, **options: Any) -> "Colorizer":
        """The same run with other options of its method, such as `guidance=2.0`.

        Raises `UserError` where the method does not let an option change.
        """
        section = set_options(self._section or {}, options)
        return _rebuild(section, self.nets, self.sizes, self.source, self.saturation)

    def use(self, nets: Nets) -> None:
        """Predict with these nets from now on."""
        self.nets, self._prepared = nets, winograd.prepare(nets)
        own = self._features
        self.features: Features | None = own and partial(own, nets)

    @cached_property
    def has_logits(self) -> bool:
        """Whether the method predicts a distribution, not only one color per pixel."""
        rgb = jax.ShapeDtypeStruct((1, STRIDE, STRIDE, 3), jnp.uint8)
        numbers = jax.ShapeDtypeStruct((1,), jnp.uint32)
        shapes = jax.eval_shape(self._predict.function, self.nets, rgb, {}, 0, numbers)
        return shapes[2] is not None

    @property
    def takes_hints(self) -> bool:
        """Whether the network was trained with hints, so that `predict` uses them."""
        return bool(self.inputs & HINTS)

    @property
    def takes_exemplars(self) -> bool:
        """Whether the colors of a picture can resemble those of an exemplar."""
        return "globe" in self.inputs or self.has_logits

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
        `saturation`, `seed`, `hints`) and the errors are those of `decode`; a file that
        cannot be read also raises `UserError`.
        """
        seen = PredictOptions(seed=options.get("seed"), hints=options.get("hints"))
        if isinstance(picture, Source):
            pixels = read_picture(picture)
            prediction = self.predict(pixels, **seen)
            return self.decode(prediction, pixels, **options)
        pictures = [read_picture(source) for source in sequence(picture)]
        predictions = self.predict(pictures, **seen)
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
        `same_noise`, for videos, all pictures of one size have the same noise.

        `hints` are those of all pictures or a list with those of each one. A network
        that `takes_hints` sees them; with `only_here` it sees the exemplar alone.
        `decode` must get the hints, too; for other networks, it alone applies them.
        Their text is for a network that reads words (`text` of the colorizer says
        which).
        """
        if isinstance(picture, Source):
            return self._predict_all([picture], 1, options)[0]
        batch = options.get("batch", BATCH)
        return self._predict_all(sequence(picture), batch, options)

    def _predict_all(
        self, sources: Sequence[Any], batch: int, options: PredictOptions
    ) -> list[Distribution]:
        seed, hints = options.get("seed") or 0, options.get("hints")
        if hints is None or isinstance(hints, Guide):
            hints = [hints] * len(sources)
        same_noise = options.get("same_noise", False)
        rest = self.saturation, network.Takes(self.inputs, self.text)
        views = {side: [] for side in self.sizes}
        for source, guide in zip(sources, hints, strict=True):
            pixels = read_picture(source)
            for side, own in views.items():
                own.append(network.view(pixels, side, same_noise, guide, *rest))
        scales = [self._predict_at(*own, batch, seed) for own in views.items()]
        own = zip(map(average, zip(*scales, strict=True)), hints, strict=True)
        return [liken(*one, self.features) for one in own]

    def _predict_at(self, side, views, batch, seed) -> list[Distribution]:
        """The distributions of images at the working size of a short side `side`."""
        run = self._prepared, self.inputs, views, side, batch, seed
        outputs = network.run(self._predict, *run)
        return [
            Distribution(
                view.size,
                *output,
                self.temperature,
                self.source,
                seed if self.draws_noise else None,
                self.saturation,
                view.number,
                view.seen,
            )
            for view, output in zip(views, outputs, strict=True)
        ]


def _rebuild(section: dict[str, Any], nets: Nets, sizes, source, saturation):
    """The colorizer of a run whose config has this `method` section."""
    method = make_method(section)
    return Colorizer(method, nets, sizes, source, section, saturation)
