"""From a rough place of a thing to its outline: `grow`.

GrabCut (Rother et al., "GrabCut: Interactive Foreground Extraction using Iterated Graph
Cuts", SIGGRAPH 2004) separates a thing from its surroundings by their colors. A grey
picture has no colors, so GrabCut gets three other values of each pixel: L, the mean of
L around it, and how much L varies there.
"""

from types import ModuleType

import numpy as np
from jaxtyping import Bool, Float, UInt8

from colorjax.errors import UserError, install_hint
from colorjax.images import Picture
from colorjax.inference.batching import to_working_size

SIDE = 224  # pixels of the short side
INSIDE, PROBABLE = 0.75, 0.4  # of the likelihood: surely and probably the thing
BLUR = 4.0  # pixels: the standard deviation of the Gaussian around a pixel
CONTRAST = 3.0  # times the standard deviation of L, in levels
ROUNDS = 3
GROUND = 0.01  # of the picture: GrabCut needs pixels that are not the thing
LEAST = 2  # pixels around the center that are always part of the thing


def lightness_of(picture: Picture) -> UInt8[np.ndarray, "h2 w2"]:
    """L from 0 to 255 of a picture with a short side of `SIDE` pixels."""
    cv2 = _opencv()
    small = to_working_size(picture, SIDE)
    return cv2.cvtColor(small, cv2.COLOR_RGB2LAB)[..., 0]


def grow(
    lightness: UInt8[np.ndarray, "h w"],
    likely: Float[np.ndarray, "h w"],
    center: tuple[float, float],
) -> Bool[np.ndarray, "h w"]:
    """The pixels of the thing at `center`, (x, y) in fractions of the sides.

    `likely` is 1 where the thing surely is, and 0 or less where it surely is not. If
    the thing is probable nearly everywhere, it is the whole picture. The pixels are
    connected. The result depends on nothing but the arguments.
    """
    if (likely <= PROBABLE).mean() < GROUND:
        return np.ones(lightness.shape, bool)
    cv2 = _opencv()
    row, column = (
        min(int(at * count), count - 1)
        for at, count in zip(center[::-1], lightness.shape, strict=True)
    )
    mask = np.full(lightness.shape, cv2.GC_BGD, np.uint8)
    mask[likely > 0] = cv2.GC_PR_BGD
    mask[likely > PROBABLE] = cv2.GC_PR_FGD
    surely = likely > INSIDE
    top, left = max(0, row - LEAST), max(0, column - LEAST)
    surely[top : row + LEAST + 1, left : column + LEAST + 1] = True
    mask[_connected(surely, row, column)] = cv2.GC_FGD
    models = np.zeros((1, 65)), np.zeros((1, 65))  # of OpenCV, for its own use
    cv2.setRNGSeed(0)
    cv2.grabCut(
        _features(lightness), mask, None, *models, ROUNDS, cv2.GC_INIT_WITH_MASK
    )
    return _connected((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), row, column)


def _features(lightness: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """What GrabCut sees of each pixel: L, and its mean and variation around the
    pixel."""
    cv2, level = _opencv(), lightness.astype(np.float32)
    mean = cv2.GaussianBlur(level, (0, 0), BLUR)
    variance = cv2.GaussianBlur(level**2, (0, 0), BLUR) - mean**2
    deviation = CONTRAST * np.sqrt(np.maximum(variance, 0))
    features = np.stack([level, mean, deviation], axis=-1)
    return np.clip(features, 0, 255).astype(np.uint8)


def _connected(mask: np.ndarray, row: int, column: int) -> Bool[np.ndarray, "h w"]:
    """The connected part of a mask that has the pixel (row, column)."""
    labels = _opencv().connectedComponents(mask.astype(np.uint8))[1]
    return labels == labels[row, column]


def _opencv() -> ModuleType:
    """OpenCV. Raises `UserError` if the extra `text` is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise UserError(f"text needs: {install_hint('text')}") from error
    return cv2
