"""CLIP with published weights: `load_clip`.

The file is one of a vision transformer, such as ViT-B/32: OpenAI's TorchScript archive
(ViT-B-32.pt), Hugging Face's model.safetensors or pytorch_model.bin, or open_clip's
open_clip_model.safetensors or open_clip_pytorch_model.bin.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jaxtyping import Array, Float, Int

from colorjax import files
from colorjax.errors import UserError
from colorjax.nets.clip import HEAD, ImageTower, TextTower, gelu, quick_gelu
from colorjax.pretrained.bytepairs import load_bytepairs
from colorjax.pretrained.torch_layers import Keys, load_layers, unwrapped
from colorjax.pretrained.weights import Reader, Weights, read

CAPTION = "a photo of a {}"  # of a noun
WIDEST = 1024  # channels; the heads of wider nets do not have `HEAD` channels
SIZES = ("input_resolution", "context_length", "vocab_size")  # in OpenAI's archive
ACTIVATIONS = {  # by the value in a config
    "quick_gelu": quick_gelu,
    "True": quick_gelu,
    "gelu": gelu,
    "False": gelu,
}


class Layout(NamedTuple):
    """A published form of CLIP.

    `image` and `text` say where the tensors of the towers are, as pairs for
    `load_layers`, and `projections` where those after the towers are, which Hugging
    Face stores as [outputs inputs]. The file beside the weights, `config`, has the
    activation in a `section` under a `key`; without it, it is `default`.
    """

    image: Keys
    text: Keys
    projections: tuple[str, str]
    config: str
    section: str
    key: str
    default: str


def _blocks(prefix: str, attention: str, norm: str, widen: str, narrow: str) -> Keys:
    """The pairs of the blocks of a tower."""
    return (
        (r"block(\d+)/attention/", rf"{prefix}.\1.{attention}."),
        (r"block(\d+)/norm(\d)/", rf"{prefix}.\1.{norm}\2."),
        (r"block(\d+)/widen/", rf"{prefix}.\1.mlp.{widen}."),
        (r"block(\d+)/narrow/", rf"{prefix}.\1.mlp.{narrow}."),
    )


OPENAI_PARTS = "attn", "ln_", "c_fc", "c_proj"
OPENAI = Layout(  # and open_clip
    image=(
        ("positions", "visual.positional_embedding"),
        ("patches/", "visual.conv1."),
        ("class", "visual.class_embedding"),
        ("norm_before/", "visual.ln_pre."),
        ("norm_after/", "visual.ln_post."),
        *_blocks("visual.transformer.resblocks", *OPENAI_PARTS),
    ),
    text=(
        ("positions", "positional_embedding"),
        ("tokens", "token_embedding.weight"),
        ("norm_after/", "ln_final."),
        *_blocks("transformer.resblocks", *OPENAI_PARTS),
    ),
    projections=("visual.proj", "text_projection"),
    config="open_clip_config.json",
    section="model_cfg",
    key="quick_gelu",
    default="False",
)
HUGGING_FACE_PARTS = "self_attn", "layer_norm", "fc1", "fc2"
HUGGING_FACE = Layout(
    image=(
        ("positions", "vision_model.embeddings.position_embedding.weight"),
        ("patches/", "vision_model.embeddings.patch_embedding."),
        ("class", "vision_model.embeddings.class_embedding"),
        ("norm_before/", "vision_model.pre_layrnorm."),
        ("norm_after/", "vision_model.post_layernorm."),
        *_blocks("vision_model.encoder.layers", *HUGGING_FACE_PARTS),
    ),
    text=(
        ("positions", "text_model.embeddings.position_embedding.weight"),
        ("tokens", "text_model.embeddings.token_embedding.weight"),
        ("norm_after/", "text_model.final_layer_norm."),
        *_blocks("text_model.encoder.layers", *HUGGING_FACE_PARTS),
    ),
    projections=("visual_projection.weight", "text_projection.weight"),
    config="config.json",
    section="text_config",
    key="hidden_act",
    default="quick_gelu",
)
IDS = ".embeddings.position_ids"  # 0, 1, 2, ... in older files of Hugging Face


class CLIP(NamedTuple):
    """Both towers, and their variables.

    `scale` multiplies cosines to logits. `tokenize` makes tokens of texts. `sha256` is
    the hash of the file.
    """

    image: ImageTower
    image_variables: dict[str, Any]
    text: TextTower
    text_variables: dict[str, Any]
    scale: float
    tokenize: Callable[[Sequence[str]], Int[np.ndarray, "b n"]]
    sha256: str

    def encode(self, texts: Sequence[str]) -> Float[np.ndarray, "b d"]:
        """Unit vectors of texts. Raises `UserError` for one with too many tokens."""
        tokens = self.tokenize(texts)
        return np.asarray(_encode(self.text, self.text_variables, tokens))


@partial(jax.jit, static_argnums=0)
def _encode(text: TextTower, variables: Any, tokens: Array) -> Float[Array, "b d"]:
    return unit(jnp.asarray(text.apply(variables, tokens)))


def unit(vectors: Float[Array, "*b d"]) -> Float[Array, "*b d"]:
    """The vectors, divided by their lengths."""
    return vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True)


def load_clip(path: epath.PathLike) -> CLIP:
    """CLIP from a file, with its vocabulary beside it (see `load_bytepairs`).

    The sizes of the towers follow from the tensors. The file does not tell the
    activation, unless it is OpenAI's archive; a config beside it does. Raises
    `UserError`, naming the tensor or the file, where one is missing, unknown, of
    another shape or not finite.
    """
    weights = read(path)
    tensors = unwrapped(weights.tensors)
    layout = HUGGING_FACE if HUGGING_FACE.projections[0] in tensors else OPENAI
    own_archive = SIZES[0] in tensors
    tensors = {k: x for k, x in tensors.items() if k not in SIZES and IDS not in k}
    if layout is HUGGING_FACE:
        tensors |= {key: tensors[key].T for key in layout.projections if key in tensors}
    reader = Reader(weights._replace(tensors=tensors), "CLIP's vision transformer")
    image, text = _image_tower(reader, layout), _text_tower(reader, layout)
    rgb = jax.ShapeDtypeStruct((1, image.side, image.side, 3), jnp.float32)
    tokens = jax.ShapeDtypeStruct((1, text.length), jnp.int32)
    variables = []
    for tower, example, keys, projection in (
        (image, rgb, layout.image, layout.projections[0]),
        (text, tokens, layout.text, layout.projections[1]),
    ):
        shapes = jax.eval_shape(tower.init, jax.random.key(0), example)["params"]
        params = load_layers(reader, shapes, (("projection", projection), *keys))
        variables.append({"params": params})
    scale = float(np.exp(reader.take("logit_scale", ())))
    reader.finish()
    activation = quick_gelu if own_archive else _activation(weights, layout)
    folder = epath.Path(weights.path).parent
    return CLIP(
        image.copy(activation=activation),
        variables[0],
        text.copy(activation=activation),
        variables[1],
        scale,
        load_bytepairs(folder, text.vocabulary, text.length),
        weights.sha256,
    )


def _image_tower(reader: Reader, layout: Layout) -> ImageTower:
    """The tower that has the sizes in a file."""
    keys = dict(layout.image)
    *_, patch = reader.shape(f"{keys['patches/']}weight", 4)
    positions, _ = reader.shape(keys["positions"], 2)
    _, outputs = reader.shape(layout.projections[0], 2)
    return ImageTower(
        width=_checked(reader, keys["positions"]),
        layers=_count(reader, layout.image),
        patch=patch,
        grid=max(1, math.isqrt(positions - 1)),
        outputs=outputs,
    )


def _text_tower(reader: Reader, layout: Layout) -> TextTower:
    """The tower that has the sizes in a file."""
    keys = dict(layout.text)
    vocabulary, _ = reader.shape(keys["tokens"], 2)
    length, _ = reader.shape(keys["positions"], 2)
    _, outputs = reader.shape(layout.projections[1], 2)
    return TextTower(
        width=_checked(reader, keys["positions"]),
        layers=_count(reader, layout.text),
        vocabulary=vocabulary,
        length=length,
        outputs=outputs,
    )


def _checked(reader: Reader, key: str) -> int:
    """The width of a tower. Raises `UserError` where the heads would not fit."""
    shape = reader.shape(key, 2)
    if shape[1] % HEAD or shape[1] > WIDEST:
        raise reader.refusal(key, f"has shape {shape}; no such size of CLIP is known")
    return shape[1]


def _count(reader: Reader, keys: Keys) -> int:
    """How many blocks a file has."""
    norm = dict(keys)[r"block(\d+)/norm(\d)/"]
    first = norm.replace(r"\1", "{}").replace(r"\2", "1") + "weight"
    count = 0
    while first.format(count) in reader.left:
        count += 1
    return count


def _activation(weights: Weights, layout: Layout) -> Callable[[Array], Array]:
    """The activation that the config beside a file names.

    Raises `UserError` where there is none.
    """
    path = epath.Path(weights.path).parent / layout.config
    config = files.read_json(path)
    if config is None:
        raise UserError(
            f"{weights.path}: does not tell which GELU the net has; put "
            f"{layout.config} of the weights' page beside it"
        )
    section = config.get(layout.section)
    value = section.get(layout.key, layout.default) if isinstance(section, dict) else ""
    if str(value) not in ACTIVATIONS:
        raise UserError(f"{path}: {layout.section}.{layout.key} is {value!r}")
    return ACTIVATIONS[str(value)]
