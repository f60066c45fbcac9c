"""PyTorch's side of Zhang et al. 2017, in float64.

`siggraph17` has losses and gradients of training. `published` and `caffe` run the nets
of the files, by the names of their layers.
"""

import numpy as np
import torch
from golden.published import COLORIZER
from golden.siggraph17_tensors import HEADS, TRAINED, inputs
from golden.torch_adversarial import Leaves, Tensor, conv, deconv
from golden.weights import examples
from torch.nn import functional

from colorjax.quantize import ab_bins


def siggraph17() -> dict[str, np.ndarray]:
    """Losses and gradients of both stages with hints and histograms."""
    pictures, hints, arrays = examples(), inputs(24, 32), {}
    both = {key: np.concatenate([hints[key]] * 2) for key in ("local", "globe")}
    for values in both.values():
        values[2:] = 0  # of the images that do not count
    for stage, head in HEADS.items():
        leaves = Leaves()
        ab, logits = net(leaves, pictures["lightness"], both, stage, head)
        loss = total_loss(ab, logits, pictures)
        arrays[f"{stage}/loss"] = np.asarray(loss.item())
        arrays |= leaves.gradients(loss, stage)
    return arrays | both


def total_loss(ab, logits, pictures) -> Tensor:
    """Huber's loss of ab and the cross-entropy with dense soft codes."""
    target = torch.as_tensor(pictures["ab"]).double()
    huber = functional.huber_loss(ab, target, reduction="none", delta=1.0).sum(-1)
    bins = torch.as_tensor(ab_bins()).double()
    distance = (target[:, ::4, ::4, None] - bins).square().sum(-1)
    near = distance.sort(dim=-1, stable=True).indices[..., :5]
    code = torch.zeros_like(distance)
    code.scatter_(-1, near, torch.exp(-distance.gather(-1, near) / 50))
    code /= code.sum(-1, keepdim=True)
    entropy = -(code * logits.log_softmax(-1)).sum(-1)
    each = huber.mean((1, 2)) + entropy.mean((1, 2))
    counted = (target.abs() > 5).flatten(1).any(1) * torch.as_tensor(pictures["mask"])
    return (each * counted).sum() / len(each)


def net(leaves, lightness, hints, stage, head) -> tuple[Tensor, Tensor]:
    """ab and logits, channels last, with the statistics of the batch."""

    def width(channels):
        return round(channels * TRAINED)

    def layer(name, x, channels, size=3, dilation=1):
        if dilation == 1:
            padding = size // 2
            return conv(leaves, f"params/{name}", x, channels, size, padding=padding)
        kernel = leaves.get(f"params/{name}/kernel", 3, 3, x.shape[1], channels)
        bias = leaves.get(f"params/{name}/bias", channels)
        kernel = kernel.permute(3, 2, 0, 1)
        return functional.conv2d(x, kernel, bias, padding=dilation, dilation=dilation)

    def up(name, x, channels):
        return deconv(leaves, f"params/{name}", x, channels, 4)

    def norm(name, x):
        scale, bias = (
            leaves.get(f"params/{name}/{part}", x.shape[1])
            for part in ("scale", "bias")
        )
        return functional.batch_norm(x, None, None, scale, bias, True, eps=1e-5)

    def histogram():
        x = torch.as_tensor(hints["globe"]).double()[:, :, None, None]
        for number in range(1, 5):
            x = layer(f"globe{number}", x, width(512), size=1).relu()
            x = norm(f"globe_norm{number}", x)
        return x

    def stop(x, stopping):
        return x.detach() if stopping else x

    guided = stage == "guided"
    lightness, local = first(lightness), first(hints["local"])
    ab, mask = local.split([2, 1], 1)
    x = torch.cat([lightness / 100 - 0.5, mask * ab / 110, mask], 1)
    outputs = {}
    for block, (channels, depth) in enumerate(COLORIZER, start=1):
        for number in range(1, depth + 1):
            name, dilation = f"conv{block}_{number}", 1 + (block in (5, 6))
            x = layer(name, x, width(channels), dilation=dilation).relu()
        x = outputs[block] = norm(f"norm{block}", x)
        x = x[:, :, ::2, ::2] if block < 4 else x
        x = x + histogram() if block == 4 else x
    x = up("conv8_1", x, width(256)) + layer("short8", outputs[3], width(256))
    x = layer("conv8_2", x.relu(), width(256)).relu()
    x = norm("norm8", layer("conv8_3", x, width(256)).relu())
    y = stop(x, guided)
    if head == "column":
        y = layer("column8", y, width(384))
        y = y + layer("column3", stop(outputs[3], guided), width(384))
        for number in range(4, 8):
            y = y + up(f"column{number}", stop(outputs[number], guided), width(384))
        y = y.relu()
    logits = layer("head", y, 313, size=1)
    x = stop(x, not guided)
    for number, skip in ((9, 2), (10, 1)):
        skipped = layer(f"short{number}", stop(outputs[skip], not guided), width(128))
        x = (up(f"conv{number}_1", x, width(128)) + skipped).relu()
        x = layer(f"conv{number}_2", x, width(128))
        x = norm("norm9", x.relu()) if number == 9 else functional.leaky_relu(x, 0.2)
    ab = 110 * layer("out", x, 2, size=1).tanh()
    return ab.permute(0, 2, 3, 1), logits.permute(0, 2, 3, 1)


def first(array) -> Tensor:
    """Channels first, in float64."""
    return torch.as_tensor(array).double().permute(0, 3, 1, 2)


def published(tensors, mask_center: float) -> tuple[Tensor, Tensor]:
    """ab and the 529 logits of the PyTorch file, for `inputs()`."""
    tensors = {key: torch.as_tensor(x).double() for key, x in tensors.items()}

    def layer(key, x, padding=1, dilation=1):
        weight, bias = tensors[f"{key}.weight"], tensors[f"{key}.bias"]
        return functional.conv2d(x, weight, bias, 1, padding, dilation)

    def up(key, x):
        weight, bias = tensors[f"{key}.weight"], tensors[f"{key}.bias"]
        return functional.conv_transpose2d(x, weight, bias, 2, 1)

    def norm(key, x):
        parts = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(tensors[f"{key}.{part}"] for part in parts))

    lightness, local = (first(inputs()[key]) for key in ("lightness", "local"))
    ab, mask = local.split([2, 1], 1)
    x = torch.cat([(lightness - 50) / 100, mask * ab / 110, mask - mask_center], 1)
    skips = {}
    for block, (_, depth) in enumerate(COLORIZER, start=1):
        dilation = 2 if block in (5, 6) else 1
        for place in range(0, 2 * depth, 2):
            x = layer(f"model{block}.{place}", x, dilation, dilation).relu()
        x = skips[block] = norm(f"model{block}.{2 * depth}", x)
        x = x[:, :, ::2, ::2] if block < 4 else x
    x = (up("model8up.0", x) + layer("model3short8.0", skips[3])).relu()
    x = layer("model8.3", layer("model8.1", x).relu()).relu()
    x = norm("model8.5", x)
    logits = layer("model_class.0", x, padding=0)
    x = (up("model9up.0", x) + layer("model2short9.0", skips[2])).relu()
    x = norm("model9.3", layer("model9.1", x).relu())
    x = (up("model10up.0", x) + layer("model1short10.0", skips[1])).relu()
    x = functional.leaky_relu(layer("model10.1", x), 0.2)
    return 110 * layer("model_out.0", x, padding=0).tanh(), logits


def caffe(layers) -> tuple[Tensor, Tensor | None]:
    """ab, and the 313 logits if there are any, of a Caffe file, for `inputs()`."""
    blobs = {
        name: [torch.as_tensor(x).double() for x in own] for name, own in layers.items()
    }

    def layer(name, x, padding=1, dilation=1):
        return functional.conv2d(x, *blobs[name], 1, padding, dilation)

    def up(name, x):
        return functional.conv_transpose2d(x, *blobs[name], stride=2, padding=1)

    def norm(name, x):
        mean, var, total = (x[:, None, None] for x in blobs[name])
        return (x - mean / total) / (var / total + 1e-5).sqrt()

    lightness, local = (first(inputs()[key]) for key in ("lightness", "local"))
    ab, mask = local.split([2, 1], 1)
    x = layer("bw_conv1_1", lightness - 50)
    if "ab_conv1_1" in blobs:
        x = x + layer("ab_conv1_1", torch.cat([mask * ab, 110 * mask], 1))
    skips = {}
    for block, (_, depth) in enumerate(COLORIZER, start=1):
        dilation = 2 if block in (5, 6) else 1
        for number in range(1, depth + 1):
            name = f"conv{block}_{number}"
            x = (x if name == "conv1_1" else layer(name, x, dilation, dilation)).relu()
        x = skips[block] = norm(f"{name}norm", x)
        x = x[:, :, ::2, ::2] if block < 4 else x
        if block == 4 and "glob_conv1" in blobs:
            y = torch.as_tensor(inputs()["globe"]).double()[:, :, None, None]
            nothing = torch.zeros(len(y), 2, 1, 1).double()
            y = layer("glob_conv1", y, 0) + layer("s_conv1", nothing, 0)
            y = norm("s_glob_conv1norm", y.relu())
            for number in range(2, 5):
                y = layer(f"glob_conv{number}", y, 0).relu()
                y = norm(f"glob_conv{number}norm", y)
            x = x + y
    x = (up("conv8_1", x) + layer("conv3_3_short", skips[3])).relu()
    x = layer("conv8_3", layer("conv8_2", x).relu()).relu()
    x = skips[8] = norm("conv8_3norm", x)
    logits = None
    if "pred_313" in blobs:
        y = layer("conv3_pred", skips[3]) + layer("conv8_pred", skips[8])
        y = y + sum(up(f"conv{number}_pred", skips[number]) for number in range(4, 8))
        logits = layer("pred_313", y.relu(), 0)
    x = (up("conv9_1", x) + layer("conv2_2_short", skips[2])).relu()
    x = norm("conv9_2norm", layer("conv9_2", x).relu())
    x = (up("conv10_1", x) + layer("conv1_2_short", skips[1])).relu()
    x = functional.leaky_relu(layer("conv10_2", x), 0.2)
    return 100 * layer("conv10_ab", x, 0).tanh(), logits
