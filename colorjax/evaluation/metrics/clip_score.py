"""How well colorized images go with the names of what they show: `clip_score`.

Source: Hessel et al., "CLIPScore: A Reference-free Evaluation Metric for Image
Captioning", EMNLP 2021, with a factor of 100 instead of 2.5, as papers of colorization
report it.
"""

import re
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial

from colorjax.errors import UserError
from colorjax.evaluation.engine import Metric
from colorjax.evaluation.metrics.family import Column, Context, Family
from colorjax.evaluation.metrics.image import recolor
from colorjax.pretrained.clip import CAPTION, CLIP, load_clip, unit

WORD = re.compile(r"[^\W\d_]{2}")
CODE = re.compile(r"n\d{8}")  # of WordNet, as TFDS names the classes of ImageNet


def clip_score(clip: CLIP, classes: Sequence[str]) -> Metric:
    """`clip_score`: 100 max(0, cosine) of an image and its caption; the mean of images.

    `classes` are the names of the classes. The caption of an image is `CAPTION` with
    the name of its class. Images without a class do not count. Raises `UserError` where
    a name is no word.
    """
    for name in classes:
        if CODE.fullmatch(name) or not WORD.search(name):
            raise UserError(
                f"clip: left out; the name of a class, '{name}', is no word"
            )
    captions = clip.encode([CAPTION.format(name.replace("_", " ")) for name in classes])
    side = clip.image.side

    def stats(arguments, prediction, examples):
        variables, captions = arguments
        rgb, label = recolor(examples, prediction.ab), examples["label"]
        # CLIP's own resizing is bicubic and antialiased, too.
        rgb = jax.image.resize(rgb, (len(rgb), side, side, 3), "cubic").clip(0, 1)
        images = unit(jnp.asarray(clip.image.apply(variables, rgb)))
        known = (label >= 0) & (label < len(captions))
        cosine = jnp.sum(images * captions[jnp.where(known, label, 0)], axis=-1)
        return {
            "clip": known * 100 * jnp.maximum(cosine, 0),
            "pictures": known.astype(jnp.float32),
        }

    def finalize(sums):
        count = sums["pictures"]
        return {"clip_score": sums["clip"] / count} if count else {}

    settings = {"caption": CAPTION, "side": side, "sha256": clip.sha256}
    arguments = clip.image_variables, np.asarray(captions)
    return Metric(Partial(stats, arguments), finalize, settings={"clip": settings})


def _build(context: Context) -> Metric:
    if not context.clip:
        raise UserError("clip: left out; name CLIP's file: --clip=FILE")
    if not context.classes:
        raise UserError("clip: left out; the data have no names of classes")
    return clip_score(load_clip(context.clip), _names(context.classes))


def _names(classes: Sequence[str]) -> Sequence[str]:
    """The names of classes, with words for codes of ImageNet."""
    if not any(map(CODE.fullmatch, classes)):
        return classes
    from colorjax.words.classes import names_of_codes  # slow to import

    try:
        return names_of_codes(classes)
    except UserError as error:
        raise UserError(
            f"clip: left out; names for ImageNet's codes: {error}"
        ) from error


FAMILY = Family(
    "clip",
    _build,
    {"clip_score": Column("CLIP score", 2, "100 cosine, to 'a photo of a CLASS'")},
)
