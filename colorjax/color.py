"""sRGB <-> CIE Lab (D65, 2 degree observer) in JAX: `rgb_to_lab`, `lab_to_rgb`,
`into_gamut`.

Source: IEC 61966-2-1 for the transfer curve and the primaries, CIE 15 for Lab. Matrices
are applied elementwise, because the default precision of a matrix product (bfloat16 on
TPU, possibly TF32 on GPU) would cost tenths of an ab unit.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
XYZ_TO_RGB = (
    (3.24048134, -1.53715152, -0.49853633),
    (-0.96925495, 1.87599, 0.04155593),
    (0.05564664, -0.20404134, 1.05731107),
)
WHITE = (0.95047, 1.0, 1.08883)
EPSILON = (6 / 29) ** 3  # below this, CIE replaces the cube root by a line
SLOPE = (29 / 6) ** 2 / 3
HALVINGS = 10  # steps of the bisection for the chroma that fits the gamut
MARGIN = 2e-6  # linear light that rounding puts outside [0, 1]; moves L by 0.001


def _apply(matrix, x):
    columns = [x[..., i] for i in range(3)]
    rows = [sum(m * c for m, c in zip(row, columns, strict=True)) for row in matrix]
    return jnp.stack(rows, axis=-1)


def rgb_to_lab(rgb: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
    """sRGB in [0, 1] to Lab: L in [0, 100], a in [-86.2, 98.2], b in [-107.9, 94.5]."""
    linear = jnp.where(
        rgb > 0.04045,
        jnp.power((jnp.maximum(rgb, 0.04045) + 0.055) / 1.055, 2.4),
        rgb / 12.92,
    )
    t = _apply(RGB_TO_XYZ, linear) / jnp.asarray(WHITE, linear.dtype)
    f = jnp.where(t > EPSILON, jnp.cbrt(jnp.maximum(t, EPSILON)), SLOPE * t + 4 / 29)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return jnp.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def lab_to_rgb(lab: Float[Array, "... 3"]) -> Float[Array, "... 3"]:
    """Lab to sRGB in [0, 1]; colors outside the sRGB gamut are clipped per channel."""
    linear = _lab_to_linear(lab)
    rgb = jnp.where(
        linear > 0.0031308,
        1.055 * jnp.power(jnp.maximum(linear, 0.0031308), 1 / 2.4) - 0.055,
        12.92 * linear,
    )
    return jnp.clip(rgb, 0, 1)


def _lab_to_linear(lab):
    """Lab to linear light of the sRGB primaries, not clipped."""
    y = (lab[..., 0] + 16) / 116
    f = jnp.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    t = jnp.where(f > 6 / 29, f**3, (f - 4 / 29) / SLOPE)
    return _apply(XYZ_TO_RGB, t * jnp.asarray(WHITE, t.dtype))


def into_gamut(
    lab: Float[Array, "... 3"], halvings: int = HALVINGS
) -> Float[Array, "... 3"]:
    """Reduce the chroma of colors outside the sRGB gamut until they fit.

    L, in [0, 100], and the hue angle stay the same; clipping per channel would change
    both. The factor of the chroma is found by bisection, to 0.5 ** `halvings`.
    """

    def fits(scale):
        linear = _lab_to_linear(lab * scale_of(scale))
        return jnp.all((linear > -MARGIN) & (linear < 1 + MARGIN), axis=-1)

    def scale_of(scale):
        return jnp.stack([jnp.ones_like(scale), scale, scale], axis=-1)

    whole = jnp.ones_like(lab[..., 0])
    scale = jnp.zeros_like(whole)
    for i in range(1, halvings + 1):  # unrolled, so that XLA fuses it into one pass
        scale = jnp.where(fits(scale + 0.5**i), scale + 0.5**i, scale)
    return lab * scale_of(jnp.where(fits(whole), whole, scale))
