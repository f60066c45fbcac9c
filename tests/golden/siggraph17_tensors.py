"""Seeded tensors like those in the files of Zhang et al. 2017, a sixteenth as wide, and
inputs for their nets."""

import numpy as np
from golden.published import COLORIZER, values
from golden.weights import fill

WIDTH = 1 / 16
TRAINED = 1 / 32  # the width of the nets whose losses are in siggraph17.npz
HEADS = {"guided": "plain", "automatic": "column"}  # and their heads, by stage
CALM = 100  # by which the last kernels are divided, so that tanh is not saturated
LIVELY = 10  # by which variances are divided, so that deep layers matter
# Channels before and after, by the name of the layer in the file for PyTorch.
TORCH_UP = {"model8up": (512, 256), "model9up": (256, 128), "model10up": (128, 128)}
TORCH_CONVS = {
    "model3short8.0": (256, 256),
    "model8.1": (256, 256),
    "model8.3": (256, 256),
    "model2short9.0": (128, 128),
    "model9.1": (128, 128),
    "model1short10.0": (64, 128),
    "model10.1": (128, 128),
}
CAFFE_UP = {
    "conv8_1": (512, 256),
    "conv9_1": (256, 128),
    "conv10_1": (128, 128),
    **{f"conv{i}_pred": (512, 384) for i in range(4, 8)},
}
CAFFE_CONVS = {
    "conv3_3_short": (256, 256),
    "conv8_2": (256, 256),
    "conv8_3": (256, 256),
    "conv2_2_short": (128, 128),
    "conv9_2": (128, 128),
    "conv1_2_short": (64, 128),
    "conv10_2": (128, 128),
    "conv3_pred": (256, 384),
    "conv8_pred": (256, 384),
}


def inputs(height: int = 16, width: int = 24) -> dict[str, np.ndarray]:
    """L, hints at some pixels, and histograms of two images."""
    local = fill("siggraph17 hints", (2, height, width, 3), -90, 90)
    local[..., 2] = local[..., 2] > 60
    globe = fill("siggraph17 globe", (2, 314), 0, 1) ** 200  # a few bins have most
    globe /= globe[:, :-1].sum(-1, keepdims=True)
    globe[:, -1] = 1
    lightness = fill("siggraph17 lightness", (2, height, width, 1), 0, 100)
    return {"lightness": lightness, "local": local, "globe": globe}


def size(channels: int) -> int:
    return round(channels * WIDTH)


def torch_tensors() -> dict[str, np.ndarray]:
    """All tensors of siggraph17-df00044c.pth but the counters of BatchNorm."""
    shapes, before = {}, 4

    def add(key, *shape, outputs=None):
        shapes[f"{key}.weight"], shapes[f"{key}.bias"] = shape, (outputs or shape[0],)

    def add_norm(key, channels):
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{key}.{part}"] = (channels,)

    for block, (channels, depth) in enumerate(COLORIZER, start=1):
        for layer in range(depth):
            add(f"model{block}.{2 * layer}", size(channels), before, 3, 3)
            before = size(channels)
        add_norm(f"model{block}.{2 * depth}", before)
    for key, (one, two) in TORCH_UP.items():
        add(f"{key}.0", size(one), size(two), 4, 4, outputs=size(two))
    for key, (one, two) in TORCH_CONVS.items():
        add(key, size(two), size(one), 3, 3)
    add_norm("model8.5", size(256))
    add_norm("model9.3", size(128))
    add("model_class.0", 529, size(256), 1, 1)
    add("model_out.0", 2, size(128), 1, 1)
    tensors = {key: values(key, shape) for key, shape in shapes.items()}
    tensors["model_out.0.weight"] /= CALM
    for key in tensors:
        if key.endswith("running_var"):
            tensors[key] /= LIVELY
    return tensors


def caffe_layers(globe: bool) -> dict[str, list[np.ndarray]]:
    """The blobs of model.caffemodel, or of global_model.caffemodel."""
    layers = {}

    def add(name, *shape, outputs=None):
        bias = values(f"{name} of ideepcolor.bias", (outputs or shape[0],))
        layers[name] = [values(f"{name} of ideepcolor", shape), bias]

    def add_norm(name, channels):
        parts = ("running_mean", "running_var")
        blobs = [values(f"{name} of ideepcolor.{part}", (channels,)) for part in parts]
        total = np.array([999.982], np.float32)
        layers[name] = [total * blobs[0], total * blobs[1] / LIVELY, total]

    add("bw_conv1_1", size(64), 1, 3, 3)
    layers["bw_conv1_1"][0] /= 100
    if not globe:
        add("ab_conv1_1", size(64), 3, 3, 3)
        layers["ab_conv1_1"][0] /= 110
    before = size(64)
    for block, (channels, depth) in enumerate(COLORIZER, start=1):
        for layer in range(1, depth + 1):
            if (block, layer) != (1, 1):
                add(f"conv{block}_{layer}", size(channels), before, 3, 3)
            before = size(channels)
        add_norm(f"conv{block}_{depth}norm", before)
        if block < 4:
            ones = np.ones((before, 1, 1, 1), np.float32)
            layers[f"conv{block}_{depth}norm_ss"] = [ones]
    for name, (one, two) in CAFFE_UP.items():
        add(name, size(one), size(two), 4, 4, outputs=size(two))
    for name, (one, two) in CAFFE_CONVS.items():
        add(name, size(two), size(one), 3, 3)
    add_norm("conv8_3norm", size(256))
    add_norm("conv9_2norm", size(128))
    add("pred_313", 313, size(384), 1, 1)
    add("conv10_ab", 2, size(128), 1, 1)
    layers["conv10_ab"][0] /= CALM
    if globe:
        layers = {k: x for k, x in layers.items() if "pred" not in k}
        add("glob_conv1", size(512), 314, 1, 1)
        add("s_conv1", size(512), 2, 1, 1)
        add_norm("s_glob_conv1norm", size(512))
        for number in range(2, 5):
            add(f"glob_conv{number}", size(512), size(512), 1, 1)
            add_norm(f"glob_conv{number}norm", size(512))
    return layers | {"pred_ab": [np.full(2, 100, np.float32)]}
