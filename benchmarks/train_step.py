"""Time a training step of the paper's method: colorjax against PyTorch.

    python -m benchmarks.train_step [--batch N] [--side N] [--dtype bfloat16]
        [--compile] [--device gpu] [--repeats N] [--json PATH]

Both do the same from the same weights: uint8 pictures to Lab, the sparse soft code, the
full-width net, the rebalanced loss, its gradient, Adam; PyTorch eager, channels last,
and with --compile through torch.compile. The first losses are compared before anything
is timed. Also printed: the FLOP/s of useful work, and those of a large matrix product
on the same device. Needs torch.
"""

import statistics

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.timing import interleaved, parse, parser, report
from benchmarks.torch_net import VGGDilated, load
from benchmarks.useful import useful_flops
from colorjax.distributed import make_mesh, shard_batch
from colorjax.methods import zhang2016
from colorjax.quantize import ab_bins
from colorjax.train.optim import Adam
from colorjax.train.step import make_init, make_step

RATE = 3e-5
SIZE = 4096  # of the matrix product that rates the device
RGB_TO_XYZ = torch.tensor(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
WHITE = torch.tensor([0.95047, 1.0, 1.08883])
TO_LAB = torch.tensor([[0.0, 116, 0], [500, -500, 0], [0, 200, -200]])


def jax_step(batch, prior, dtype):
    """A function that does one step and returns the loss, and the variables before."""
    method = zhang2016.build(prior=prior, dtype=dtype)
    optimizer = Adam(RATE).transformation(10**6)
    mesh = make_mesh()
    batch = shard_batch(batch, mesh)
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


def torch_step(batch, prior, variables, memory_format, dtype, device, compiled=False):
    """The same step in PyTorch."""
    net = VGGDilated(313)
    load(net, variables)
    net.to(device, memory_format=memory_format)
    adam = torch.optim.Adam(net.parameters(), lr=RATE, betas=(0.9, 0.99), fused=True)
    image, mask, bins, prior = (
        torch.from_numpy(x).to(device)
        for x in (batch["image"], batch["mask"], ab_bins(), prior)
    )
    weight = 1 / (0.5 * prior + 0.5 / 313)
    weight /= (prior * weight).sum()

    def loss():
        lab = to_lab(image)
        ab = lab[..., 1:]
        counted = mask * (ab.abs().amax((1, 2, 3)) > 5)
        target = ab[:, ::4, ::4]
        distance = (target[..., None, :] - bins).square().sum(-1)
        distance, near = distance.topk(5, largest=False)
        code = torch.softmax(-distance / (2 * 5**2), -1)
        lightness = (
            lab[..., :1].permute(0, 3, 1, 2).contiguous(memory_format=memory_format)
        )
        low = dtype == "bfloat16"
        with torch.autocast(device, torch.bfloat16, enabled=low):
            logits = net(lightness)
        logits = logits.permute(0, 2, 3, 1).float()
        entropy = logits.logsumexp(-1) - (code * logits.gather(-1, near)).sum(-1)
        total = (counted[:, None, None] * weight[near[..., 0]] * entropy).sum()
        return total / len(image), total / (counted.sum() * entropy[0].numel())

    if compiled:
        loss = torch.compile(loss)

    def step():
        adam.zero_grad(set_to_none=True)
        value, shown = loss()
        value.backward()
        adam.step()
        return shown.item()

    return step


def to_lab(image: torch.Tensor) -> torch.Tensor:
    """uint8 sRGB to CIE Lab, channels last."""
    rgb = image.float() / 255
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = linear @ RGB_TO_XYZ.T.to(image.device) / WHITE.to(image.device)
    f = torch.where(
        xyz > (6 / 29) ** 3, xyz.clamp(min=1e-4) ** (1 / 3), xyz * 841 / 108 + 4 / 29
    )
    return f @ TO_LAB.T.to(image.device) - torch.tensor([16.0, 0, 0]).to(image.device)


def main() -> None:
    flags = parser(__doc__, repeats=10)
    flags.add_argument("--batch", type=int, default=2)
    flags.add_argument("--side", type=int, default=128)
    flags.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    flags.add_argument("--compile", action="store_true", help="torch.compile too")
    args = parse(flags)
    random = np.random.default_rng(0)
    prior = random.dirichlet(np.ones(313)).astype(np.float32)
    shape = (args.batch, args.side, args.side, 3)
    batch = {
        "image": random.integers(0, 256, shape, np.uint8),
        "mask": np.ones(args.batch, np.float32),
        "index": np.arange(args.batch, dtype=np.int32),
    }
    ours, variables = jax_step(batch, prior, args.dtype)
    device = "cuda" if args.device == "gpu" else "cpu"
    parts = (batch, prior, variables)
    plain, last = torch.contiguous_format, torch.channels_last
    ways = {
        "colorjax": ours,
        "PyTorch": torch_step(*parts, plain, args.dtype, device),
        "PyTorch, channels last": torch_step(*parts, last, args.dtype, device),
    }
    if args.compile:
        name = "PyTorch, compiled, channels last"
        ways[name] = torch_step(*parts, last, args.dtype, device, compiled=True)
    losses = {name: step() for name, step in ways.items()}
    tolerance = 1e-4 if args.dtype == "float32" else 2e-2
    np.testing.assert_allclose(list(losses.values()), losses["colorjax"], tolerance)
    product = f"matrix product of {2 * SIZE**3 / 1e9:.0f} GFLOP"
    ways[product] = matrix_product(args.dtype)
    seconds = interleaved(ways, args.repeats)
    ratios = {
        f"{name} / colorjax": (name, "colorjax")
        for name in ways
        if name.startswith("PyTorch")
    }
    step, ceiling = (statistics.median(seconds[x]) for x in ("colorjax", product))
    useful = useful_flops(args.side) * args.batch
    settings = dict(
        batch=args.batch,
        side=args.side,
        dtype=args.dtype,
        useful_gflops_a_second=useful / step / 1e9,
        product_gflops_a_second=2 * SIZE**3 / ceiling / 1e9,
    )
    report(seconds, ratios, settings, args.json)


def matrix_product(dtype):
    """A function that multiplies two square matrices of side `SIZE`."""
    a = jnp.ones((SIZE, SIZE), dtype)
    product = jax.jit(jnp.matmul)
    return lambda: jax.block_until_ready(product(a, a))


if __name__ == "__main__":
    main()
