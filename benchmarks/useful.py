"""The work that training cannot do without: `useful_flops`."""

from colorjax.nets.vgg_dilated import BLOCKS
from colorjax.quantize import Q


def useful_flops(side: int) -> float:
    """FLOPs that training needs for a picture: thrice the multiply-adds forward."""
    total, channels = 0, 1
    for width, depth, stride, _ in BLOCKS:
        for layer in range(depth):
            side //= stride if layer == depth - 1 else 1
            total += 9 * channels * width * side**2
            channels = width
    total += 16 * channels * 256 * side**2  # the transposed convolution
    total += (2 * 9 * 256 * 256 + 256 * Q) * (2 * side) ** 2
    return 3 * 2 * total
