"""DeOldify in PyTorch, by the names of the published files: `deoldify`.

The net is written from the layers of its author's code. Its tensors are those of
`golden.deoldify_tensors`.
"""

import torch
from golden.deoldify_tensors import DEPTHS
from golden.torch_ddcolor import batch_norm, blurred, kernel_conv, spectral_kernel
from torch.nn import functional

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def deoldify(tensors, rgb: torch.Tensor, form: str) -> torch.Tensor:
    """RGB [b 3 h w] in [0, 1] of greys, RGB in [0, 1], in evaluation mode."""
    grey = (rgb - MEAN) / STD
    *skips, x = features(tensors, grey, form)
    x = batch_norm(tensors, "layers.1", x).relu()
    for place in range(2):
        x = conv_relu_norm(tensors, f"layers.3.{place}", x)
    for number in range(4):
        x = block(tensors, f"layers.{number + 4}", x, skips.pop(), form)
        if number == 1:
            last = "conv2" if form == "deep" else "conv"
            x = attention(tensors, f"layers.5.{last}.3", x)
    lengths, directions = (tensors[f"layers.8.conv.0.weight_{p}"] for p in "gv")
    kernel = (
        lengths * directions / directions.flatten(1).norm(dim=1)[:, None, None, None]
    )
    x = functional.conv2d(x, kernel, tensors["layers.8.conv.0.bias"]).relu()
    x = y = torch.cat([blurred(x, 2), grey], 1)
    for place in range(2):
        y = kernel_conv(tensors, f"layers.10.layers.{place}.0", y).relu()
    x = 6 * kernel_conv(tensors, "layers.11.0", x + y).sigmoid() - 3
    return (x * STD + MEAN).clamp(0, 1)


def block(tensors, key, x, skip, form) -> torch.Tensor:
    x = kernel_conv(tensors, f"{key}.shuf.conv.0", x)
    x = blurred(batch_norm(tensors, f"{key}.shuf.conv.1", x).relu(), 2)
    if x.shape != skip.shape:
        x = functional.interpolate(x, skip.shape[2:], mode="nearest")
    x = torch.cat([x, batch_norm(tensors, f"{key}.bn", skip)], 1).relu()
    for name in ("conv1", "conv2") if form == "deep" else ("conv",):
        x = conv_relu_norm(tensors, f"{key}.{name}", x)
    return x


def conv_relu_norm(tensors, key, x) -> torch.Tensor:
    return batch_norm(tensors, f"{key}.2", kernel_conv(tensors, f"{key}.0", x).relu())


def attention(tensors, key, x) -> torch.Tensor:
    flat = x.flatten(2)
    query, keys, values = (
        functional.conv1d(flat, spectral_kernel(tensors, f"{key}.{part}"))
        for part in ("query", "key", "value")
    )
    weights = (query.mT @ keys).softmax(1)
    return x + (tensors[f"{key}.gamma"] * (values @ weights)).reshape(x.shape)


def features(tensors, x, form) -> list[torch.Tensor]:
    """Those of ResNet behind its stem and its four stages."""

    def conv(x, key, norm, stride=1):
        kernel = tensors[f"{key}.weight"]
        x = functional.conv2d(x, kernel, None, stride, kernel.shape[-1] // 2)
        return batch_norm(tensors, norm, x)

    x = conv(x, "layers.0.0", "layers.0.1", 2).relu()
    found = [x]
    x = functional.max_pool2d(x, 3, 2, 1)
    for stage, depth in enumerate(DEPTHS[form]):
        for number in range(depth):
            key = f"layers.0.{stage + 4}.{number}"
            stride = 2 if stage and not number else 1
            convs, strided = (2, 1) if form == "deep" else (3, 2)
            y = x
            for place in range(1, convs + 1):
                y = conv(
                    y.relu() if place > 1 else y,
                    f"{key}.conv{place}",
                    f"{key}.bn{place}",
                    stride if place == strided else 1,
                )
            if f"{key}.downsample.0.weight" in tensors:
                x = conv(x, f"{key}.downsample.0", f"{key}.downsample.1", stride)
            x = (x + y).relu()
        found.append(x)
    return found
