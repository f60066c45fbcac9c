"""Time a training step of the paper's method: colorjax against PyTorch eager.

    python -m benchmarks.train_step [--batch N] [--side N] [--repeats N] [--json PATH]

Both do the same in float32 from the same weights: uint8 pictures to Lab, the sparse
soft code, the full-width net, the rebalanced loss, its gradient, Adam. The first losses
are compared before anything is timed. Needs torch.
"""

import flax.traverse_util
import jax
import numpy as np
import torch

from benchmarks.timing import interleaved, parser, report
from benchmarks.torch_net import VGGDilated, load
from colorjax import optim
from colorjax.methods import zhang2016
from colorjax.quantize import ab_bins
from colorjax.sharding import make_mesh, to_devices
from colorjax.training import make_init, make_step

RATE = 3e-5
RGB_TO_XYZ = torch.tensor(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
WHITE = torch.tensor([0.95047, 1.0, 1.08883])
TO_LAB = torch.tensor([[0.0, 116, 0], [500, -500, 0], [0, 200, -200]])


def jax_step(batch, prior):
    """A function that does one step and returns the loss, and the variables before."""
    method = zhang2016.build(prior)
    optimizer = optim.adam(10**6, learning_rate=RATE)
    mesh = make_mesh()
    batch = to_devices(batch, mesh)
    state = make_init(method, optimizer, 0, mesh)(batch)
    variables = flax.traverse_util.flatten_dict(
        jax.device_get(state.nets["G"]), sep="/"
    )
    compiled = make_step(method, optimizer, 0, mesh)

    def step():
        nonlocal state
        state, metrics = jax.block_until_ready(compiled(state, batch))
        return float(metrics["loss"])

    return step, variables


def torch_step(batch, prior, variables, memory_format):
    """The same step in PyTorch."""
    net = VGGDilated(313)
    load(net, variables)
    net.to(memory_format=memory_format)
    adam = torch.optim.Adam(net.parameters(), lr=RATE, betas=(0.9, 0.99), fused=True)
    image, mask = torch.from_numpy(batch["image"]), torch.from_numpy(batch["mask"])
    bins, prior = torch.from_numpy(ab_bins()), torch.from_numpy(prior)
    weight = 1 / (0.5 * prior + 0.5 / 313)
    weight /= (prior * weight).sum()

    def step():
        lab = to_lab(image)
        ab = lab[..., 1:]
        counted = mask * (ab.abs().amax((1, 2, 3)) > 5)
        target = ab[:, ::4, ::4]
        distance = (target[..., None, :] - bins).square().sum(-1)
        distance, near = distance.topk(5, largest=False)
        code = torch.softmax(-distance / (2 * 5**2), -1)

        adam.zero_grad(set_to_none=True)
        lightness = (
            lab[..., :1].permute(0, 3, 1, 2).contiguous(memory_format=memory_format)
        )
        logits = net(lightness).permute(0, 2, 3, 1)
        entropy = logits.logsumexp(-1) - (code * logits.gather(-1, near)).sum(-1)
        total = (counted[:, None, None] * weight[near[..., 0]] * entropy).sum()
        (total / len(image)).backward()
        adam.step()
        return total.item() / (counted.sum().item() * entropy[0].numel())

    return step


def to_lab(image: torch.Tensor) -> torch.Tensor:
    """uint8 sRGB to CIE Lab, channels last."""
    rgb = image.float() / 255
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = linear @ RGB_TO_XYZ.T / WHITE
    f = torch.where(
        xyz > (6 / 29) ** 3, xyz.clamp(min=1e-4) ** (1 / 3), xyz * 841 / 108 + 4 / 29
    )
    return f @ TO_LAB.T - torch.tensor([16.0, 0, 0])


def main() -> None:
    flags = parser(__doc__, repeats=10)
    flags.add_argument("--batch", type=int, default=2)
    flags.add_argument("--side", type=int, default=128)
    args = flags.parse_args()
    random = np.random.default_rng(0)
    prior = random.dirichlet(np.ones(313)).astype(np.float32)
    shape = (args.batch, args.side, args.side, 3)
    batch = {
        "image": random.integers(0, 256, shape, np.uint8),
        "mask": np.ones(args.batch, np.float32),
        "index": np.arange(args.batch, dtype=np.int32),
    }
    ours, variables = jax_step(batch, prior)
    ways = {
        "colorjax": ours,
        "PyTorch": torch_step(batch, prior, variables, torch.contiguous_format),
        "PyTorch, channels last": torch_step(
            batch, prior, variables, torch.channels_last
        ),
    }
    losses = {name: step() for name, step in ways.items()}
    np.testing.assert_allclose(list(losses.values()), losses["colorjax"], rtol=1e-4)
    seconds = interleaved(ways, args.repeats)
    ratios = {f"{name} / colorjax": (name, "colorjax") for name in ways}
    del ratios["colorjax / colorjax"]
    settings = {"batch": args.batch, "side": args.side}
    report(seconds, ratios, settings, args.json)


if __name__ == "__main__":
    main()
