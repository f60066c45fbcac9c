"""The accuracy of a classifier on colorized images: `classification`.

Source: Zhang, Isola, Efros, ECCV 2016, section 3.1, "semantic interpretability": a
VGG-16 that was trained on color images classifies the colorized ones.
"""

import jax.numpy as jnp
from jax.tree_util import Partial

from colorjax.errors import UserError
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.family import Column, Context, Family
from colorjax.evaluation.metrics.image import recolor
from colorjax.pretrained.vgg16 import Classifier, load_classifier
from colorjax.pretrained.weights import read

TOP = 5


def classification(classifier: Classifier, side: int, sha256: str) -> Metric:
    """`top1` and `top5`: share of images whose label is the likeliest class, or among
    the five likeliest classes, on the centre square that the classifier takes.

    `side` is the size of the evaluated images in pixels, `sha256` the hash of the
    classifier's file. Images without a label do not count. Raises `UserError` where the
    images are smaller than the classifier's input.
    """
    layout = classifier.layout
    if side < layout.side:
        raise UserError(
            f"classification: images of {side} pixels are smaller than the "
            f"{layout.side} of {layout.name}; set data.resize"
        )

    def stats(variables, prediction, examples):
        logits = classifier.logits(variables, recolor(examples, prediction.ab))
        label = examples["label"]
        known = (label >= 0) & (label < layout.classes)
        own = jnp.take_along_axis(logits, jnp.clip(label, 0)[:, None], axis=1)
        # NaN is never right: it compares as false.
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


def _build(context: Context) -> Metric:
    if not context.classifier:
        raise UserError("classification: name the classifier's file: --classifier=FILE")
    file = read(context.classifier)
    return classification(load_classifier(file), context.side, file.sha256)


FAMILY = Family(
    "classification",
    _build,
    {
        "top1": Column("top-1", 4, "of the classifier, on the colorized pictures"),
        "top5": Column("top-5", 4, "the same, among its five likeliest classes"),
    },
)
