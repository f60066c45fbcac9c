"""The luma of decoded frames in any pixel format: `coding_of`, `read_luma`.

Levels stay as they are where the written video can hold them, which has 8 or 10 bits.
Grey and RGB formats use all levels; they are written as full-range luma.
"""

import av
import numpy as np
from av.video.reformatter import Colorspace
from jaxtyping import Float, Integer

from colorjax.apps.video.ycbcr import ColorCoding, Luma

WEIGHTS = {  # of red and blue in luma, by matrix number of ITU-T H.273
    1: (0.2126, 0.0722),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
BT709, BT601 = 1, 6
HIGH = 720  # lines; untagged videos with as many or more count as BT.709
LIMITED_RANGE, FULL_RANGE = 1, 2
PLANAR = ("yuv4", "yuvj4", "yuva4", "nv")  # the first plane holds luma


def matrix_of(frame: av.VideoFrame) -> int:
    """The frame's matrix number, or the usual one for its height."""
    if int(frame.colorspace) in WEIGHTS:
        return int(frame.colorspace)
    return BT709 if frame.height >= HIGH else BT601


def coding_of(frame: av.VideoFrame) -> ColorCoding:
    """The coding of a written video that keeps the luma levels of `frame`."""
    depth = 10 if max(c.bits for c in frame.format.components) > 8 else 8
    return ColorCoding(WEIGHTS[matrix_of(frame)], depth, is_full_range(frame))


def is_full_range(frame: av.VideoFrame) -> bool:
    """Whether black and white are the first and last level of the frame."""
    name = frame.format.name
    if _is_rgb(frame.format) or name.startswith("yuvj"):
        return True
    if _is_grey(frame.format):  # as ffmpeg has it: full unless tagged as limited
        return frame.color_range != LIMITED_RANGE
    return frame.color_range == FULL_RANGE


def read_luma(frame: av.VideoFrame, coding: ColorCoding) -> Luma:
    """The luma of a frame, converted to `coding` if it has another range or depth."""
    if _is_rgb(frame.format):
        return coding.to_luma(_luma_of_rgb(frame, coding))
    levels, depth = _luma_levels(frame)
    source = ColorCoding(coding.weights, depth, is_full_range(frame))
    if source[1:] == coding[1:]:
        return levels.astype(np.uint8 if depth == 8 else np.uint16)
    black, white = source.black_white
    return coding.to_luma((levels - np.float32(black)) / np.float32(white - black))


def _luma_levels(frame: av.VideoFrame) -> tuple[Integer[np.ndarray, "h w"], int]:
    """The luma levels of a grey or Y'CbCr frame, and their depth in bits."""
    form = frame.format
    bits = form.components[0].bits
    planar = form.name.startswith(PLANAR) or (_is_grey(form) and "f" not in form.name)
    if not planar or bits < 8:
        # swscale converts packed formats. The range stays, so levels stay.
        matrix = {1: Colorspace.ITU709, 9: Colorspace.BT2020}.get(matrix_of(frame))
        spaces = dict.fromkeys(("src_colorspace", "dst_colorspace"), matrix)
        number = FULL_RANGE if is_full_range(frame) else LIMITED_RANGE
        ranges = dict.fromkeys(("src_color_range", "dst_color_range"), number)
        grey, name = _is_grey(form), "yuv444p" if bits <= 8 else "yuv444p16le"
        if grey:
            name = "gray" if bits <= 8 else "gray16le"
        frame = frame.reformat(format=name, **ranges, **spaces)
        bits = frame.format.components[0].bits
    alphas = form.name.startswith("ya")  # grey and alpha alternate
    return _plane(frame, 0)[:, :: 2 if alphas else 1][:, : frame.width], bits


def _luma_of_rgb(frame: av.VideoFrame, coding: ColorCoding) -> Float[np.ndarray, "h w"]:
    """Luma, 0 to 1, of an RGB frame."""
    if not frame.format.name.startswith("gb") or "f" in frame.format.name:
        deep = max(c.bits for c in frame.format.components) > 8
        frame = frame.reformat(format="gbrp16le" if deep else "gbrp")
    top = np.float32((1 << frame.format.components[0].bits) - 1)
    green, blue, red = (_plane(frame, i)[:, : frame.width] / top for i in range(3))
    of_red, of_blue = (np.float32(x) for x in coding.weights)
    return green + of_red * (red - green) + of_blue * (blue - green)


def _plane(frame: av.VideoFrame, index: int) -> Integer[np.ndarray, "h w2"]:
    """The levels of a plane, with the padding at the end of its rows."""
    order = ">" if frame.format.is_big_endian else "<"
    size = 1 if frame.format.components[index].bits <= 8 else 2
    levels = np.frombuffer(memoryview(frame.planes[index]), f"{order}u{size}")
    return levels.reshape(frame.planes[index].height, -1)


def _is_grey(form: av.VideoFormat) -> bool:
    return form.name.startswith(("gray", "ya", "mono"))


def _is_rgb(form: av.VideoFormat) -> bool:
    return form.is_rgb or form.has_palette or form.name.startswith("xyz")
