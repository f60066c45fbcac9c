"""Words, hints and an exemplar in one diffusion model: what each of them changes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from examples import batch

from colorjax.method import image_keys, to_examples
from colorjax.methods import control_color
from colorjax.methods._samplers import emphasis, guided, pinned

SMALL = dict(
    net="transformer", width=1 / 48, net_options=dict(depth=1), stride=2, steps=2
)
WORD = np.concatenate([np.full(512, 0.04), [1.0]]).astype(np.float32)


@pytest.fixture(scope="module")
def drawn():
    """Predictions of random nets for a text, hints and a guidance."""
    examples = to_examples(batch(2, 16))
    method, random = control_color.build(**SMALL), np.random.default_rng(0)
    shapes = jax.eval_shape(method.init, jax.random.key(0), examples)
    nets = jax.tree.map(lambda x: random.normal(0, 0.2, x.shape).astype("f4"), shapes)
    # One program: the guidance is traced, but for the values that are cases.
    built = jax.jit(
        lambda guidance, inputs: (
            control_color.build(**SMALL, guidance=guidance)
            .predict(nets, inputs, image_keys(0, jnp.arange(2)))
            .ab
        ),
        static_argnums=0,
    )

    def predict(guidance=1.0, **inputs):
        return built(guidance, {"lightness": examples["lightness"], **inputs})

    return predict


def simulated(*args):
    return jax.jit(control_color._simulated, static_argnums=0)(*args)


@pytest.fixture
def without_hints(monkeypatch):
    """Hints and histograms take long to draw, and have tests of their own."""
    zeros = {"simulate": (16, 16, 3), "simulate_globe": (314,)}
    for name, shape in zeros.items():
        drawn = partial(lambda shape, keys, *_: jnp.zeros((len(keys), *shape)), shape)
        monkeypatch.setattr(control_color, name, drawn)


def text(weight):
    words = np.tile(WORD, (2, 2, 1))
    words[..., -1] = weight
    return words


def test_a_text_without_weight_is_no_text_and_guidance_0_ignores_it(drawn):
    plain, spoken = drawn(), drawn(text=text(1.0))
    assert jnp.abs(plain - spoken).max() > 0.1
    np.testing.assert_allclose(drawn(text=text(0.0)), plain, atol=1e-4)
    np.testing.assert_array_equal(drawn(0.0, text=text(1.0)), plain)


def test_hints_are_exact_and_reach_further(drawn):
    local = jnp.zeros((2, 16, 16, 3)).at[0, 5:8, 6:9].set(jnp.array([50.0, -20.0, 1.0]))
    ab, plain = drawn(local=local), drawn()
    np.testing.assert_allclose(
        ab[0, 5:8, 6:9], np.full((3, 3, 2), [50, -20]), atol=1e-4
    )
    assert jnp.abs(ab[0, 12:] - plain[0, 12:]).max() > 1e-3
    np.testing.assert_array_equal(ab[1], plain[1])


def test_an_exemplar_changes_the_colors(drawn):
    globe = jnp.zeros((2, 314)).at[:, 100].set(1.0).at[:, -1].set(1.0)
    assert jnp.abs(drawn(globe=globe) - drawn()).max() > 1e-3


def test_guidance_is_a_line_through_both_denoisers():
    x, sigma = jnp.ones((1, 2, 2, 2)), jnp.ones(())

    def one(x, sigma):
        return x + 1

    def two(x, sigma):
        return x + 2

    assert guided(one, two, 1.0) is one and guided(one, two, 0.0) is two
    line = guided(one, two, 3.0)(x, sigma)
    np.testing.assert_allclose(line, 3 + 3 * (2 - 3 * x), atol=1e-6)
    weight = jnp.zeros((1, 2, 2, 1)).at[0, 0].set(1.0)
    pin = pinned(one, jnp.full((1, 2, 2, 2), 7.0), weight)(x, sigma)
    np.testing.assert_array_equal(pin[0, 0], 7)
    np.testing.assert_array_equal(pin[0, 1], 2)


def test_guidance_beyond_1_counts_most_where_the_text_changes_most():
    change = jnp.full((1, 16, 16, 2), 0.1).at[:, 4:12, 4:12].set(1.0)

    def result(weight):
        steered = guided(lambda *_: change, lambda *_: jnp.zeros(()), weight)
        return steered(change, jnp.ones(()))[0, ..., 0]

    np.testing.assert_allclose(emphasis(change)[0, 8, 8], 1, rtol=1e-6)
    np.testing.assert_allclose(emphasis(change)[0, 14, 14], 0.01, rtol=1e-5)
    np.testing.assert_allclose(result(3.0)[8, 8], 3, rtol=1e-6)
    np.testing.assert_allclose(result(3.0)[14, 14], 0.1 * 1.02, rtol=1e-5)
    np.testing.assert_allclose(result(0.5), 0.5 * change[0, ..., 0], rtol=1e-6)
    assert not emphasis(jnp.zeros((1, 4, 4, 2))).any()


def test_the_words_of_training(monkeypatch, without_hints):
    """The color's and the class's; an unknown class and a padded image have none."""

    def vectors(encoder, words):
        return np.array([np.full(512, sum(map(ord, word))) for word in words], "f4")

    monkeypatch.setattr(control_color, "word_vectors", vectors)
    method = control_color.build(**SMALL, nouns=["cat", "dog"], text=1.0, turned=0.0)
    model = method.losses["G"].args[0]
    count = jnp.arange(200)
    examples = {
        "lightness": jnp.full((200, 16, 16, 1), 60.0),
        "ab": jnp.full((200, 16, 16, 2), jnp.array([10.0, 60.0])),
        "label": jnp.where(count < 190, 1, -1),
        "mask": jnp.where(count < 195, 1.0, 0.0),
    }
    text = simulated(model, jax.random.key(0), examples)[1].conditions.text
    assert text.shape == (200, 2, 513)
    color, noun = text[:190, 0], text[:190, 1]
    np.testing.assert_array_equal(color[:, 0], vectors("", ["yellow"])[0, 0])
    np.testing.assert_array_equal(noun[:, 0], vectors("", ["dog"])[0, 0])
    assert 0.8 < color[:, -1].mean() < 1 and 0.8 < noun[:, -1].mean() < 1
    assert text[190:195, 0, -1].any() and not text[190:, 1, -1].any()
    assert not text[195:, :, -1].any()


@pytest.mark.usefixtures("without_hints")
@pytest.mark.parametrize("captions", [False, True])
def test_images_keep_their_colors_without_a_color_word_and_with_captions(
    captions, monkeypatch
):
    method = control_color.build(**SMALL, text=1.0 * captions, turned=1.0)
    examples = to_examples(batch(2, 16))
    if captions:
        examples["text"] = jnp.asarray(text(0.5))
    model = method.losses["G"].args[0]
    monkeypatch.setattr(
        control_color, "word_vectors", lambda _, words: np.ones((len(words), 512))
    )
    turned, seen = simulated(model, jax.random.key(0), examples)
    np.testing.assert_array_equal(turned["ab"], examples["ab"])
    np.testing.assert_array_equal(seen.conditions.text[..., -1], 0.5 * captions)
