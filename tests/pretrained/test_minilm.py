"""MiniLM's published weights: the net against PyTorch's, tokens, and refusals."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden.clip_tensors import minilm_tensors, sentences
from helpers import PUBLISHED

from colorjax.errors import UserError
from colorjax.pretrained import minilm
from colorjax.pretrained.weights import Weights, read
from colorjax.pretrained.wordpiece import load_wordpiece

VOCABULARY = (
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "car", "##s", "un", "##afford"),
    *("##able", ",", "!", "'", "naive", "中", "wheel"),
)


def made(tensors):
    return Weights("made.safetensors", dict(tensors), "0")


@pytest.fixture(scope="module")
def tensors():
    return minilm_tensors()


@pytest.fixture
def tokenize(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY))
    return load_wordpiece(tmp_path, 12)


def test_states_equal_pytorch(tensors):
    net, variables = minilm.load_minilm(made(tensors))
    tokens, mask = sentences()
    states = jax.jit(net.apply)(variables, tokens, mask)
    expected = np.load(PUBLISHED / "clip.npz")["minilm"]
    assert states.shape == expected.shape
    np.testing.assert_allclose(states[mask], expected[mask], rtol=0, atol=1e-4)


def test_padding_changes_no_state(tensors):
    net, variables = minilm.load_minilm(made(tensors))
    tokens, mask = (jnp.asarray(x[:1]) for x in sentences())
    apply = jax.jit(net.apply)
    long, short = (apply(variables, tokens[:, :n], mask[:, :n]) for n in (7, 4))
    assert mask.sum() == 4
    np.testing.assert_allclose(long[:, :4], short, rtol=0, atol=1e-5)


def test_wrong_files_name_the_tensor(tensors):
    def refused(match, drop=(), **changes):
        changed = {k: x for k, x in tensors.items() if k not in drop} | changes
        with pytest.raises(UserError, match=match):
            minilm.load_minilm(made(changed))

    key = "encoder.layer.1.attention.self.key.bias"
    refused(f"made.safetensors: not MiniLM: '{key}' is missing", [key])
    refused("'other.bias' belongs to no layer", **{"other.bias": np.zeros(1, "f4")})
    refused("word_embeddings.weight' is missing", tensors)
    key = "embeddings.word_embeddings.weight"
    refused("has shape .9, 50.", **{key: np.zeros((9, 50), "f4")})


def test_a_missing_package_names_the_command(monkeypatch):
    monkeypatch.setattr(minilm, "PACKAGE", "no-such-package")
    with pytest.raises(UserError, match="pip install --no-deps no-such-package"):
        minilm.packaged_folder()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("A red car", ["a", "red", "car"]),
        ("Naïve  CARS!", ["naive", "car", "##s", "!"]),
        ("unaffordable,car's", ["un", "##afford", "##able", ",", "car", "'", "[UNK]"]),
        ("red中\t\u200bcar\ufffd", ["red", "中", "car"]),
        ("a" * 101, ["[UNK]"]),
        ("", []),
    ],
)
def test_tokens(tokenize, text, parts):
    tokens, mask = tokenize([text])
    expected = [VOCABULARY.index(part) for part in ("[CLS]", *parts, "[SEP]")]
    assert tokens.dtype == np.int32 and tokens[mask].tolist() == expected
    assert tokens.shape == mask.shape == (1, 12) and not tokens[~mask].any()


def test_tokens_that_do_not_fit(tokenize):
    with pytest.raises(UserError, match="has 13 tokens; the encoder reads 12"):
        tokenize(["red " * 11])
    again = pickle.loads(pickle.dumps(tokenize))
    np.testing.assert_array_equal(again(["a car"])[0], tokenize(["a car"])[0])


def test_wrong_vocabularies(tmp_path):
    with pytest.raises(UserError, match="vocab.txt: No such file"):
        load_wordpiece(tmp_path)
    for data, match in ((b"a\nb", r"it has no \[CLS\]"), (b"\xff\xfe", "not a vocab")):
        (tmp_path / "vocab.txt").write_bytes(data)
        with pytest.raises(UserError, match=match):
            load_wordpiece(tmp_path)


@pytest.mark.slow
def test_published_file():
    """The mean of the states tells what sentences are about."""
    try:
        folder = minilm.packaged_folder()
    except UserError as error:
        pytest.skip(str(error))
    net, variables = minilm.load_minilm(read(folder / minilm.FILE))
    texts = ["a red car", "a crimson automobile", "the sea at night"]
    tokens, mask = load_wordpiece(folder)(texts)
    states = np.asarray(jax.jit(net.apply)(variables, tokens, mask))
    means = (states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    cosines = means @ means[0]
    assert cosines[1] > 0.5 > 0.2 > cosines[2]
