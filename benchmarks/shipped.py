"""Time of the shipped model's network: colorjax, PyTorch and ONNX Runtime.

    python -m benchmarks.shipped [--batch 8]

L to logits in float32, at 256x384 and 512x768 pixels with one image, and at 256x384
with `--batch`. All have the same weights, and the benchmark checks that they give the
same logits. "the definition" is colorjax without Winograd's products. Needs torch, onnx
and onnxruntime.
"""

import functools

import jax
import numpy as np
import torch

from benchmarks.shipped_net import onnx_net, torch_net
from benchmarks.timing import interleaved, parse, parser, report
from colorjax.nets import winograd
from colorjax.nets.efficientnet_lite import EfficientNetColorizer
from colorjax.quantize import Q
from colorjax.train.workdir import load_run


def main() -> None:
    flags = parser(__doc__, repeats=15)
    flags.add_argument("--batch", type=int, default=8)
    args = parse(flags)
    variables = jax.device_get(load_run().nets["G"])
    params = variables["params"]
    net = jax.jit(EfficientNetColorizer(Q).apply)
    others = {
        "PyTorch": torch_net(params, torch.contiguous_format),
        "PyTorch, channels last": torch_net(params, torch.channels_last),
        "ONNX Runtime": onnx_net(params),
    }
    own = {
        "colorjax": winograd.prepare({"G": variables})["G"],
        "the definition": jax.device_put(variables),
    }
    random = np.random.default_rng(0)
    ways, ratios = {}, {}
    for size in ((1, 256, 384), (1, 512, 768), (args.batch, 256, 384)):
        name = "x".join(map(str, size))
        lightness = random.uniform(0, 100, (*size, 1)).astype("f4")
        channels_first = np.ascontiguousarray(lightness.transpose(0, 3, 1, 2))
        x = jax.device_put(lightness)
        for way, weights in own.items():
            ways[f"{name}: {way}"] = lambda x=x, weights=weights: jax.block_until_ready(
                net(weights, x)
            )
        ours = f"{name}: colorjax"
        expected = np.asarray(ways[ours]())
        for way, predict in others.items():
            ways[f"{name}: {way}"] = functools.partial(predict, channels_first)
            logits = ways[f"{name}: {way}"]().transpose(0, 2, 3, 1)
            np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-2)
        ratios |= {
            f"{name}: {way} / colorjax": (f"{name}: {way}", ours)
            for way in (*others, "the definition")
        }
    report(interleaved(ways, args.repeats), ratios, {}, args.json)


if __name__ == "__main__":
    main()
