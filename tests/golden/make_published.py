"""Write the golden files that tests/pretrained/test_pretrained.py compares with.

    PYTHONPATH=.:tests python tests/golden/make_published.py [DIRECTORY]

These are files in PyTorch's formats, and the outputs of the colorizers, VGG-16,
Inception-v3 and EfficientNet-Lite0 in PyTorch for seeded weights and images.
"""

import pathlib
import sys

import jax.numpy as jnp
import numpy as np
import safetensors.torch
import torch
from golden import torch_siggraph17
from golden.clip_tensors import TOKENS, clip_tensors, minilm_tensors, sentences
from golden.clip_tensors import pictures as clip_pictures
from golden.ddcolor_tensors import ddcolor_tensors, grey
from golden.deoldify_tensors import dark_and_light, deoldify_tensors
from golden.published import (
    CIFAR,
    COLORIZER,
    LITE0,
    NARROW,
    SMALL,
    classifier_tensors,
    colorizer_layers,
    colorizer_tensors,
    inception_tensors,
    lightness,
    lite0_tensors,
    pictures,
)
from golden.siggraph17_tensors import caffe_layers, torch_tensors
from golden.torch_clip import image_tower, minilm, text_tower
from golden.torch_ddcolor import ddcolor
from golden.torch_deoldify import deoldify
from torch import nn
from torch.nn import functional

from colorjax.color import lab_to_rgb
from colorjax.quantize import ab_bins


def main(directory: pathlib.Path) -> None:
    files(directory)
    colorizer(directory)
    with torch.no_grad():
        for layout, name in ((CIFAR, "cifar"), (SMALL, "small")):
            tensors = to_torch(classifier_tensors(layout))
            rgb = channels_first(pictures(layout.side))
            save(directory, f"vgg16_{name}", logits=vgg16(layout, tensors, rgb))
        for original in (True, False):
            tensors = to_torch(inception_tensors(original))
            rgb = channels_first(2 * pictures(139) - 1)
            name = "original" if original else "torchvision"
            found = inception(tensors, rgb, original)
            save(directory, f"inception_{name}", features=found)
        save(directory, "lite0", **lite0(to_torch(lite0_tensors()), lightness()))
        rgb = channels_first(greys(grey())).double()
        save(directory, "ddcolor", ab=ddcolor(doubles(ddcolor_tensors()), rgb).float())
        rgb = channels_first(greys(dark_and_light())).double()
        forms = {
            form: deoldify(doubles(deoldify_tensors(form)), rgb, form).float()
            for form in ("deep", "wide")
        }
        save(directory, "deoldify", **forms)
        save(directory, "siggraph17", **siggraph17())
        save(directory, "clip", **clip())


def clip() -> dict[str, torch.Tensor]:
    """The vectors of CLIP for images, their places and texts; the states of MiniLM."""
    tensors, rgb = doubles(clip_tensors()), channels_first(clip_pictures()).double()
    tall = rgb[:, :, :8].repeat(1, 1, 2, 1)  # four patches by three
    found = {
        "images": image_tower(tensors, rgb),
        "places": image_tower(tensors, tall, places=True),
        "gelu": image_tower(tensors, rgb, activation=functional.gelu),
        "texts": text_tower(tensors, torch.tensor(TOKENS)),
    }
    found["minilm"] = minilm(
        doubles(minilm_tensors()), *(torch.tensor(x) for x in sentences())
    )
    return {key: x.float() for key, x in found.items()}


def siggraph17() -> dict[str, torch.Tensor]:
    """ab and logits of the files of Zhang et al. 2017."""
    nets = {
        "pytorch": torch_siggraph17.published(torch_tensors(), 0.0),
        "centered": torch_siggraph17.published(torch_tensors(), 0.5),
        "caffe": torch_siggraph17.caffe(caffe_layers(globe=False)),
        "globe": torch_siggraph17.caffe(caffe_layers(globe=True)),
    }
    found = {f"{name}_ab": ab for name, (ab, _) in nets.items()}
    found |= {f"{name}_logits": nets[name][1] for name in ("pytorch", "caffe")}
    return {key: x.float() for key, x in found.items()}


def files(directory: pathlib.Path) -> None:
    """The same small tensors in every format that the reader knows."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(4, 3))
    state = net.state_dict()
    state["1.running_mean"] = torch.randn(6)[::3]  # a view with an offset and a stride
    state["2.weight"] = torch.randn(4, 3).T
    state["half"] = torch.randn(3).half()
    state["brain"] = torch.randn(3).bfloat16()
    expected = {key: x for key, x in state.items() if "num_batches" not in key}
    # bfloat16 is no type of NumPy's files
    np.savez(directory / "files.npz", **{k: x.float() for k, x in expected.items()})
    torch.save(state, directory / "state_zip.pth")
    torch.save(
        {"state_dict": state, "epoch": 3},
        directory / "state_stream.pth",
        _use_new_zipfile_serialization=False,
    )
    whole = {key: x.contiguous() for key, x in expected.items()}
    safetensors.torch.save_file(whole, directory / "state.safetensors")
    torch.save(Holder(net), directory / "module.pth")
    torch.jit.script(net).save(directory / "script.pt")
    np.savez(directory / "module.npz", **net.state_dict())


def colorizer(directory: pathlib.Path) -> None:
    """A narrow colorizer as its authors' PyTorch file, and the ab of both layouts."""
    tensors = colorizer_tensors()
    state = pytorch_colorizer(tensors, NARROW).state_dict()
    torch.save(state, directory / "narrow.pth")
    found = pytorch_ab(tensors, NARROW), caffe_ab(colorizer_layers())
    save(directory, "colorizer", pytorch=found[0], caffe=found[1])


class Colorizer(nn.Module):
    """Modules by the names in the authors' file; ab of L at a quarter of its size."""

    def __init__(self, width: float):
        super().__init__()
        before = 1
        for block, (channels, depth) in enumerate(COLORIZER, start=1):
            size, apart, layers = round(channels * width), 1 + (block in (5, 6)), []
            for layer in range(1, depth + 1):
                stride = 2 if layer == depth and block < 4 else 1
                conv = nn.Conv2d(before, size, 3, stride, apart, apart)
                layers, before = [*layers, conv, nn.ReLU()], size
            layers.append(nn.BatchNorm2d(size))
            self.add_module(f"model{block}", nn.Sequential(*layers))
        size = round(256 * width)
        layers = [nn.ConvTranspose2d(before, size, 4, 2, 1), nn.ReLU()]
        for _ in range(2):
            layers += [nn.Conv2d(size, size, 3, padding=1), nn.ReLU()]
        self.model8 = nn.Sequential(*layers, nn.Conv2d(size, 313, 1))
        self.model_out = nn.Conv2d(313, 2, 1, bias=False)

    def forward(self, x):
        x = (x - 50) / 100
        for block in range(1, 9):
            x = getattr(self, f"model{block}")(x)
        return 110 * self.model_out(x.softmax(1))


def pytorch_colorizer(tensors, width) -> Colorizer:
    net = Colorizer(width).eval()
    net.load_state_dict({key: torch.tensor(x) for key, x in tensors.items()})
    return net


def pytorch_ab(tensors, width) -> torch.Tensor:
    """ab [2 2 16 12] of `lightness`, in float64."""
    with torch.no_grad():
        net = pytorch_colorizer(tensors, width).double()
        return net(channels_first(lightness()).double())


def caffe_ab(layers) -> torch.Tensor:
    """The same by the layers of the Caffe net: conv, ReLU in place, then the norm."""
    blobs = {
        key: [torch.tensor(x).double() for x in found] for key, found in layers.items()
    }
    x = channels_first(lightness()).double() - 50
    for block, (_, depth) in enumerate(COLORIZER, start=1):
        apart = 2 if block in (5, 6) else 1
        for layer in range(1, depth + 1):
            name = f"conv{block}_{layer}"
            weight, bias = blobs["bw_conv1_1" if name == "conv1_1" else name]
            stride = 2 if layer == depth and block < 4 else 1
            x = functional.conv2d(x, weight, bias, stride, apart, apart).relu()
        mean, var, total = (x[:, None, None] for x in blobs[f"{name}norm"])
        x = (x - mean / total) / (var / total + 1e-5).sqrt()
    x = functional.conv_transpose2d(x, *blobs["conv8_1"], stride=2, padding=1).relu()
    for name in ("conv8_2", "conv8_3"):
        x = functional.conv2d(x, *blobs[name], padding=1).relu()
    x = functional.conv2d(x, *blobs["conv8_313"])
    bins = torch.tensor(ab_bins().T[:, :, None, None]).double()
    return functional.conv2d((2.606 * x).softmax(1), bins)


class Holder(nn.Module):
    """A module of a class that no reader of its file has."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net, self.note = net, {"made by": "a test"}


def vgg16(layout, tensors, x):
    """Logits, layer by layer, by the places in the state dict."""
    pools = {1, 3, 6, 9, 12}
    mean, std = (torch.tensor(v)[:, None, None] for v in (layout.mean, layout.std))
    x = (x - mean) / std

    def norm(x, key):
        mean, var, weight, bias = (
            tensors[f"{key}.{name}"]
            for name in ("running_mean", "running_var", "weight", "bias")
        )
        return functional.batch_norm(x, mean, var, weight, bias)

    for number, place in enumerate(layout.convs):
        key = f"features.{place}"
        x = functional.conv2d(x, tensors[f"{key}.weight"], tensors[f"{key}.bias"], 1, 1)
        if layout.norm:
            x = norm(x, f"features.{place + 1}")
        x = x.relu()
        if number in pools:
            x = functional.max_pool2d(x, 2)
    x = x.flatten(1)
    for place in layout.dense:
        key = f"classifier.{place}"
        x = functional.linear(x, tensors[f"{key}.weight"], tensors[f"{key}.bias"])
        if place != layout.dense[-1]:
            if layout.dense_norm:
                x = norm(x, f"classifier.{place + 1}")
            x = x.relu()
    return x


def inception(tensors, x, original):
    """Features, by the names of torchvision's layers."""

    def conv(name, x, stride=1, padding=0):
        kernel = tensors[f"{name}.conv.weight"]
        if padding == "same":
            padding = tuple(n // 2 for n in kernel.shape[2:])
        mean, var, weight, bias = (
            tensors[f"{name}.bn.{part}"]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        x = functional.conv2d(x, kernel, None, stride, padding)
        return functional.batch_norm(x, mean, var, weight, bias, eps=1e-3).relu()

    def chain(block, x, *names):
        for name in names:
            x = conv(f"{block}.{name}", x, padding="same")
        return x

    def pool(x):
        return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=not original)

    def numbered(name, last):
        return [f"{name}_{i}" for i in range(1, last + 1)]

    x = conv("Conv2d_1a_3x3", x, 2)
    x = conv("Conv2d_2b_3x3", conv("Conv2d_2a_3x3", x), padding=1)
    x = functional.max_pool2d(x, 3, 2)
    x = conv("Conv2d_4a_3x3", conv("Conv2d_3b_1x1", x))
    x = functional.max_pool2d(x, 3, 2)
    for block in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        parts = (
            chain(block, x, "branch1x1"),
            chain(block, x, *numbered("branch5x5", 2)),
            chain(block, x, *numbered("branch3x3dbl", 3)),
            chain(block, pool(x), "branch_pool"),
        )
        x = torch.cat(parts, 1)
    double = chain("Mixed_6a", x, *numbered("branch3x3dbl", 2))
    parts = (
        conv("Mixed_6a.branch3x3", x, 2),
        conv("Mixed_6a.branch3x3dbl_3", double, 2),
        functional.max_pool2d(x, 3, 2),
    )
    x = torch.cat(parts, 1)
    for block in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        parts = (
            chain(block, x, "branch1x1"),
            chain(block, x, *numbered("branch7x7", 3)),
            chain(block, x, *numbered("branch7x7dbl", 5)),
            chain(block, pool(x), "branch_pool"),
        )
        x = torch.cat(parts, 1)
    parts = (
        conv("Mixed_7a.branch3x3_2", chain("Mixed_7a", x, "branch3x3_1"), 2),
        conv(
            "Mixed_7a.branch7x7x3_4",
            chain("Mixed_7a", x, *numbered("branch7x7x3", 3)),
            2,
        ),
        functional.max_pool2d(x, 3, 2),
    )
    x = torch.cat(parts, 1)
    for block in ("Mixed_7b", "Mixed_7c"):
        pooled = pool(x)
        if original and block == "Mixed_7c":
            pooled = functional.max_pool2d(x, 3, 1, 1)
        single = chain(block, x, "branch3x3_1")
        double = chain(block, x, *numbered("branch3x3dbl", 2))
        parts = (
            chain(block, x, "branch1x1"),
            chain(block, single, "branch3x3_2a"),
            chain(block, single, "branch3x3_2b"),
            chain(block, double, "branch3x3dbl_3a"),
            chain(block, double, "branch3x3dbl_3b"),
            chain(block, pooled, "branch_pool"),
        )
        x = torch.cat(parts, 1)
    return x.mean((2, 3))


def to_torch(tensors):
    return {key: torch.tensor(x) for key, x in tensors.items()}


def doubles(tensors):
    return {key: torch.tensor(x).double() for key, x in tensors.items()}


def greys(lightness) -> np.ndarray:
    """sRGB in [0, 1]."""
    lab = np.pad(lightness, ((0, 0), (0, 0), (0, 0), (0, 2)))
    return np.array(lab_to_rgb(jnp.asarray(lab)))


def channels_first(x):
    return torch.tensor(x).permute(0, 3, 1, 2)


def save(directory, name, **arrays):
    arrays = {key: x.numpy() for key, x in arrays.items()}
    np.savez_compressed(directory / f"{name}.npz", **arrays)


def lite0(tensors, lightness) -> dict[str, torch.Tensor]:
    """Features at 1/4, 1/8, 1/16 and 1/32 of greys, R = G = B = (L - 50) / 50.

    Padded alike on all sides, so that a feature lies on the first of its pixels.
    """
    tensors = {key: x.double() for key, x in tensors.items()}

    def layer(x, conv, norm, stride=1, act=True):
        kernel = tensors[f"{conv}.weight"]
        groups = x.shape[1] // kernel.shape[1]
        x = functional.conv2d(
            x, kernel, stride=stride, padding=kernel.shape[-1] // 2, groups=groups
        )
        parts = ("running_mean", "running_var", "weight", "bias")
        x = functional.batch_norm(x, *(tensors[f"{norm}.{p}"] for p in parts), eps=1e-3)
        return functional.relu6(x) if act else x

    x = (channels_first(lightness).double() - 50) / 50
    x = layer(x.expand(-1, 3, -1, -1), "_conv_stem", "_bn0", 2)
    found, number = [], 0
    for depth, _, _, stage_stride, expansion in LITE0:
        for place in range(depth):
            block, y = f"_blocks.{number}", x
            stride = 1 if place else stage_stride
            if expansion > 1:
                y = layer(y, f"{block}._expand_conv", f"{block}._bn0")
            y = layer(y, f"{block}._depthwise_conv", f"{block}._bn1", stride)
            y = layer(y, f"{block}._project_conv", f"{block}._bn2", act=False)
            x, number = (x + y if place else y), number + 1
        found.append(x)
    places = {4: 1, 8: 2, 16: 4, 32: 6}
    return {f"at{stride}": found[i].float() for stride, i in places.items()}


if __name__ == "__main__":
    target = pathlib.Path(__file__).parent / "published"
    main(pathlib.Path(sys.argv[1]) if sys.argv[1:] else target)
