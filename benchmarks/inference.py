"""Time of prediction from L to ab: colorjax and PyTorch eager, at full width.

    python -m benchmarks.inference [--side 256] [--batch 8] [--device gpu]

The network in evaluation mode, the annealed mean at the paper's temperature, and the
upsampling to the size of L, in float32, at batch 1 and `--batch`. The benchmark checks
that both give the same colors. Needs torch.
"""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import torch
from torch.nn import functional

from benchmarks.timing import interleaved, parse, parser, report
from benchmarks.torch_net import VGGDilated, load
from colorjax.method import image_keys
from colorjax.methods import zhang2016
from colorjax.nets import winograd
from colorjax.quantize import Q, ab_bins

TEMPERATURE = 0.38


def torch_predict(variables, memory_format, device):
    """A function from L [b 1 h w] to ab at a quarter, [b h/4 w/4 2], and at full size,
    [b 2 h w], upsampled bilinearly about pixel centers."""
    net = VGGDilated(Q)
    load(net, variables)
    net.eval().to(device, memory_format=memory_format)
    bins = torch.from_numpy(ab_bins()).to(device)

    def predict(lightness):
        with torch.inference_mode():
            lightness = lightness.contiguous(memory_format=memory_format)
            logits = net(lightness).permute(0, 2, 3, 1)
            ab = torch.softmax(logits / TEMPERATURE, -1) @ bins
            full = functional.interpolate(
                ab.permute(0, 3, 1, 2), scale_factor=4, mode="bilinear"
            )
            if device == "cuda":
                torch.cuda.synchronize()
            return ab, full

    return predict


def main() -> None:
    flags = parser(__doc__, repeats=10)
    flags.add_argument("--side", type=int, default=256)
    flags.add_argument("--batch", type=int, default=8)
    args = parse(flags)
    device = "cuda" if args.device == "gpu" else "cpu"
    random = np.random.default_rng(0)
    method = zhang2016.build(temperature=TEMPERATURE)
    example = random.uniform(0, 100, (2, 64, 64, 1)).astype("f4")
    nets = jax.jit(method.init)(jax.random.key(0), {"lightness": example})
    variables = flax.traverse_util.flatten_dict(jax.device_get(nets["G"]), sep="/")
    nets = winograd.prepare(nets)  # as a Colorizer does

    @jax.jit
    def predict(nets, x):
        keys = image_keys(0, jnp.arange(len(x)))
        return method.predict(nets, {"lightness": x}, keys).ab

    formats = {
        "PyTorch": torch.contiguous_format,
        "PyTorch, channels last": torch.channels_last,
    }
    ways, ratios = {}, {}
    for batch in (1, args.batch):
        shape = (batch, args.side, args.side, 1)
        lightness = random.uniform(0, 100, shape).astype("f4")
        ours, x = f"colorjax, {batch}", jax.device_put(lightness)
        ways[ours] = lambda x=x: jax.block_until_ready(predict(nets, x))
        expected = np.asarray(ways[ours]())[:, ::4, ::4]
        for name, layout in formats.items():
            theirs = f"{name}, {batch}"
            predict_torch = torch_predict(variables, layout, device)
            y = torch.from_numpy(lightness).permute(0, 3, 1, 2).to(device)
            ways[theirs] = lambda y=y, predict=predict_torch: predict(y)
            quarter, _ = ways[theirs]()
            np.testing.assert_allclose(quarter.cpu(), expected, atol=0.05)
            ratios[f"{theirs} / colorjax"] = (theirs, ours)
    settings = {"side": args.side}
    report(interleaved(ways, args.repeats), ratios, settings, args.json)


if __name__ == "__main__":
    main()
