"""What a net says of one picture, kept: `Distribution`, its colours and its doubt.

A distribution over the 313 bins for every few pixels of the working picture is decoded
in many ways, in milliseconds, without running the net again. All of it is NumPy, so
that no size of picture has anything to compile.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from colorjax.errors import UserError
from colorjax.inference.palette import parse_palette, snapped
from colorjax.inference.sampling import smooth_noise
from colorjax.quantize import GRID, ab_bins

CERTAIN = (GRID / 2) ** 2  # variance in ab that is added, for the sake of single bins
RESTLESS = 1.5  # times the total variation of the mean is what a sample may have
HALVINGS = 8  # of the interval that the strength of its noise is sought in


@dataclass(frozen=True)
class Distribution:
    """The colours that a net thinks possible for a picture.

    `size` is the (height, width) of the picture; `lightness` is its L at working size
    and `ab` the method's own decoding. `logits` are over the bins of
    `quantize.ab_bins`, for every `stride`-th pixel of the working picture, the first on
    pixel 0; None for a method that gives one colour only. `temperature` is what made
    `ab` of them; `source` names the run.
    """

    size: tuple[int, int]
    lightness: Float[np.ndarray, "h w"]
    ab: Float[np.ndarray, "h w 2"]
    logits: Float[np.ndarray, "h2 w2 313"] | None = None
    stride: int = 4
    temperature: float = 1.0
    source: str = ""

    def decode(
        self,
        temperature: float | None = None,
        palette: str | None = None,
        seed: int | None = None,
    ) -> Float[np.ndarray, "h w 2"]:
        """ab at working size: the mean of softmax(logits / `temperature`).

        With a `palette`, such as "#aa5533,#224488", every bin counts as the nearest of
        these colours in ab, so that the result is a mix of them. With a `seed` it is
        one of many possible colourings, each coherent: see `_sample`. Raises
        `UserError` where one of the three needs logits and there are none.
        """
        if temperature is None and palette is None and seed is None:
            return self.ab
        temperature = self.temperature if temperature is None else temperature
        if not temperature > 0:
            raise UserError(f"temperature is {temperature}, which must be positive")
        logits = self.need_logits() / np.float32(temperature)
        centres = ab_bins() if palette is None else snapped(parse_palette(palette))
        if seed is None:
            return self._spread(_softmax(logits) @ centres)
        return _sample(logits, centres, seed, self._spread)

    def entropy(self) -> Float[np.ndarray, "h w"]:
        """How undecided the net is, at working size, in nats: 0 to log 313 = 5.75."""
        p = _softmax(self.need_logits())
        entropy = -(p * np.log(np.maximum(p, 1e-30))).sum(-1)
        return self._spread(entropy[..., None])[..., 0]

    def hints(self, count: int = 5) -> list[tuple[int, int]]:
        """Where a hint of the true colour would help most, most first, as (row, column)
        of the picture.

        The peaks of the entropy summed under a Gaussian, a fifth of the short side
        wide; what a hint settles there is taken away before the next is sought.
        """
        entropy = self.entropy()
        y, x = (np.arange(n) for n in entropy.shape)
        width = max(1.0, min(entropy.shape) / 10)

        def bell(axis, at):
            return np.exp(-((axis - at) ** 2) / (2 * width**2))

        across = np.stack([bell(x, at) for at in x])
        down = np.stack([bell(y, at) for at in y])
        points = []
        for _ in range(min(count, entropy.size)):
            gain = down @ entropy @ across
            row, column = np.unravel_index(gain.argmax(), gain.shape)
            entropy = entropy * (1 - np.outer(down[row], across[column]))
            place = zip((row, column), self.size, entropy.shape, strict=True)
            points.append(tuple(int((i + 0.5) * full / n) for i, full, n in place))
        return points

    def need_logits(self) -> Float[np.ndarray, "h2 w2 313"]:
        """The logits in single precision, or `UserError` where there are none."""
        if self.logits is None:
            raise no_logits(self.source)
        return self.logits.astype(np.float32)

    def _spread(self, grid: np.ndarray) -> np.ndarray:
        """Values of the grid of the logits, bilinear at every working pixel."""
        for axis, length in enumerate(self.ab.shape[:2]):
            place = np.arange(length, dtype=np.float32) / self.stride
            low = np.minimum(place.astype(int), grid.shape[axis] - 1)
            high = np.minimum(low + 1, grid.shape[axis] - 1)
            part = np.expand_dims(place - low, [i for i in range(3) if i != axis])
            below, above = np.take(grid, low, axis), np.take(grid, high, axis)
            grid = below + (above - below) * part
        return grid


def no_logits(source: str) -> UserError:
    """What is to be said of a method, of the run `source`, that has no logits."""
    return UserError(
        f"{source}: this method gives one colour a pixel; temperature, palette, "
        "samples, uncertainty and saved distributions need one that gives a "
        "distribution, like zhang2016"
    )


def _softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def _sample(
    logits: np.ndarray,
    centres: np.ndarray,
    seed: int,
    spread: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """One of many colourings: the mean of the distribution leant, smoothly over the
    picture, towards some of its colours.

    With e(x) smooth noise of unit variance and S(x) the covariance of the distribution
    p(x), p is multiplied by exp(c . S^(-1/2) e). If p is Gaussian, that moves its mean
    by S^(1/2) e, which is a draw from p: colours wander where the net is undecided,
    stay where it is not, and neighbours wander together. For bins they stay among the
    colours that the net thinks possible.

    Where the total variation would exceed `RESTLESS` times that of the plain mean, the
    noise is flattened to its mean over the picture, then that is reduced, as far as
    needed.
    """
    root = _inverse_root(_covariance(_softmax(logits), centres))
    noise = smooth_noise(logits.shape[:2], 2, seed)
    level = noise.mean((0, 1))

    def leant(strength):
        e = min(strength, 1) * level + max(strength - 1, 0) * (noise - level)
        lean = (root @ e[..., None])[..., 0] @ centres.T
        return spread(_softmax(logits + lean.astype(np.float32)) @ centres)

    limit = RESTLESS * total_variation(leant(0))
    colors, strength = leant(2), 0.0
    if total_variation(colors) <= limit:
        return colors
    for halving in range(HALVINGS):
        step = 0.5**halving
        if total_variation(leant(strength + step)) <= limit:
            strength += step
    return leant(strength)


def total_variation(ab: np.ndarray) -> float:
    """The sum over pixels of |differences| down and across, of all channels."""
    return sum(float(np.abs(np.diff(ab, axis=axis)).sum()) for axis in (0, 1))


def _covariance(p: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Of the colours of every pixel, [h w 2 2]; of what is certain, `CERTAIN` I."""
    mean = p @ centres
    products = centres[:, :, None] * centres[:, None, :]
    second = (p @ products.reshape(len(centres), 4)).reshape(*mean.shape, 2)
    central = second - mean[..., :, None] * mean[..., None, :]
    return central + CERTAIN * np.eye(2, dtype=np.float32)


def _inverse_root(s: np.ndarray) -> np.ndarray:
    """S^(-1/2) of symmetric 2x2 matrices: the root is (S + d I) / t with d = sqrt(det
    S), its own determinant, and t = sqrt(trace S + 2 d), its trace."""
    d = np.sqrt(np.maximum(np.linalg.det(s), CERTAIN**2))[..., None, None]
    t = np.sqrt(np.trace(s, axis1=-2, axis2=-1)[..., None, None] + 2 * d)
    unit = np.eye(2, dtype=s.dtype)
    root = (s + d * unit) / t
    return (np.trace(root, axis1=-2, axis2=-1)[..., None, None] * unit - root) / d
