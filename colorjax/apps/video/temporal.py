"""Colours that keep still from picture to picture: `follow`, `Followed`.

A net that colours every picture by itself flickers: small changes of L tip it between
colours. So its log-probabilities are averaged along motion, and the average is decoded;
an average of colours would be greyer than any of them. Of a thing seen in n pictures
since it appeared the newest has the weight 1 / min(n, `MEMORY`): a plain mean at first,
which then forgets. A cut, and whatever has come into sight, starts anew. Of a method
without a distribution it is ab that is averaged.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from colorjax.apps.video.flow import motion
from colorjax.inference.distribution import Distribution

MEMORY = 16  # pictures


class Flicker(NamedTuple):
    """How much colours change along motion, as sums: |ab - ab before| in ab units,
    `steady` as followed and `alone` as each picture by itself, over `pixels` whose
    motion is trusted. `shots` are counted too."""

    steady: float = 0.0
    alone: float = 0.0
    pixels: int = 0
    shots: int = 0

    def means(self) -> tuple[float, float]:
        """The mean changes, steady and alone."""
        pixels = max(self.pixels, 1)
        return self.steady / pixels, self.alone / pixels


class Followed(NamedTuple):
    """The colours of a picture, and what the next one needs of it.

    `grey` is the picture, `values` the averaged log-probabilities, or ab, over `seen`
    pictures; `ab` is their colours, `alone` those of the picture by itself.
    """

    grey: UInt8[np.ndarray, "h3 w3"]
    values: Float[Array, "h2 w2 c"]
    seen: Float[Array, "h2 w2"]
    ab: Float[np.ndarray, "h w 2"]
    alone: Float[np.ndarray, "h w 2"]
    flicker: Flicker


def follow(
    before: Followed | None,
    grey: UInt8[np.ndarray, "h3 w3"],
    found: Distribution,
    decode: Callable[[Distribution], Float[np.ndarray, "h w 2"]],
) -> Followed:
    """The next picture of a film, or its first, where there is none `before`.

    `grey` is the picture at a whole multiple of the size of `found`, what the net says
    of it; `decode` makes colours of that. The pictures of a film are of one size.
    """
    alone = decode(found)
    logits = found.logits
    values = jnp.asarray(found.ab) if logits is None else _log_softmax(logits)
    flicker = Flicker() if before is None else before.flicker
    moved = None
    if before is not None:
        moved = motion(before.grey, grey, factor=len(grey) // len(found.ab))
    if moved is None or moved.is_cut:
        seen = jnp.ones(values.shape[:2])
        flicker = flicker._replace(shots=flicker.shots + 1)
        return Followed(grey, values, seen, alone, alone, flicker)
    flow, trusted = (jnp.asarray(x) for x in moved)
    values, seen = _average(
        before.values, before.seen, values, flow, trusted, found.stride
    )
    if logits is None:
        ab = decode(replace(found, ab=np.asarray(values)))
    else:
        ab = decode(replace(found, logits=np.asarray(values)))
    flicker = Flicker(
        flicker.steady + float(_change(before.ab, ab, flow, trusted)),
        flicker.alone + float(_change(before.alone, alone, flow, trusted)),
        flicker.pixels + int(trusted.sum()),
        flicker.shots,
    )
    return Followed(grey, values, seen, ab, alone, flicker)


def to_arrays(followed: Followed) -> dict[str, np.ndarray]:
    """All that the next picture needs, to be kept."""
    return {name: np.asarray(x) for name, x in followed._asdict().items()}


def from_arrays(arrays: dict[str, np.ndarray]) -> Followed:
    """What `to_arrays` kept."""
    steady, alone, pixels, shots = arrays["flicker"].tolist()
    flicker = Flicker(steady, alone, int(pixels), int(shots))
    return Followed(**{**arrays, "flicker": flicker})


_log_softmax = jax.jit(lambda logits: jax.nn.log_softmax(logits.astype(jnp.float32)))


def _average(before, seen, values, flow, trusted, stride):
    """The running mean along motion, and of how many pictures it is."""
    height, width = values.shape[:2]
    # The grid may have a row and a column beyond the last pixel.
    rows = jnp.minimum(stride * jnp.arange(height), len(flow) - 1)
    columns = jnp.minimum(stride * jnp.arange(width), flow.shape[1] - 1)
    flow, trusted = (x[rows[:, None], columns] for x in (flow / stride, trusted))
    return _running_mean(before, seen, values, flow, trusted)


@jax.jit
def _running_mean(
    before: Float[Array, "h w c"],
    seen: Float[Array, "h w"],
    values: Float[Array, "h w c"],
    flow: Float[Array, "h w 2"],
    trusted: Bool[Array, "h w"],
) -> tuple[Float[Array, "h w c"], Float[Array, "h w"]]:
    moved = _moved(before, flow)
    seen = _moved(seen[..., None], flow)[..., 0]
    seen = jnp.where(trusted, jnp.minimum(seen + 1, MEMORY), 1)
    return moved + (values - moved) / seen[..., None], seen


@jax.jit
def _change(
    before: Float[Array, "h w 2"],
    now: Float[Array, "h w 2"],
    flow: Float[Array, "h w 2"],
    trusted: Bool[Array, "h w"],
) -> Float[Array, ""]:
    """The sum of |changes| of ab where the motion is trusted."""
    change = jnp.linalg.norm(now - _moved(before, flow), axis=-1)
    return jnp.where(trusted, change, 0).sum()


def _moved(
    x: Float[Array, "h w c"], flow: Float[Array, "h w 2"]
) -> Float[Array, "h w c"]:
    """What `x` has where `flow`, in its pixels, leads: bilinear."""
    height, width = x.shape[:2]
    column = jnp.clip(jnp.arange(width) + flow[..., 0], 0, width - 1)
    row = jnp.clip(jnp.arange(height)[:, None] + flow[..., 1], 0, height - 1)
    left, top = jnp.floor(column).astype(int), jnp.floor(row).astype(int)
    right, low = jnp.minimum(left + 1, width - 1), jnp.minimum(top + 1, height - 1)
    across, down = (column - left)[..., None], (row - top)[..., None]
    upper = x[top, left] * (1 - across) + x[top, right] * across
    lower = x[low, left] * (1 - across) + x[low, right] * across
    return upper * (1 - down) + lower * down
