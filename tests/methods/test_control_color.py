"""Words, hints and an exemplar in one diffusion model: what each of them changes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from examples import batch

from colorjax.method import TextInput, image_keys, to_examples
from colorjax.methods import control_color
from colorjax.methods._samplers import emphasis, guided, pinned
from colorjax.text import encoder, reading
from colorjax.text.color_words import middle_word
from colorjax.text.encoders import ENCODERS

SMALL = dict(
    net="transformer", width=1 / 48, net_options=dict(depth=1), stride=2, steps=2
)
READS = dict(text_encoder="minilm", pairs=2)


@pytest.fixture(scope="module")
def drawn(minilm_package):
    """Predictions of random nets for a text, hints and a guidance."""
    examples = to_examples(batch(2, 16))
    method, random = control_color.build(**SMALL, **READS), np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(minilm_package)
        shapes = jax.eval_shape(method.init, jax.random.key(0), examples)
    assert shapes.keys() == {"G", control_color.TEXT_NET}
    shapes = {"G": shapes["G"]}
    nets = jax.tree.map(lambda x: random.normal(0, 0.2, x.shape).astype("f4"), shapes)
    # One program: the guidance is traced, but for the values that are cases.
    built = jax.jit(
        lambda guidance, inputs: (
            control_color.build(**SMALL, **READS, guidance=guidance)
            .predict(nets, inputs, image_keys(0, jnp.arange(2)))
            .ab
        ),
        static_argnums=0,
    )

    def predict(guidance=1.0, **inputs):
        return built(guidance, {"lightness": examples["lightness"], **inputs})

    return predict


def simulated(*args):
    """The examples and what the net sees, for a model, nets, a key and examples."""
    return jax.jit(control_color._simulated, static_argnums=0)(*args)


@pytest.fixture
def without_hints(monkeypatch):
    """Hints and histograms take long to draw, and have tests of their own."""
    zeros = {"simulate": (16, 16, 3), "simulate_globe": (314,)}
    for name, shape in zeros.items():
        drawn = partial(lambda shape, keys, *_: jnp.zeros((len(keys), *shape)), shape)
        monkeypatch.setattr(control_color, name, drawn)


def text(weight, width=384):
    """The states of a text of 32 equal words, of unit length."""
    words = np.full((2, 32, width + 1), width**-0.5, np.float32)
    words[..., -1] = weight
    return words


def test_other_words_give_another_prediction(drawn, minilm):
    """Of a net that attends to the states of MiniLM; the order of words counts."""
    reads = TextInput(READS["text_encoder"], READS["pairs"])
    texts = "red car, blue sky", "blue car, red sky", "blue car, red sky"
    states = [reading.states_of(x, reads) for x in texts]
    one, two, again = (drawn(text=np.stack([x, x])) for x in states)
    assert jnp.abs(one - two).max() > 0.01
    np.testing.assert_array_equal(two, again)


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

    def vectors(words):
        return np.array([np.full(512, sum(map(ord, word))) for word in words], "f4")

    monkeypatch.setattr(encoder, "load_encoder", lambda: vectors)
    method = control_color.build(**SMALL, nouns=["cat", "dog"], text=1.0, turned=0.0)
    model = method.losses["G"].args[0]
    count = jnp.arange(200)
    examples = {
        "lightness": jnp.full((200, 16, 16, 1), 60.0),
        "ab": jnp.full((200, 16, 16, 2), jnp.array([10.0, 60.0])),
        "label": jnp.where(count < 190, 1, -1),
        "mask": jnp.where(count < 195, 1.0, 0.0),
    }
    text = simulated(model, {}, jax.random.key(0), examples)[1].conditions.text
    assert text.shape == (200, 2, 513)
    color, noun = text[:190, 0], text[:190, 1]
    for token, word in ((color, "yellow"), (noun, "dog")):
        expected = vectors([word])[0, 0] * token[:, -1]
        np.testing.assert_array_equal(token[:, 0], expected)
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
        examples["text"] = jnp.asarray(text(0.5, 512)[:, :16])
    model = method.losses["G"].args[0]
    ones = np.ones((100, 512))
    monkeypatch.setattr(encoder, "load_encoder", lambda: lambda x: ones[: len(x)])
    turned, seen = simulated(model, {}, jax.random.key(0), examples)
    np.testing.assert_array_equal(turned["ab"], examples["ab"])
    np.testing.assert_array_equal(seen.conditions.text[..., -1], 0.5 * captions)


def test_an_image_says_its_caption_or_the_color_and_the_class_in_its_box(without_hints):
    """Of three kinds of images, one has no caption, one has one, and one has one but no
    class. The tokens of this encoder are the numbers of a color and of a noun."""

    def phrases(nouns):
        def tokens(color, noun):
            weight = (color >= 0) | (noun >= 0)
            return jnp.stack([color, noun, weight], axis=-1)[:, None] * 1.0

        return tokens

    method = control_color.build(**SMALL, nouns=["car"], text=1.0, turned=0.5)
    model = method.losses["G"].args[0]
    model = model._replace(text_encoder=ENCODERS["use"]._replace(phrases=phrases))
    kind, caption = np.arange(180) % 3, np.float32([-9, -9, 1])
    ab = np.tile(np.float32([0, -50]), (180, 16, 16, 1))  # blue
    ab[:, 2:8, 4:10] = 50, 32  # red
    examples = {
        "lightness": np.full((180, 16, 16, 1), 60, np.float32),
        "ab": ab,
        "box": np.tile(np.float32([2, 4, 8, 10]) / 16, (180, 1)),
        "label": np.where(kind == 2, -1, 0),
        "mask": np.ones(180, np.float32),
        "text": np.where(kind > 0, 1, 0)[:, None, None] * caption,
    }
    examples = jax.tree.map(jnp.asarray, examples)
    turned, seen = simulated(model, {}, jax.random.key(0), examples)
    text, change = seen.conditions.text[:, 0], np.abs(turned["ab"] - ab)
    np.testing.assert_array_equal(change[:, 10:], 0)
    changed, captioned = change.max((1, 2, 3)) > 0, (text == caption).all(-1)
    assert 15 < changed[kind == 0].sum() < 40 and 15 < changed[kind == 1].sum() < 40
    assert not changed[kind == 2].any() and captioned[kind == 2].all()
    np.testing.assert_array_equal(captioned[kind == 1], ~changed[kind == 1])
    color, noun, weight = text[~captioned].T
    words = middle_word(*(turned[x] for x in ("lightness", "ab", "box")))[~captioned]
    assert set(words.tolist()) == set(range(1, 8))
    np.testing.assert_array_equal(color[color >= 0], words[color >= 0])
    assert 0.8 < (color >= 0).mean() < 1 and 0.8 < (noun == 0).mean() < 1
    np.testing.assert_array_equal(weight, (color >= 0) | (noun >= 0))
