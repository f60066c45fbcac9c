"""Which values of a file's samples are black and white, and the samples as levels."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8, UInt16

from colorjax.errors import UserError

REMEDY = "give the values of black and white, --levels MIN,MAX"


Range = tuple[int | float, int | float]  # the values of black and white


class Levels(NamedTuple):
    """The values of black and of white, and what a user should know of them."""

    black: int | float
    white: int | float
    note: str = ""


def choose(
    samples: Shaped[np.ndarray, "h w c"],
    bits: int,
    tags: tuple[int | float | None, int | float | None],
    chosen: Range | None,
    name: str,
) -> Levels:
    """The levels of samples, from their type, and never from the samples.

    `bits` are those of a sample in the file, `tags` its SMinSampleValue and
    SMaxSampleValue, `chosen` what the user gives. Unsigned integers go up to
    2^bits - 1, and floats to 1. Raises `UserError` where the type does not tell, which
    the samples then show: most floats are above 1, or wide integers are all black.
    """
    if chosen is not None:
        return Levels(*chosen)
    kind, (low, high) = samples.dtype.kind, tags
    if high is not None and high > (low or 0):
        return Levels(low or 0, high)
    if kind == "i":
        raise UserError(
            f"{name}: its signed integers do not tell which value is black and which "
            f"is white; {REMEDY}"
        )
    if kind == "f":
        return _of_floats(samples, name)
    if kind != "u":
        raise UserError(f"{name}: samples of type {samples.dtype} are not read")
    white = 2**bits - 1
    if bits > 8 and 0 < (brightest := int(samples.max())) <= white // 16:
        if bits > 16 and brightest <= white // 256:
            raise UserError(
                f"{name}: white is {white}, and its brightest sample is {brightest}; "
                f"{REMEDY}"
            )
        used = 2 ** brightest.bit_length() - 1
        return Levels(
            0,
            white,
            f"it is dark: white is {white}, and its brightest sample is {brightest}; "
            f"if the scan has fewer bits, use --levels 0,{used}",
        )
    return Levels(0, white)


def _of_floats(samples: Shaped[np.ndarray, "h w c"], name: str) -> Levels:
    above = np.count_nonzero(samples > 1)
    if not above:
        return Levels(0, 1)
    brightest = float(np.nanmax(samples))
    if above > np.count_nonzero(samples > 0) / 2:
        raise UserError(
            f"{name}: most of its floats are above 1, up to {brightest:g}, and no tag "
            f"tells which value is white; {REMEDY}"
        )
    return Levels(
        0,
        1,
        f"its floats above 1 (up to {brightest:g}) become white; --levels MIN,MAX "
        "changes that",
    )


def scale(
    samples: Shaped[np.ndarray, "h w c"], levels: Levels
) -> UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]:
    """The samples as 16-bit levels, or as the 8 or 16 bits that they are already."""
    kind = samples.dtype
    if kind in (np.uint8, np.uint16) and levels[:2] == (0, np.iinfo(kind).max):
        return samples.astype(kind.newbyteorder("="), copy=False)
    result = np.empty(samples.shape, np.uint16)
    unit = 65535 / (levels.white - levels.black)
    # Row by row, so that no 64-bit copy of the whole picture is in memory.
    for row, values in zip(result, samples, strict=True):
        scaled = np.nan_to_num((values.astype(np.float64) - levels.black) * unit)
        row[:] = np.round(scaled.clip(0, 65535))
    return result
