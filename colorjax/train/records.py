"""The files that describe a run: `config.json`, `prior.npy` and `pictures.json`, the
list of the images that it learns from."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Float

from colorjax import config as configs
from colorjax import files
from colorjax.data.sources import Split
from colorjax.errors import UserError, reason
from colorjax.quantize import Q

MANIFESTS = "pictures.json"  # the images that a run began with


def read_config(workdir: epath.PathLike) -> dict[str, Any] | None:
    """The config that a workdir was started with, or None if there is none yet.

    Raises `UserError` if the file is not a config.
    """
    path = epath.Path(workdir) / "config.json"
    config = files.read_json(path)
    if config is not None:
        check_mapping(config, path)
        configs.check_keys(config, optional=("step",))  # missing in converted runs
    return config


def check_mapping(value: Any, path: epath.Path) -> Any:
    """The value; raises `UserError` if it is not a mapping."""
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds a {type(value).__name__}, expected a mapping")
    return value


def read_prior(workdir: epath.PathLike) -> Float[np.ndarray, "313"] | None:
    """The prior that a run was started with, or None if there is none yet.

    Raises `UserError` if the file is not a prior.
    """
    path = epath.Path(workdir) / "prior.npy"
    if not path.exists():
        return None
    try:
        with io.BytesIO(files.read_bytes(path, most=1 << 20)) as file:
            prior = np.load(file, allow_pickle=False)
        if prior.shape != (Q,) or prior.dtype != np.float32:
            raise ValueError(f"{prior.dtype} {prior.shape}")
        if not (prior >= 0).all() or not abs(prior.sum() - 1) < 1e-3:
            raise ValueError("its frequencies are negative or do not sum to 1")
    except UserError:
        raise
    except Exception as error:  # damaged bytes make NumPy raise many classes
        raise UserError(f"{path}: not a prior ({reason(error)})") from error
    return prior


def write_prior(workdir: epath.PathLike, prior: Float[np.ndarray, "313"]) -> None:
    """Write `prior.npy`."""
    encoded = io.BytesIO()
    np.save(encoded, prior)
    files.write_bytes(epath.Path(workdir) / "prior.npy", encoded.getvalue())


def write_manifests(workdir: epath.PathLike, splits: Mapping[str, Split]) -> None:
    """Write the list of the images that a run learns from, by the name of the split."""
    manifests = {name: split.manifest() for name, split in splits.items()}
    files.write_json(epath.Path(workdir) / MANIFESTS, manifests)


def restore_manifests(
    workdir: epath.PathLike, splits: Mapping[str, Split]
) -> dict[str, str]:
    """Restrict splits to the images that a run began with, in the same order.

    Returns a description of what changed since, by the name of the split. Raises
    `UserError` if the images cannot be restored or the file is not a list of images.
    """
    path = epath.Path(workdir) / MANIFESTS
    manifests = files.read_json(path)
    if manifests is None:  # a converted run has none
        return {}
    check_mapping(manifests, path)
    changes = {}
    for name, split in splits.items():
        manifest = manifests.get(name)
        if not isinstance(manifest, list) or not all(
            isinstance(key, str) for key in manifest
        ):
            raise UserError(f"{path}: has no list of the images of '{name}'")
        if description := split.restore_manifest(manifest):
            changes[name] = description
    return changes
