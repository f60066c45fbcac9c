"""CLIP's vectors as features that tell which places of an exemplar are similar."""

import jax
import jax.numpy as jnp
import numpy as np
from golden.clip_tensors import COARSE, clip_tensors, write_clip

from colorjax.color import lab_to_rgb
from colorjax.inference.clip_places import clip_features
from colorjax.pretrained.clip import load_clip


def test_each_place_has_the_vector_of_its_patch(tmp_path):
    """A patch of 32 pixels covers 16 of the picture, so two places on each side."""
    file = write_clip(tmp_path, clip_tensors(COARSE))
    lightness = np.linspace(0, 100, 24 * 32, dtype=np.float32).reshape(1, 24, 32, 1)
    places = np.asarray(clip_features(file)(jnp.asarray(lightness)))
    assert places.shape == (1, 3, 4, COARSE.outputs)
    np.testing.assert_allclose(np.linalg.norm(places, axis=-1), 1, rtol=1e-5)
    np.testing.assert_array_equal(places[:, 0], places[:, 1])
    np.testing.assert_array_equal(places[:, :, ::2], places[:, :, 1::2])
    padded = np.pad(lightness, [(0, 0), (0, 8), (0, 0), (0, 0)], "edge")
    lab = np.pad(
        jax.image.resize(padded, (1, 64, 64, 1), "linear"), [(0, 0)] * 3 + [(0, 2)]
    )
    clip = load_clip(file)
    apply = jax.jit(clip.image.apply, static_argnames="places")
    vectors = np.asarray(
        apply(clip.image_variables, lab_to_rgb(jnp.asarray(lab)), places=True)
    )
    vectors = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    np.testing.assert_allclose(places[:, ::2, ::2], vectors, atol=1e-5)
