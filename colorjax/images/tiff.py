"""TIFF files: their pages, and the samples of pages that Pillow does not read in full.

Pillow reads pages of at most 8 bits. tifffile and imagecodecs read the others. Both are
imported when the first TIFF file is read.
"""

import contextlib
import io
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt16

from colorjax.images import exif, icc, levels
from colorjax.images.exif import Exif
from colorjax.images.reduce import Picture as Samples

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # the last two are of BigTIFF
MAX_PAGES = 10_000
REDUCED, MASK = 1, 4  # bits of NewSubfileType
WHITE_IS_0, BLACK_IS_0, RGB, CMYK, CIELAB, ICCLAB = 0, 1, 2, 5, 8, 9  # photometric
CHANNELS = {WHITE_IS_0: 1, BLACK_IS_0: 1, RGB: 3, CMYK: 4, CIELAB: 3, ICCLAB: 3}
PREMULTIPLIED, ALPHA = 1, 2  # of ExtraSamples
ICC_PROFILE = 34675


class Page(NamedTuple):
    """A page of a file: its place, tifffile's record of it, and its tags."""

    place: int
    record: Any
    tags: Exif

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, as stored."""
        return self.record.imagelength, self.record.imagewidth

    @property
    def profile(self) -> bytes | None:
        """Its ICC profile."""
        tag = self.tags.first.get(ICC_PROFILE)
        return tag.data if tag else None

    def numbers(self, tag: str) -> tuple[int | float, ...]:
        """The values of a tag of numbers; empty if there is none."""
        value = getattr(self.record.tags.get(tag), "value", ())
        values = value if isinstance(value, tuple | bytes) else (value,)
        return tuple(x for x in values if isinstance(x, int | float))


class Decoded(NamedTuple):
    """The pixels of a page in sRGB, not turned upright, and what a user should know."""

    picture: Samples
    notes: list[str]


@contextlib.contextmanager
def opened(data: bytes) -> Iterator[list[Page]]:
    """The pages of a file that are pictures: no thumbnails and no masks.

    They can be decoded inside of the context. If all are marked as thumbnails, all
    count. Raises exceptions of any kind.
    """
    import tifffile

    big = data[:4] in MAGIC[2:]
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        if len(file.pages) == 0:
            raise ValueError("it ends before its first page")
        if len(file.pages) > MAX_PAGES:
            raise ValueError(f"it has more than {MAX_PAGES:,} pages")
        records = [file.pages[i] for i in range(len(file.pages))]
        every = [
            Page(i, record, exif.read_tags(data, record.offset, big))
            for i, record in enumerate(records)
        ]
        yield [page for page in every if not _is_aside(page)] or every


def _is_aside(page: Page) -> bool:
    """Whether a page is a thumbnail or a mask of another."""
    kind, old = page.numbers("NewSubfileType"), page.numbers("SubfileType")
    return bool((kind and int(kind[0]) & (REDUCED | MASK)) or old[:1] == (2,))


def is_plain(page: Page) -> bool:
    """Whether Pillow reads a page in full: at most 8 bits, whose levels are clear."""
    bits = page.numbers("BitsPerSample") or (1,)
    formats = page.numbers("SampleFormat") or (1,)
    return (
        max(bits) <= 8
        and set(formats) <= {1, 4}
        and not page.numbers("SMaxSampleValue")
        and page.record.photometric not in (CIELAB, ICCLAB)
    )


def decode(page: Page, name: str, chosen: levels.Range | None) -> Decoded:
    """The pixels of a page, with alpha if it has any. `chosen` are black and white.

    Raises `UserError` if its levels are not clear, and exceptions of any kind.
    """
    photometric = page.record.photometric
    if photometric not in CHANNELS:
        raise ValueError(f"its color space, {photometric.name}, is not read")
    samples = _samples(page)
    count = CHANNELS[photometric]
    if samples.shape[2] < count:
        raise ValueError("its headers disagree about its channels")
    colors, extra = samples[..., :count], samples[..., count:]
    notes = []
    if photometric in (CIELAB, ICCLAB):
        colors = icc.lab_to_srgb(_lab(colors, photometric))
        profile = None
    else:
        colors, notes = _scaled(colors, page, name, chosen)
        profile = page.profile
    if photometric == WHITE_IS_0:
        colors = np.iinfo(colors.dtype).max - colors
    alpha, kind = _alpha(extra, page, colors.dtype)
    if extra.shape[2] > (alpha is not None):
        notes.append("a channel that is neither color nor alpha is left out")
    if alpha is not None and kind == PREMULTIPLIED:
        colors = _divided(colors, alpha)
    picture = icc.to_srgb(colors, profile)
    if alpha is not None:
        picture = np.concatenate([picture, alpha], axis=2)
    return Decoded(picture, notes)


def _samples(page: Page) -> Shaped[np.ndarray, "h w c"]:
    import tifffile

    record, (height, width) = page.record, page.size
    if record.size > 64 * height * width:  # tifffile read other tags than Pillow
        raise ValueError("its headers disagree about its size")
    samples = record.asarray(maxworkers=1)
    if samples.ndim == 3 and record.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
        samples = np.moveaxis(samples, 0, 2)
    if samples.ndim not in (2, 3) or samples.shape[:2] != (height, width):
        raise ValueError("its headers disagree about its size")
    return np.atleast_3d(samples)


def _scaled(
    colors: Shaped[np.ndarray, "h w c"],
    page: Page,
    name: str,
    chosen: levels.Range | None,
) -> tuple[Samples, list[str]]:
    """The samples as levels, and notes on what that loses."""
    bits = int(max(page.numbers("BitsPerSample") or (1,)))
    low = min(page.numbers("SMinSampleValue"), default=None)
    high = max(page.numbers("SMaxSampleValue"), default=None)
    own = levels.choose(colors, bits, (low, high), chosen, name)
    notes = [own.note] if own.note else []
    if colors.dtype.kind == "f" or bits > 16:
        kind = "floats" if colors.dtype.kind == "f" else "integers"
        notes.append(f"its {bits}-bit {kind} become 16-bit integers")
    return levels.scale(colors, own), notes


def _alpha(
    extra: Shaped[np.ndarray, "h w c"], page: Page, dtype: np.dtype
) -> tuple[Samples | None, int]:
    """The alpha channel among the extra ones, and its kind."""
    for i, kind in enumerate(page.numbers("ExtraSamples")[: extra.shape[2]]):
        if kind in (PREMULTIPLIED, ALPHA):
            alpha = extra[..., i : i + 1]
            top = 1.0 if alpha.dtype.kind == "f" else float(np.iinfo(alpha.dtype).max)
            scaled = levels.scale(alpha, levels.Levels(0, top))
            if dtype == np.uint16 and scaled.dtype == np.uint8:
                scaled = scaled * np.uint16(257)
            return scaled, int(kind)
    return None, 0


def _divided(colors: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colors without the alpha that multiplies them."""
    top = int(np.iinfo(colors.dtype).max)
    result = np.empty(colors.shape, colors.dtype)
    for row, values, opacity in zip(result, colors, alpha, strict=True):
        whole = np.maximum(opacity.astype(np.uint64), 1)
        row[:] = ((values * np.uint64(top) + whole // 2) // whole).clip(0, top)
    return result


def _lab(
    samples: Shaped[np.ndarray, "h w 3"], photometric: int
) -> UInt16[np.ndarray, "h w 3"]:
    """Lab as `icc.lab_to_srgb` takes it (TIFF 6.0, section 23; ICC TIFF note).

    CIELAB has signed a and b. ICCLAB has them shifted; of 16 bits, 65280 is 100 of L.
    """
    if samples.dtype.itemsize > 2 or samples.dtype.kind not in "iu":
        raise ValueError(f"its Lab samples of type {samples.dtype} are not read")
    wide = samples.dtype.itemsize == 2
    words = samples.astype(samples.dtype.newbyteorder("="))
    words = words.view(np.uint16 if wide else np.uint8)
    if photometric == CIELAB:
        words[..., 1:] += 1 << (15 if wide else 7)  # wraps around
    result = words * np.float32(257 / 256 if wide else 257)
    if photometric == CIELAB and wide:
        result[..., 0] = words[..., 0]
    return np.round(result.clip(0, 65535)).astype(np.uint16)
