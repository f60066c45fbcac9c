"""The directory of a run: `Run` and `load_run`, which reads it back."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float

from colorjax import config as configs
from colorjax import files
from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import Split
from colorjax.errors import UserError, reason
from colorjax.method import Method, Nets
from colorjax.quantize import Q
from colorjax.train.checkpoint import load_nets
from colorjax.train.experiment import UNIFORM, make_dataset, make_method

STARTER = (
    epath.Path(__file__).parent.parent / "starter"
)  # the run that comes with colorjax
SOURCE = "source.json"  # beside the config.json of a converted run
PICTURES = "pictures.json"  # which pictures a run began with


class Run(NamedTuple):
    """A run: its config, its parts, and the nets of one of its checkpoints.

    `source` says where a run comes from that `colorjax convert` made; how frequent the
    colours were in what it was trained on, nobody knows then, and `prior` is None.
    """

    config: dict[str, Any]
    pictures: ImageDataset
    prior: Float[np.ndarray, "313"] | None
    method: Method
    nets: Nets
    step: int
    source: dict[str, Any] | None = None


def read_config(workdir: epath.PathLike) -> dict[str, Any] | None:
    """The config that a workdir was started with, or None where there is none yet.

    Raises `UserError` where the file is of something else.
    """
    path = epath.Path(workdir) / "config.json"
    config = files.read_json(path)
    if config is not None:
        _mapping(config, path)
        configs.check_keys(config, optional=("step",))  # a converted run has none
    return config


def _mapping(value: Any, path: epath.Path) -> Any:
    """The value, once it is known to be a mapping."""
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds a {type(value).__name__}, expected a mapping")
    return value


def read_prior(workdir: epath.PathLike) -> Float[np.ndarray, "313"] | None:
    """The prior that a run was started with, or None where there is none yet.

    Raises `UserError` where the file is of something else.
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
            raise ValueError("its shares are negative or do not sum to 1")
    except UserError:
        raise
    except Exception as error:  # NumPy raises whatever the bytes provoke
        raise UserError(f"{path}: not a prior ({reason(error)})") from error
    return prior


def write_manifests(workdir: epath.PathLike, splits: Mapping[str, Split]) -> None:
    """Write down which pictures a run learns from, of splits by name."""
    listings = {name: split.manifest() for name, split in splits.items()}
    files.write_json(epath.Path(workdir) / PICTURES, listings)


def restore_manifests(
    workdir: epath.PathLike, splits: Mapping[str, Split]
) -> dict[str, str]:
    """Have splits give the pictures that a run began with; what changed since, by name.

    Raises `UserError` where they cannot be had, or the file is of something else.
    """
    path = epath.Path(workdir) / PICTURES
    listings = files.read_json(path)
    if listings is None:  # a converted run has none
        return {}
    _mapping(listings, path)
    changed = {}
    for name, split in splits.items():
        listing = listings.get(name)
        if not isinstance(listing, list) or not all(
            isinstance(key, str) for key in listing
        ):
            raise UserError(f"{path}: has no list of the pictures of '{name}'")
        if told := split.restore_manifest(listing):
            changed[name] = told
    return changed


def locate_run(workdir: epath.PathLike) -> epath.Path:
    """The path of a run; the name `starter` is the run that comes with colorjax,
    unless a run has that path."""
    path = epath.Path(workdir)
    named = str(workdir) == "starter" and not (path / "config.json").exists()
    return STARTER if named else path


def load_run(workdir: epath.PathLike = STARTER, step: int | None = None) -> Run:
    """Read a run back, or the one that comes with colorjax: its last checkpoint, or
    that of `step`."""
    workdir = locate_run(workdir)
    config, prior = read_config(workdir), read_prior(workdir)
    path = epath.Path(workdir) / SOURCE
    source = files.read_json(path)
    if source is not None:
        _mapping(source, path)
    if config is None or (prior is None and source is None):
        raise UserError(
            f"{workdir}: no config.json and prior.npy here; give the workdir of a run "
            "that train.py or colorjax convert made"
        )
    step, nets = load_nets(workdir, step)
    # What the prior weighs is the loss, and a converted run has none.
    method = make_method(config["method"], UNIFORM if prior is None else prior)
    pictures = make_dataset(config["data"])
    return Run(config, pictures, prior, method, nets, step, source)


def load_runs(workdirs: Sequence[str], step: int | None = None) -> dict[str, Run]:
    """Runs by name, see `name_runs`."""
    return {name: load_run(path, step) for name, path in name_runs(workdirs).items()}


def name_runs(workdirs: Sequence[str]) -> dict[str, str]:
    """Workdirs by the name of the directory, or by the path where names repeat."""
    short = {epath.Path(path).name: path for path in workdirs}
    return short if len(short) == len(workdirs) else {path: path for path in workdirs}
