"""Saving a predicted distribution to a file, and loading it.

The file is a NumPy archive (.npz) with these arrays:

- `logits`: float16 [h2, w2, 313] over the bins that `bins` describes, at every
  `stride`-th working pixel;
- `lightness`: L, 0 to 100, at working size, float16 [h, w];
- `size`: height and width of the picture;
- `temperature`: the softmax temperature of the method;
- `saturation`: the factor by which the run multiplies the chroma, 1 if missing;
- `number`: a hash of the picture, which samples depend on, 0 if missing;
- `network_hints`: what the network saw, as JSON, {} if missing;
- `source`: a name of the run;
- `version`: of this format.
"""

import dataclasses
import io
import json
import zipfile
from typing import Any

import numpy as np
from etils import epath

from colorjax import files
from colorjax.errors import UserError, reason
from colorjax.inference.distribution import Distribution
from colorjax.method import OPTIONAL
from colorjax.quantize import Q

VERSION = 1
BINS = "multiples of 10 in ab, sorted by a, then b (colorjax.quantize.ab_bins)"
MAX_BYTES = 1 << 28  # of the arrays that are read: a working side of 2,600 pixels


def save(path: epath.PathLike, distribution: Distribution) -> None:
    """Write a distribution; the file appears under its name only when it is complete.

    Raises `UserError` if the distribution has no logits, or the file cannot be written.
    """
    encoded = io.BytesIO()
    np.savez(
        encoded,
        version=VERSION,
        bins=BINS,
        size=distribution.size,
        stride=distribution.stride,
        temperature=distribution.temperature,
        saturation=distribution.saturation,
        number=distribution.number,
        network_hints=json.dumps(distribution.network_hints),
        source=distribution.source,
        lightness=distribution.lightness.astype(np.float16),
        logits=distribution.require_logits().astype(np.float16),
    )
    files.write_bytes(path, encoded.getvalue())


def load(path: epath.PathLike) -> Distribution:
    """Read a file that `save` wrote. Nothing in the file is executed.

    Raises `UserError` if the file is missing or was not written by `save`.
    """
    try:
        return _validated(_read(epath.Path(path)))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; --save-distribution writes it") from (
            error
        )
    except Exception as error:  # the readers raise exceptions of any kind
        raise UserError(f"{path}: not a saved distribution ({reason(error)})") from (
            error
        )


def _read(path: epath.Path) -> dict[str, Any]:
    with path.open("rb") as file:
        with zipfile.ZipFile(file) as members:
            if sum(member.file_size for member in members.infolist()) > MAX_BYTES:
                raise ValueError("too large")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def _validated(content: dict[str, Any]) -> Distribution:
    """The distribution of the arrays. Raises `ValueError` if they are inconsistent."""
    if content["version"] != VERSION or content["bins"] != BINS:
        raise ValueError("written by another version of colorjax")
    logits, lightness = content["logits"], content["lightness"]
    height, width = (int(n) for n in content["size"].reshape(2))
    stride, temperature = int(content["stride"]), float(content["temperature"])
    saturation = float(content.get("saturation", 1.0))
    consistent = (
        logits.dtype == lightness.dtype == np.float16
        and logits.ndim == 3
        and logits.shape[2] == Q
        and lightness.ndim == 2
        and min(height, width, stride, *lightness.shape) >= 1
        and all(
            0 <= samples - -(-pixels // stride) <= 1
            for samples, pixels in zip(logits.shape, lightness.shape, strict=False)
        )
    )
    if not (consistent and np.isfinite(logits).all() and np.isfinite(lightness).all()):
        raise ValueError("its arrays do not fit each other")
    if not 0 < temperature < np.inf:
        raise ValueError("its temperature is not positive")
    if not 0 <= saturation < np.inf:
        raise ValueError("its saturation is negative")
    number = int(content.get("number", 0))
    if not 0 <= number < 1 << 32:
        raise ValueError("its number is not one of 32 bits")
    network_hints = dict(json.loads(str(content.get("network_hints", "{}"))))
    if not set(network_hints) <= OPTIONAL:
        raise ValueError("its hints are not those of a network")
    lightness = lightness.astype(np.float32)
    ab = np.zeros((*lightness.shape, 2), np.float32)
    source = str(content["source"])[:200]
    distribution = Distribution(
        (height, width),
        lightness,
        ab,
        logits,
        stride,
        temperature,
        source,
        saturation=saturation,
        number=number,
        network_hints=network_hints,
    )
    return dataclasses.replace(distribution, ab=distribution.decode(temperature))
