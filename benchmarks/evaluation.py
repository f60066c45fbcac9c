"""The time of metrics, compared with that of the prediction which they measure.

    python -m benchmarks.evaluation [--side 32] [--batch 250] [--repeats 20]

`evaluate` runs a network of a quarter of the width over batches in memory. Compilation
is not timed. "prediction" is everything but metrics: color conversion, bootstrap
weights and the network. Each other line adds one family. Networks have random weights.
"""

import time

import jax
import numpy as np

from benchmarks.timing import parse, parser, report
from colorjax import methods
from colorjax.distributed import make_mesh
from colorjax.evaluation.engine import Metric, evaluate, method_predictor
from colorjax.evaluation.metrics import STANDARD, Context, make_metrics
from colorjax.evaluation.metrics.classification import classification
from colorjax.method import to_examples
from colorjax.nets.vgg16 import VGG16
from colorjax.pretrained.vgg16 import LAYOUTS, Classifier
from colorjax.quantize import Q


def main() -> None:
    flags = parser(__doc__, repeats=20)
    flags.add_argument("--side", type=int, default=32)
    flags.add_argument("--batch", type=int, default=250)
    args = parse(flags)
    random = np.random.default_rng(0)
    prior = random.dirichlet(np.ones(Q)).astype(np.float32)
    batch = {
        "image": random.integers(0, 256, (args.batch, args.side, args.side, 3), "u1"),
        "mask": np.ones(args.batch, np.float32),
        "index": np.arange(args.batch, dtype=np.int32),
        "label": np.zeros(args.batch, np.int32),
    }
    method = methods.builder("zhang2016")(width=0.25)
    nets = jax.jit(method.init)(jax.random.key(0), to_examples(batch))
    predictors = {"model": method_predictor(method, nets)}

    def seconds(metrics: dict[str, Metric]) -> list[float]:
        """The time of each batch but the first, which compiles."""
        times = []

        def batches():
            for _ in range(args.repeats + 2):
                times.append(time.perf_counter())
                yield batch

        evaluate(predictors, metrics, batches(), make_mesh())
        return np.diff(times)[1:].tolist()

    context = Context(prior, args.side)
    prediction = {"none": Metric(lambda p, e: {"ab": p.ab.sum((1, 2, 3))}, lambda s: s)}
    families = {"prediction": prediction}
    families |= {name: make_metrics(context, [name])[0] for name in STANDARD}
    families["all closed forms"] = make_metrics(context)[0]
    families |= {"lpips": make_metrics(context, ["lpips"])[0]}
    families |= {"classification": {"c": random_classifier(args.side)}}
    report(
        {name: seconds(prediction | metrics) for name, metrics in families.items()},
        {"with closed forms / without": ("all closed forms", "prediction")},
        {"side": args.side, "batch": args.batch},
        args.json,
    )


def random_classifier(side: int) -> Metric:
    """The classifier for CIFAR-10, with random weights."""
    layout = LAYOUTS[-1]
    net = VGG16(layout.classes, layout.hidden, layout.norm, layout.dense_norm)
    x = np.zeros((1, layout.side, layout.side, 3), np.float32)
    variables = jax.jit(net.init)(jax.random.key(0), x)
    return classification(Classifier(net, variables, layout), side, "random")


if __name__ == "__main__":
    main()
