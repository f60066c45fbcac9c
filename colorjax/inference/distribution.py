"""The predicted color distribution of one image: decoding, sampling, entropy.

The distribution over the 313 bins is decoded in milliseconds, in many ways, without
running the network again. Decoding uses NumPy, so nothing is compiled for an image
size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.hints import Guide, Hints, histogram, locate
from colorjax.inference import steering
from colorjax.inference.interpolation import interpolate
from colorjax.inference.reference import Likeness, preference, snapped
from colorjax.inference.sampling import sample
from colorjax.inference.softmax import softmax
from colorjax.quantize import ab_bins


@dataclass(frozen=True)
class Distribution:
    """The predicted color distribution of one image.

    - `size`: (height, width) of the image;
    - `lightness`: its L, 0 to 100, at working size, the size that the network sees;
    - `ab`: the method's own decoding at working size;
    - `logits`: over the bins of `quantize.ab_bins`, at every `stride`-th working pixel,
      the first at pixel 0; None for a method that predicts one color per pixel;
    - `temperature`: the softmax temperature that decodes `logits` to `ab`;
    - `source`: a name of the run, for messages;
    - `seed`: that of the noise with which a stochastic method predicted `ab`; None for
      other methods and where there are logits;
    - `saturation`: the factor by which the run multiplies the chroma of `ab`;
    - `number`: a hash of the picture, so that samples of one seed differ by picture;
    - `network_hints`: what the network saw as its inputs "local" and "globe", the guide
      of each, as JSON, and "text". Decoding with these hints steers as much as the
      network does not obey them, and not by an exemplar that it saw;
    - `likeness`: the likeness to the exemplar with which the picture was predicted.
    """

    size: tuple[int, int]
    lightness: Float[np.ndarray, "h w"]
    ab: Float[np.ndarray, "h w 2"]
    logits: Float[np.ndarray, "h2 w2 313"] | None = None
    stride: int = 4
    temperature: float = 1.0
    source: str = ""
    seed: int | None = None
    saturation: float = 1.0
    number: int = 0
    network_hints: Mapping[str, str] = field(default_factory=dict)
    likeness: Likeness | None = None

    def __repr__(self) -> str:
        bins = "no logits" if self.logits is None else f"logits {self.logits.shape}"
        return (
            f"Distribution({self.source!r}, size={self.size}, ab {self.ab.shape}, "
            f"{bins}, temperature={self.temperature:g})"
        )

    def decode(
        self,
        temperature: float | None = None,
        seed: int | None = None,
        hints: Guide | None = None,
        located: Hints | None = None,
    ) -> Float[np.ndarray, "h w 2"]:
        """ab at working size: the mean of the bins under softmax(logits / temperature).

        Without options, the method's own `ab`. With a `seed`, the result is one of many
        plausible colorings (`sampling.sample`). A prediction of a stochastic method is
        such a coloring itself; `seed` must be that of the prediction. The colors of
        `hints` are met after `saturation` has multiplied the result. `located` are the
        same hints, if `locate` has made them already. With a palette, each bin is
        replaced by the palette's nearest color in ab, so the result mixes only the hues
        and chromas of the palette, at the image's own L. With an exemplar, each bin
        gets about the share that it has in the exemplar. Raises `UserError` for an
        option out of range, if one needs logits and there are none, or if the network
        has not read the text of the hints.
        """
        if hints is None:
            return self._decode(temperature, seed)
        if hints.text and self.network_hints.get("text") != hints.text:
            raise UserError(
                f"{self.source}: the network has not read '{hints.text:.50}'; predict "
                "with these hints, by a run that reads text"
            )
        asked = None
        if hints.has_places:
            asked = (located or self.locate(hints)).before(self.saturation)
        steered = self._steered(hints, asked, temperature)
        if steered is not self:
            temperature = self._checked(temperature)
        ab = steered._decode(temperature, seed, hints.palette)
        if asked is None:
            return ab
        if not hints.only_here:
            fade = self._need(hints, asked) * steering.FADE
            rest = steering.correction(asked, ab, self.lightness, self.stride, fade)
            ab = ab + self._spread(rest)
        return steering.pin(ab, asked.local)

    def _saw(self, hints: Guide, name: str) -> bool:
        """Whether the network saw these hints as the input `name`."""
        guide = self.network_hints.get(name)
        return guide is not None and guide == hints.to_json()

    def _need(self, hints: Guide, asked: Hints) -> float:
        """How much the prediction has to be steered: 1 if no network saw the hints."""
        return steering.need(asked, self.ab) if self._saw(hints, "local") else 1.0

    def locate(self, hints: Guide) -> Hints:
        """The hints that have places, on the working pixels."""
        return locate(hints, self.size, self.lightness)

    def _steered(
        self, hints: Guide, asked: Hints | None, temperature: float | None
    ) -> "Distribution":
        """The distribution that the hints leave, at a temperature.

        It is this one if they leave the logits as they are.
        """
        logits, scale = self.logits, np.float32(self._checked(temperature))
        if hints.exemplar is not None and not self._saw(hints, "globe"):
            shares = histogram(hints.exemplar, self.saturation or 1.0)
            logits = self.require_logits()
            added = preference(logits / scale, shares)
            if self.likeness and self.likeness.is_to(hints.exemplar):
                added = added + self.likeness.on(logits.shape[:2], self.stride)
            logits = logits + scale * added
        if logits is not None and asked is not None and not hints.only_here:
            grid = self.lightness, self.stride, logits.shape[:2]
            scale *= np.float32(self._need(hints, asked))
            logits = logits + scale * steering.evidence(asked, *grid)
        return self if logits is self.logits else replace(self, logits=logits)

    def _decode(
        self,
        temperature: float | None,
        seed: int | None,
        palette: Sequence[str] = (),
    ) -> Float[np.ndarray, "h w 2"]:
        """`decode` without hints that have places."""
        if seed is not None and self.logits is None:
            self._check_seed(seed)
            seed = None
        if temperature is None and not palette and seed is None:
            return self.ab
        logits = self.require_logits() / np.float32(self._checked(temperature))
        centers = snapped(palette) if palette else ab_bins()
        if seed is None:
            return self._spread(softmax(logits) @ centers)
        return sample(logits, centers, [seed, self.number], self._spread)

    def _checked(self, temperature: float | None) -> float:
        """A temperature, by default that of the method; it must be positive."""
        temperature = self.temperature if temperature is None else temperature
        if not temperature > 0:
            raise UserError(f"temperature is {temperature}, which must be positive")
        return temperature

    def _check_seed(self, seed: int) -> None:
        """Raise `UserError` unless the noise of the prediction had this seed."""
        if self.seed is None:
            raise no_samples_error(self.source)
        if seed != self.seed:
            raise UserError(
                f"{self.source}: this prediction has the seed {self.seed}, not {seed}; "
                "predict again with that seed"
            )

    def entropy(self, hints: Guide | None = None) -> Float[np.ndarray, "h w"]:
        """The entropy at each working pixel, in nats: 0 to log 313 = 5.75.

        It is lower where `hints` determine the color. Raises `UserError` if there are
        no logits.
        """
        if hints is not None:
            asked = self.locate(hints).before(self.saturation)
            steered = self._steered(hints, asked, 1.0)
            return steered.entropy() * (1 - asked.local[..., 2])
        p = softmax(self.require_logits())
        entropy = -(p * np.log(np.maximum(p, 1e-30))).sum(-1)
        return self._spread(entropy[..., None])[..., 0]

    def hint_locations(
        self, count: int = 5, hints: Guide | None = None
    ) -> list[tuple[int, int]]:
        """Where the true color would help most: (row, column) of the image, best first.

        These are the peaks of the entropy, summed under a Gaussian with a standard
        deviation of a tenth of the short side. Before the next peak is sought, the
        entropy that a hint at this one resolves is subtracted. With `hints` these are
        places for further hints. Raises `UserError` if there are no logits.
        """
        entropy = self.entropy(hints)
        y, x = (np.arange(n) for n in entropy.shape)
        width = max(1.0, min(entropy.shape) / 10)

        def bell(axis, center):
            return np.exp(-((axis - center) ** 2) / (2 * width**2))

        across = np.stack([bell(x, center) for center in x])
        down = np.stack([bell(y, center) for center in y])
        locations = []
        for _ in range(min(count, entropy.size)):
            gain = down @ entropy @ across
            peak = row, column = np.unravel_index(gain.argmax(), gain.shape)
            entropy = entropy * (1 - np.outer(down[row], across[column]))
            sides = zip(peak, self.size, entropy.shape, strict=True)
            locations.append(tuple(int((i + 0.5) * full / n) for i, full, n in sides))
        return locations

    def require_logits(self) -> Float[np.ndarray, "h2 w2 313"]:
        """The logits in float32. Raises `UserError` if there are none."""
        if self.logits is None:
            raise no_logits_error(self.source)
        return self.logits.astype(np.float32)

    def _spread(self, grid: np.ndarray) -> np.ndarray:
        """Values on the grid of the logits, interpolated to all working pixels."""
        pixels = (np.arange(length) for length in self.ab.shape[:2])
        return interpolate(grid, [pixel / self.stride for pixel in pixels])


def no_logits_error(source: str) -> UserError:
    """The error of an option that needs logits, for a run whose method has none."""
    return UserError(
        f"{source}: this method gives one color per pixel; temperature, palette, "
        "uncertainty, saved distributions and an exemplar need a method that gives a "
        "distribution, such as zhang2016"
    )


def no_samples_error(source: str) -> UserError:
    """The error of a seed or of samples, for a run that has one result per picture."""
    return UserError(
        f"{source}: this method gives one color per pixel and uses no noise; samples "
        "and seeds need a method that gives a distribution, such as zhang2016, or one "
        "that draws noise"
    )
