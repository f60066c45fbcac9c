"""Noise that is smooth over a picture: `smooth_noise`."""

import numpy as np
from jaxtyping import Float

LENGTH = 0.5  # of the picture's long side: how far the noise is alike
WAVES = 4  # half-waves along a side; the next would have 3e-9 of the first's variance


def smooth_noise(
    size: tuple[int, int], channels: int, seed: int
) -> Float[np.ndarray, "h w c"]:
    """Gaussian noise of unit variance everywhere, correlated over half the long side.

    A sum of cosines with normal amplitudes whose variance falls off like a Gaussian; it
    depends on the seed and on where in the picture a pixel is, not on the resolution.
    """
    amplitude = np.random.default_rng(seed).normal(size=(WAVES, WAVES, channels))
    down, across = (
        _waves(length, length / max(size)).astype(np.float32) for length in size
    )
    return np.einsum("yi,xj,ijc->yxc", down, across, amplitude.astype(np.float32))


def _waves(length: int, side: float) -> Float[np.ndarray, "length waves"]:
    """Cosines along a side, `side` of the long one, scaled so that at every place
    their squares sum to 1."""
    waves = np.arange(WAVES)
    place = (np.arange(length) + 0.5) / length
    deviation = np.exp(-((np.pi * waves * LENGTH / side) ** 2) / 4)
    curves = deviation * np.cos(np.pi * waves * place[:, None])
    return curves / np.sqrt((curves**2).sum(1, keepdims=True))
