"""Fréchet Inception distance (FID) between sets of images: `frechet`.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium", NeurIPS 2017. Colorization papers compare the colorized images with
one of two sets, and the values differ: the originals of the same images, or a disjoint
set of originals. We report both.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array, Float

from colorjax.errors import UserError
from colorjax.evaluation.baselines import ORIGINAL
from colorjax.evaluation.engine import Metric, Sums, evaluate
from colorjax.evaluation.metrics.family import Column, Context, Family
from colorjax.evaluation.metrics.image import recolor
from colorjax.nets.inception import FEATURES, SIDE
from colorjax.pretrained.inception import load_inception
from colorjax.pretrained.weights import read


class Moments(NamedTuple):
    """Mean and covariance of features, in float64."""

    mean: Float[np.ndarray, "f"]
    covariance: Float[np.ndarray, "f f"]


def moments(features: Float[np.ndarray, "n f"]) -> Moments:
    """The moments of a set of features, with the unbiased covariance."""
    features = features.astype(np.float64)
    return Moments(features.mean(axis=0), np.cov(features, rowvar=False))


def frechet_distance(x: Moments, y: Moments) -> float:
    """||mx - my||^2 + tr(Cx + Cy - 2 (Cx Cy)^1/2), the distance between two Gaussians.

    The root has the trace of the symmetric (Cx^1/2 Cy Cx^1/2)^1/2. The eigenvalues of
    the latter are real, so no imaginary part has to be dropped.
    """
    values, vectors = np.linalg.eigh(x.covariance)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ y.covariance @ root)
    squares = np.square(x.mean - y.mean).sum()
    traces = np.trace(x.covariance) + np.trace(y.covariance)
    return float(squares + traces - 2 * np.sqrt(product.clip(0)).sum())


def inception_features(
    net: nn.Module, variables: Any, rgb: Float[Array, "b h w 3"]
) -> Float[Array, "b f"]:
    """Features of images in [0, 1], resized to 299 pixels (bilinear, antialiased)."""
    size = (len(rgb), SIDE, SIDE, 3)
    resized = jax.image.resize(rgb, size, "bilinear")
    return jnp.asarray(net.apply(variables, 2 * resized - 1))


def features(net: nn.Module, variables: Any) -> Metric:
    """The features of each image; this metric has no value."""

    def stats(variables, prediction, examples):
        rgb = recolor(examples, prediction.ab)
        return {"features": inception_features(net, variables, rgb)}

    return Metric(Partial(stats, variables), lambda per_image: {}, per_image=True)


def original_moments(
    net: nn.Module, variables: Any, batches: Iterable[dict], mesh: Mesh
) -> Moments:
    """The moments of the features of the original images."""
    metrics = {"fid": features(net, variables)}
    evaluated = evaluate({"original": ORIGINAL}, metrics, batches, mesh, replicates=0)
    return moments(evaluated["original"].stats["fid"]["features"])


def frechet(
    net: nn.Module, variables: Any, same: Moments, disjoint: Moments, settings: dict
) -> Metric:
    """`fid_same`, the distance to the originals of the same images, and `fid_disjoint`,
    the distance to a disjoint set of originals.

    `settings` name the weights and the disjoint set.
    """

    def finalize(per_image: Sums) -> dict[str, float]:
        if len(per_image["features"]) < 2:
            return {}
        own = moments(per_image["features"])
        return {
            "fid_same": frechet_distance(own, same),
            "fid_disjoint": frechet_distance(own, disjoint),
        }

    return features(net, variables)._replace(
        finalize=finalize,
        settings={"fid": {"features": FEATURES, "resize": "bilinear 299", **settings}},
    )


def _build(context: Context) -> Metric:
    if not context.inception or context.originals is None:
        raise UserError("fid: left out; name Inception-v3's file: --inception=FILE")
    file = read(context.inception)
    net, variables = load_inception(file)
    same, disjoint, settings = context.originals(net, variables)
    settings = {"sha256": file.sha256, **settings}
    return frechet(net, variables, same, disjoint, settings)


FAMILY = Family(
    "fid",
    _build,
    {
        "fid_same": Column("FID same", 2, "to the originals of the same pictures"),
        "fid_disjoint": Column("FID disj.", 2, "to a disjoint set of originals"),
    },
)
