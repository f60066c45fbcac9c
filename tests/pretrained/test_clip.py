"""CLIP's published weights: the net against PyTorch's, vocabulary, and refusals."""

import gzip

import jax
import numpy as np
import pytest
from golden.clip_tensors import (
    BASE,
    LIST,
    TOKENS,
    clip_tensors,
    hugging_face,
    pictures,
    write_clip,
)
from helpers import PUBLISHED

from colorjax.errors import UserError
from colorjax.pretrained.bytepairs import load_bytepairs
from colorjax.pretrained.clip import load_clip

CLOSE = dict(rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def tensors():
    return clip_tensors()


@pytest.fixture(scope="module")
def golden():
    return np.load(PUBLISHED / "clip.npz")


@pytest.fixture(scope="module")
def clip(tensors, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    return load_clip(write_clip(folder, tensors))


def test_images_and_texts_equal_pytorch(clip, golden):
    images = jax.jit(clip.image.apply)(clip.image_variables, pictures())
    np.testing.assert_allclose(images, golden["images"], **CLOSE)
    texts = jax.jit(clip.text.apply)(clip.text_variables, TOKENS)
    np.testing.assert_allclose(texts, golden["texts"], **CLOSE)
    assert clip.scale == pytest.approx(100)


def test_places_of_an_image_of_another_size_equal_pytorch(clip, golden):
    """Four patches by three, where the net was trained on three by three."""
    tall = np.tile(pictures()[:, :8], (1, 2, 1, 1))
    apply = jax.jit(clip.image.apply, static_argnames="places")
    places = apply(clip.image_variables, tall, places=True)
    expected = golden["places"].transpose(0, 2, 3, 1)
    np.testing.assert_allclose(places, expected, **CLOSE)


def test_layouts_are_read_alike(clip, tensors, golden, tmp_path):
    """Hugging Face's config names the activation; here it is the exact GELU."""
    config = {"config": {"text_config": {"hidden_act": "gelu"}}}
    path = write_clip(tmp_path, hugging_face(tensors), config=config)
    other = load_clip(path)
    for tower in ("image_variables", "text_variables"):
        jax.tree.map(
            np.testing.assert_array_equal, getattr(other, tower), getattr(clip, tower)
        )
    images = jax.jit(other.image.apply)(other.image_variables, pictures())
    np.testing.assert_allclose(images, golden["gelu"], **CLOSE)
    assert np.abs(golden["gelu"] - golden["images"]).max() > 1e-2


def test_openai_files_and_checkpoints_of_open_clip(tensors, tmp_path):
    """The former have three sizes and need no config; the latter have a prefix."""
    sizes = ("input_resolution", "context_length", "vocab_size")
    own = tensors | {name: np.array(3) for name in sizes}
    assert load_clip(write_clip(tmp_path, own, config={})).image.patch == 4
    held = {f"module.{key}": x for key, x in tensors.items()}
    assert load_clip(write_clip(tmp_path, held)).text.length == 10


def test_wrong_files_are_refused_in_one_line(tensors, tmp_path):
    def refused(match, drop=(), **changes):
        changed = {k: x for k, x in tensors.items() if k not in drop} | changes
        path = write_clip(tmp_path, changed)
        with pytest.raises(UserError, match=match) as caught:
            load_clip(path)
        assert "\n" not in str(caught.value)

    key = "visual.transformer.resblocks.1.attn.in_proj_bias"
    refused(f"model.safetensors: not CLIP's.*'{key}' is missing", [key])
    refused("'visual.conv1.weight' is missing", [k for k in tensors if "visual" in k])
    refused("'other.bias' belongs to no layer", **{"other.bias": np.zeros(1, "f4")})
    key = "visual.positional_embedding"
    refused(f"'{key}' has shape .11, 128.", **{key: np.zeros((11, 128), "f4")})
    refused(f"'{key}' has shape .9, 130.", **{key: np.zeros((9, 130), "f4")})
    key = "transformer.resblocks.0.mlp.c_fc.weight"
    refused(f"'{key}' holds NaN", **{key: np.full_like(tensors[key], np.nan)})
    path = write_clip(tmp_path, hugging_face(tensors))
    with pytest.raises(UserError, match="which GELU.*put config.json"):
        load_clip(path)
    config = {"open_clip_config": {"model_cfg": {"quick_gelu": 3}}}
    path = write_clip(tmp_path, tensors, config=config)
    with pytest.raises(UserError, match="model_cfg.quick_gelu is 3"):
        load_clip(path)


def slow_torch():
    """PyTorch, with the twin of the net."""
    torch = pytest.importorskip("torch")
    from golden import torch_clip

    return torch, torch_clip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*jit:DeprecationWarning")
def test_openai_archive_at_full_width(tmp_path):
    """ViT-B/32 in half precision, in the archive of a scripted module."""
    torch, twin = slow_torch()

    class Holder(torch.nn.Module):
        def forward(self, x):
            return x

    root, tensors = Holder(), clip_tensors(BASE)
    sizes = {"input_resolution": 224, "context_length": 77, "vocab_size": 49408}
    halves = {key: torch.tensor(x).half() for key, x in tensors.items()}
    for key, x in (halves | {k: torch.tensor(n) for k, n in sizes.items()}).items():
        *path, name = key.split(".")
        node = root
        for part in path:
            if not hasattr(node, part):
                node.add_module(part, Holder())
            node = getattr(node, part)
        node.register_buffer(name, x)
    torch.jit.script(root).save(tmp_path / "ViT-B-32.pt")
    merges = [f"a b{i}" for i in range(BASE.vocabulary - 514)]
    (tmp_path / "merges.txt").write_text("\n".join(["#version", *merges]))
    clip = load_clip(tmp_path / "ViT-B-32.pt")
    tokens = np.zeros((2, 77), np.int32)
    tokens[:, :6] = [[49406, 320, 1125, 539, 2368, 49407], [49406, 5, 49407, 0, 0, 0]]
    doubles = {key: x.double() for key, x in halves.items()}
    rgb = torch.tensor(pictures(BASE)).permute(0, 3, 1, 2).double()
    with torch.no_grad():
        expected = [
            twin.image_tower(doubles, rgb),
            twin.image_tower(doubles, rgb, places=True).permute(0, 2, 3, 1),
            twin.text_tower(doubles, torch.tensor(tokens)),
        ]
    image = jax.jit(clip.image.apply, static_argnames="places")
    actual = [
        image(clip.image_variables, pictures(BASE)),
        image(clip.image_variables, pictures(BASE), places=True),
        jax.jit(clip.text.apply)(clip.text_variables, tokens),
    ]
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-4)


# ---- The vocabulary.


def test_tokens(tmp_path):
    (tmp_path / "merges.txt").write_bytes(LIST)
    tokenize = load_bytepairs(tmp_path, 534, 10)
    np.testing.assert_array_equal(tokenize(["A photo of a cat"]), TOKENS[:1])
    first, second = tokenize(["é_1", " 2%\n"]).tolist()
    # Bytes without a merge: Ã, © at a word's end; _; 1 at a word's end.
    assert first[1:5] == [127, 358, 318, 272] and second[1:4] == [273, 260, 533]
    with pytest.raises(UserError, match="has 11 tokens, and CLIP reads 10"):
        tokenize(["a " * 9])


def test_vocabularies(tmp_path):
    def refused(match):
        with pytest.raises(UserError, match=match):
            load_bytepairs(tmp_path, 534, 10)

    refused("put merges.txt .*bpe_simple_vocab_16e6.txt.gz")
    packed = tmp_path / "bpe_simple_vocab_16e6.txt.gz"
    packed.write_bytes(gzip.compress(LIST + b"\nto o\nmany more\n"))
    tokens = load_bytepairs(tmp_path, 534, 10)(["a photo of a cat"])
    np.testing.assert_array_equal(tokens, TOKENS[:1])
    packed.write_bytes(packed.read_bytes()[:-30])
    refused("gz: not a list of merges")
    for wrong in (LIST[:-20], LIST.replace(b"p h\n", b"p h h\n"), b"\xff\xfe"):
        (tmp_path / "merges.txt").write_bytes(wrong)
        refused("merges.txt: not a list of merges")
