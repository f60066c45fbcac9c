"""What a classifier recognises in recoloured pictures: `classification`.

Source: the paper's section 3.1, "semantic interpretability": a VGG-16 that was trained
on colour pictures judges the recoloured ones.
"""

import jax.numpy as jnp
from jax.tree_util import Partial

from colorjax.errors import UserError
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.image import recolor
from colorjax.pretrained.vgg16 import Classifier

TOP = 5


def classification(classifier: Classifier, side: int, sha256: str) -> Metric:
    """`top1` and `top5`: share of pictures whose label is the likeliest class, or among
    the five likeliest, on the centre square that the classifier takes.

    `side` is that of the evaluated pictures in pixels, `sha256` the file's. Images
    without a label do not count. Raises `UserError` where the pictures are too small.
    """
    layout = classifier.layout
    if side < layout.side:
        raise UserError(
            f"classification: pictures of {side} pixels are smaller than the "
            f"{layout.side} of {layout.name}; set data.resize"
        )

    def stats(variables, prediction, examples):
        logits = classifier.logits(variables, recolor(examples, prediction.ab))
        label = examples["label"]
        known = (label >= 0) & (label < layout.classes)
        own = jnp.take_along_axis(logits, jnp.clip(label, 0)[:, None], axis=1)
        # A prediction that is no number is never right.
        better = layout.classes - (logits <= own).sum(axis=1)
        return {
            "top1": known * (better < 1.0),
            "top5": known * (better < TOP),
            "pictures": known.astype(jnp.float32),
        }

    def finalize(sums):
        count = sums["pictures"]
        return {name: sums[name] / count for name in ("top1", "top5") if count}

    settings = {"classifier": layout.name, "sha256": sha256, "side": layout.side}
    return Metric(
        Partial(stats, classifier.variables),
        finalize,
        settings={"classification": settings},
    )
