"""Temporal smoothing of colors along optical flow: `smooth`, `Smoothed`.

A network that colorizes each frame on its own flickers, because small changes of L tip
it from one color to another. So this module averages the log-probabilities along the
optical flow and decodes the average; an average of decoded colors would be too grey.
The newest of the n frames that show a point has weight 1 / min(n, `MEMORY`): first a
plain mean, later an exponential one. A cut, and every point that comes into sight,
starts a new average. Methods without a distribution have their ab averaged instead.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from colorjax.apps.video.flow import Flow, optical_flow, warp
from colorjax.inference.distribution import Distribution

MEMORY = 16  # frames


class Flicker(NamedTuple):
    """How much ab changes along optical flow, summed over the frames of a video.

    `smoothed` and `unsmoothed` are sums of |ab - previous ab|, with smoothing and
    without, over `pixels` with a trusted flow. `shots` counts the cuts, plus one.
    """

    smoothed: float = 0.0
    unsmoothed: float = 0.0
    pixels: int = 0
    shots: int = 0

    def means(self) -> tuple[float, float]:
        """The mean changes in units of ab, (smoothed, unsmoothed)."""
        pixels = max(self.pixels, 1)
        return self.smoothed / pixels, self.unsmoothed / pixels


class Smoothed(NamedTuple):
    """The colors of a frame, and all that smoothing the next frame needs.

    `grey` is the frame, `values` the mean log-probabilities (or mean ab) of the last
    `counts` frames that show each point, `ab` the decoded mean, and `unsmoothed_ab` the
    decoded colors of this frame alone.
    """

    grey: UInt8[np.ndarray, "h3 w3"]
    values: Float[Array, "h2 w2 c"] | Float[np.ndarray, "h2 w2 c"]
    counts: Float[Array, "h2 w2"] | Float[np.ndarray, "h2 w2"]
    ab: Float[np.ndarray, "h w 2"]
    unsmoothed_ab: Float[np.ndarray, "h w 2"]
    flicker: Flicker

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fields as arrays, which `from_arrays` reads."""
        return {name: np.asarray(x) for name, x in self._asdict().items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Smoothed":
        """The value that `to_arrays` was called on."""
        smoothed, unsmoothed, pixels, shots = arrays["flicker"].tolist()
        flicker = Flicker(smoothed, unsmoothed, int(pixels), int(shots))
        return cls(**{**arrays, "flicker": flicker})


def flow_to(
    previous: Smoothed | None,
    grey: UInt8[np.ndarray, "h3 w3"],
    prediction: Distribution,
) -> Flow | None:
    """The optical flow from the last frame to this one, at the size of `prediction`.

    It is None where a shot begins: at a cut, and at the first frame, where `previous`
    is None. `grey` is the frame at a whole multiple of the size of `prediction`.
    """
    if previous is None:
        return None
    flow = optical_flow(previous.grey, grey, len(grey) // len(prediction.ab))
    return None if flow.is_cut else flow


def smooth(
    previous: Smoothed | None,
    flow: Flow | None,
    grey: UInt8[np.ndarray, "h3 w3"],
    prediction: Distribution,
    decode: Callable[[Distribution], Float[np.ndarray, "h w 2"]],
) -> Smoothed:
    """Smooth the predicted colors of a frame, given the `previous` frame's result.

    `flow` is that of `flow_to`. `decode` turns a distribution into ab. All frames have
    the same size.
    """
    unsmoothed_ab = decode(prediction)
    logits = prediction.logits
    values = jnp.asarray(prediction.ab) if logits is None else _log_softmax(logits)
    flicker = Flicker() if previous is None else previous.flicker
    if previous is None or flow is None:
        counts = jnp.ones(values.shape[:2])
        flicker = flicker._replace(shots=flicker.shots + 1)
        return Smoothed(grey, values, counts, unsmoothed_ab, unsmoothed_ab, flicker)
    values, counts = _average(previous, values, flow, prediction.stride)
    name = "ab" if logits is None else "logits"
    ab = decode(replace(prediction, **{name: np.asarray(values)}))
    flicker = Flicker(
        flicker.smoothed + float(_change(previous.ab, ab, *flow)),
        flicker.unsmoothed
        + float(_change(previous.unsmoothed_ab, unsmoothed_ab, *flow)),
        flicker.pixels + int(flow.trusted.sum()),
        flicker.shots,
    )
    return Smoothed(grey, values, counts, ab, unsmoothed_ab, flicker)


_log_softmax = jax.jit(lambda logits: jax.nn.log_softmax(logits.astype(jnp.float32)))


def _average(
    previous: Smoothed, values: Float[Array, "h w c"], flow: Flow, stride: int
) -> tuple[Float[Array, "h w c"], Float[Array, "h w"]]:
    """The running mean of `values` along `flow`, and its number of frames per point.

    `values` lie on every `stride`-th pixel of the flow.
    """
    height, width = values.shape[:2]
    vectors, trusted = (jnp.asarray(x) for x in flow)
    # The grid may have a row and a column beyond the last pixel.
    rows = jnp.minimum(stride * jnp.arange(height), len(vectors) - 1)
    columns = jnp.minimum(stride * jnp.arange(width), vectors.shape[1] - 1)
    vectors, trusted = (x[rows[:, None], columns] for x in (vectors / stride, trusted))
    return _running_mean(previous.values, previous.counts, values, vectors, trusted)


@jax.jit
def _running_mean(
    previous: Float[Array, "h w c"],
    counts: Float[Array, "h w"],
    values: Float[Array, "h w c"],
    vectors: Float[Array, "h w 2"],
    trusted: Bool[Array, "h w"],
) -> tuple[Float[Array, "h w c"], Float[Array, "h w"]]:
    warped = warp(previous, vectors)
    counts = warp(counts[..., None], vectors)[..., 0]
    counts = jnp.where(trusted, jnp.minimum(counts + 1, MEMORY), 1)
    return warped + (values - warped) / counts[..., None], counts


@jax.jit
def _change(
    previous: Float[Array, "h w 2"],
    current: Float[Array, "h w 2"],
    vectors: Float[Array, "h w 2"],
    trusted: Bool[Array, "h w"],
) -> Float[Array, ""]:
    """The sum of |change of ab| along the flow, where it is trusted."""
    change = jnp.linalg.norm(current - warp(previous, vectors), axis=-1)
    return jnp.where(trusted, change, 0).sum()
