"""The paper's network in plain PyTorch, to be compared with colorjax: `VGGDilated`.

Written from the paper's table of layers alone. `leaves` pairs its tensors with those of
the Flax net; `load` fills them from there.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

# (channels at full width, stride of each convolution, dilation)
BLOCKS = (
    (64, (1, 2), 1),
    (128, (1, 2), 1),
    (256, (1, 1, 2), 1),
    (512, (1, 1, 1), 1),
    (512, (1, 1, 1), 2),
    (512, (1, 1, 1), 2),
    (512, (1, 1, 1), 1),
)


class VGGDilated(nn.Sequential):
    """L in [0, 100], [b 1 h w], to [b outputs h/4 w/4]; BatchNorm has no parameters."""

    def __init__(self, outputs: int, width: float = 1.0):
        super().__init__()
        wide = 1
        for block, (channels, strides, dilation) in enumerate(BLOCKS, start=1):
            for layer, stride in enumerate(strides, start=1):
                before, wide = wide, round(channels * width)
                conv = nn.Conv2d(before, wide, 3, stride, dilation, dilation)
                self._add(f"conv{block}_{layer}", conv)
            self.add_module(f"norm{block}", nn.BatchNorm2d(wide, affine=False))
        before, wide = wide, round(256 * width)
        self._add("conv8_1", nn.ConvTranspose2d(before, wide, 4, stride=2, padding=1))
        self._add("conv8_2", nn.Conv2d(wide, wide, 3, padding=1))
        self._add("conv8_3", nn.Conv2d(wide, wide, 3, padding=1))
        self.add_module("head", nn.Conv2d(wide, outputs, 1))

    def _add(self, name: str, conv: nn.Module) -> None:
        self.add_module(name, conv)
        self.add_module(f"{name}_relu", nn.ReLU())

    def forward(self, lightness: torch.Tensor) -> torch.Tensor:
        return super().forward((lightness - 50) / 100)


def leaves(net: VGGDilated) -> Iterator[tuple[str, torch.Tensor, tuple[int, ...]]]:
    """Path in the Flax tree, tensor, and the axes that permute it to Flax's layout."""
    for name, module in net.named_children():
        if isinstance(module, nn.BatchNorm2d):
            yield f"batch_stats/{name}/mean", module.running_mean, (0,)
            yield f"batch_stats/{name}/var", module.running_var, (0,)
        elif not isinstance(module, nn.ReLU):
            transposed = isinstance(module, nn.ConvTranspose2d)
            axes = (2, 3, 0, 1) if transposed else (2, 3, 1, 0)
            yield f"params/{name}/kernel", module.weight, axes
            yield f"params/{name}/bias", module.bias, (0,)


def load(net: VGGDilated, values: Mapping[str, np.ndarray]) -> None:
    """Fill the net with arrays in Flax's layout, by path."""
    for path, tensor, axes in leaves(net):
        tensor.data.permute(axes).copy_(torch.tensor(values[path]))
