"""Words of colors, and images that are turned to other colors."""

import jax
import jax.numpy as jnp
import numpy as np

from colorjax.text.color_words import (
    HUES,
    WORDS,
    hue_vectors,
    middle,
    middle_word,
    word_of,
)
from colorjax.text.turning import JITTER, turn


def test_a_turned_image_says_its_new_color():
    """Red in the middle of grey-green turns to each hue, and the word is that hue's."""
    ab = (
        jnp.full((64, 32, 32, 2), jnp.array([-9.0, 6.0]))
        .at[:, 8:24, 8:24]
        .set(jnp.array([50.0, 32.0]))
    )
    lightness, keys = (
        jnp.full((64, 32, 32, 1), 60.0),
        jax.random.split(jax.random.key(0), 64),
    )
    turned_by = jax.jit(turn)
    turned = turned_by(keys, ab, jnp.ones(64))
    np.testing.assert_array_equal(turned_by(keys, ab, jnp.zeros(64)), ab)
    np.testing.assert_allclose(turned[:, 0], ab[:, 0], atol=0.01)  # the border
    said = [WORDS[i] for i in middle_word(lightness, turned)]
    assert set(said) == set(WORDS) - {"grey", "brown"}
    hue = np.degrees(np.arctan2(*np.moveaxis(turned[:, 16, 16, ::-1], -1, 0)))
    for word, angle in zip(said, hue, strict=True):
        away = (angle - HUES[WORDS.index(word) - 1] + 180) % 360 - 180
        assert abs(away) <= JITTER + 0.1
    chroma = jnp.linalg.norm(turned[:, 16, 16], axis=-1)
    np.testing.assert_allclose(chroma, np.hypot(50, 32), rtol=1e-4)


def test_words_of_colors():
    lightness = jnp.array([60.0, 60, 30, 60, 60])[:, None]
    ab = jnp.array([[3.0, 3], [25, 45], [25, 45], [20, 35], [5, -25]])
    words = [WORDS[i] for i in word_of(lightness, ab)]
    assert words == ["grey", "orange", "brown", "brown", "blue"]
    inside = np.asarray(middle(8, 4))
    assert inside.sum() == 8 and inside[2:6, 1:3].all()
    assert hue_vectors().shape == (len(WORDS) - 2, 2)
