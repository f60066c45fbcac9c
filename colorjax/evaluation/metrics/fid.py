"""Distance between distributions of pictures: `frechet`, FID by both protocols.

Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium", NeurIPS 2017. Colorization papers compare with either of two sets,
and the figures differ: the ground truth of the very pictures that were recoloured, or
pictures that are in no way theirs. Both are given, each by its name.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import numpy as np
from jax.sharding import Mesh
from jax.tree_util import Partial
from jaxtyping import Array, Float

from colorjax.evaluation.engine import Metric, evaluate, original_predictor
from colorjax.evaluation.metrics.image import recolor
from colorjax.nets.inception import FEATURES, SIDE


class Moments(NamedTuple):
    """Mean and covariance of features, float64."""

    mean: Float[np.ndarray, "f"]
    covariance: Float[np.ndarray, "f f"]


def moments(features: Float[np.ndarray, "n f"]) -> Moments:
    """Moments of a set, the covariance unbiased."""
    features = features.astype(np.float64)
    return Moments(features.mean(axis=0), np.cov(features, rowvar=False))


def frechet_distance(x: Moments, y: Moments) -> float:
    """||mx - my||^2 + tr(Cx + Cy - 2 (Cx Cy)^1/2), of Gaussians of these moments.

    The trace of the root is that of the symmetric (Cx^1/2 Cy Cx^1/2)^1/2, whose
    eigenvalues are real, so nothing is to be rounded away.
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
    """Features of pictures in [0, 1], resized to 299 pixels, bilinear, antialiased."""
    size = (len(rgb), SIDE, SIDE, 3)
    return net.apply(variables, 2 * jax.image.resize(rgb, size, "bilinear") - 1)


def features(net: nn.Module, variables: Any) -> Metric:
    """The features of every picture, kept; it has no figures."""

    def stats(variables, prediction, examples):
        rgb = recolor(examples, prediction.ab)
        return {"features": inception_features(net, variables, rgb)}

    return Metric(Partial(stats, variables), lambda kept: {}, kept=True)


def original_moments(
    net: nn.Module, variables: Any, batches: Iterable[dict], mesh: Mesh
) -> Moments:
    """Moments of the features of original pictures."""
    rows = {"original": original_predictor()}
    metrics = {"fid": features(net, variables)}
    found = evaluate(rows, metrics, batches, mesh, replicates=0)
    return moments(found["original"].stats["fid"]["features"])


def frechet(
    net: nn.Module, variables: Any, same: Moments, disjoint: Moments, settings: dict
) -> Metric:
    """`fid_same`, to the originals of the same pictures, and `fid_disjoint`, to a
    disjoint set of originals; `settings` say which weights and which set."""

    def finalize(kept):
        if len(kept["features"]) < 2:
            return {}
        own = moments(kept["features"])
        return {
            "fid_same": frechet_distance(own, same),
            "fid_disjoint": frechet_distance(own, disjoint),
        }

    return features(net, variables)._replace(
        finalize=finalize,
        settings={"fid": {"features": FEATURES, "resize": "bilinear 299", **settings}},
    )
