"""colorjax.quantize against brute force and the equations of the paper."""

import functools

import jax
import jax.numpy as jnp
import jax.test_util
import numpy as np
import pytest
import scipy.ndimage
import scipy.spatial
import skimage.color

from colorjax import quantize
from colorjax.quantize import (
    ab_bins,
    annealed_mean,
    nearest_bin,
    rebalancing_weights,
    soft_cross_entropy,
    soft_encode,
)

Q = 313
encode = jax.jit(soft_encode, static_argnums=(1, 2))


def brute_force(ab, neighbors, sigma=5.0):
    """The nearest bins, the lower of equally near ones first, and float64 weights."""
    ab, bins = np.asarray(ab, np.float64), ab_bins().astype(np.float64)
    distance = ((ab[..., None, :] - bins) ** 2).sum(-1)
    indices = np.argsort(distance, axis=-1, kind="stable")[..., :neighbors]
    distance = np.take_along_axis(distance, indices, axis=-1)
    weights = np.exp((distance[..., :1] - distance) / (2 * sigma**2))
    return indices, weights / weights.sum(-1, keepdims=True)


def dense(indices, weights):
    """A sparse code as an array over all bins."""
    code = np.zeros((*indices.shape[:-1], Q))
    np.put_along_axis(code, np.asarray(indices), np.asarray(weights), axis=-1)
    return code


def points(kind):
    """Colors whose distances are exact in float32, so that equal ones stay equal."""
    if kind == "multiples of 5":
        steps = np.arange(-125, 126, 5)
        return np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    eighths = np.random.default_rng(0).integers(-1024, 1025, (20_000, 2))
    return np.concatenate([eighths / 8, [[-128, -128], [-128, 128], [128, 128]]])


def random_codes(shape):
    """Random logits and the soft code of random colors, for pixels of `shape`."""
    random = np.random.default_rng(1)
    ab = random.uniform(-100, 100, (*shape, 2)).astype(np.float32)
    logits = jnp.asarray(random.normal(0, 3, (*shape, Q)), jnp.float32)
    return logits, *encode(ab)


def test_bins():
    """The multiples of ten in the projection of the gamut, and their neighbors."""
    levels = np.arange(0, 256, 17) / 255
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    hull = scipy.spatial.Delaunay(skimage.color.rgb2lab(cube)[:, 1:])
    steps = np.arange(-130, 131, 10)
    grid = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)
    inside = hull.find_simplex(grid) >= 0
    assert inside.sum() == 233
    dilated = scipy.ndimage.binary_dilation(inside, np.ones((3, 3)))
    assert ab_bins().shape == (Q, 2)
    np.testing.assert_array_equal(ab_bins(), grid[dilated])


def test_bins_are_in_the_order_of_the_authors_file():
    bins = ab_bins()
    assert bins.dtype == np.float32
    np.testing.assert_array_equal(bins % 10, 0)
    np.testing.assert_array_equal(np.lexsort((bins[:, 1], bins[:, 0])), np.arange(Q))
    np.testing.assert_array_equal(bins[:2], [[-90, 50], [-90, 60]])
    np.testing.assert_array_equal(bins[-2:], [[100, -10], [100, 0]])


@pytest.mark.parametrize("kind", ["the whole plane", "multiples of 5"])
@pytest.mark.parametrize("neighbors", [1, 5, 10])
def test_soft_code_is_exact(kind, neighbors):
    ab = points(kind)
    expected_indices, expected_weights = brute_force(ab, neighbors)
    indices, weights = encode(ab.astype(np.float32), neighbors)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-6)


@pytest.mark.parametrize("neighbors", [1, 5, 10])
def test_equally_near_bins_stay_in_order_after_rounding(neighbors):
    """On a diagonal, bins on both sides are equally near, and squares are rounded. If
    the compiler rounded only one of two squares, one side would seem nearer. Only its
    full optimization, which other tests leave out, does so."""
    full = {
        "xla_backend_optimization_level": 3,
        "xla_llvm_disable_expensive_passes": False,
        "xla_cpu_use_fusion_emitters": True,
    }
    optimized = jax.jit(soft_encode, static_argnums=1, compiler_options=full)
    along = np.random.default_rng(3).uniform(-60, 60, 2000).astype(np.float32)
    ab = np.concatenate([np.stack([along, along], -1), np.stack([along, -along], -1)])
    indices, _ = optimized(ab, neighbors)
    np.testing.assert_array_equal(indices, brute_force(ab, neighbors)[0])


@pytest.mark.parametrize("sigma", [5.0, 20.0])
def test_soft_code_over_all_bins_is_in_their_order(sigma):
    ab = points("the whole plane")[:2000]
    indices, weights = encode(ab.astype(np.float32), Q, sigma)
    np.testing.assert_array_equal(indices, np.tile(np.arange(Q), (2000, 1)))
    expected = dense(*brute_force(ab, Q, sigma))
    np.testing.assert_allclose(weights, expected, atol=1e-6)


@pytest.mark.parametrize("neighbors", [5, 10, Q])
def test_soft_code_is_a_distribution(neighbors):
    ab = np.random.default_rng(2).uniform(-128, 128, (500, 2)).astype(np.float32)
    indices, weights = encode(ab, neighbors)
    assert indices.shape == weights.shape == (500, neighbors)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert (np.diff(np.sort(indices), axis=-1) > 0).all()  # no bin occurs twice
    if neighbors < Q:
        assert (np.diff(weights, axis=-1) <= 0).all()  # the nearest comes first


def test_nearest_bin():
    between = np.array([[5, 0], [0, 5], [5, 5]], np.float32)  # all as near to (0, 0)
    classes = jax.jit(nearest_bin)(np.concatenate([ab_bins(), between]))
    zero = np.flatnonzero((ab_bins() == 0).all(-1))
    np.testing.assert_array_equal(classes, [*range(Q), *zero, *zero, *zero])


@pytest.mark.parametrize("neighbors", [5, Q])
def test_soft_code_of_any_shape(neighbors):
    plain = functools.partial(soft_encode, neighbors=neighbors)
    ab = jnp.asarray(points("the whole plane")[:24].reshape(2, 3, 4, 2), jnp.float32)
    expected = brute_force(ab, neighbors)
    if neighbors == Q:
        expected = np.broadcast_to(np.arange(Q), (2, 3, 4, Q)), dense(*expected)
    for variant in (plain, jax.jit(plain), jax.jit(jax.vmap(jax.vmap(plain)))):
        for ours, theirs in zip(variant(ab), expected, strict=True):
            assert ours.shape == (2, 3, 4, neighbors)
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
    for ours, theirs in zip(jax.jit(plain)(ab[1, 2, 3]), expected, strict=True):
        np.testing.assert_allclose(ours, theirs[1, 2, 3], atol=1e-6)


def test_tables_may_be_made_inside_a_jit():
    quantize.ab_bins.cache_clear()
    quantize._candidates.cache_clear()
    jax.jit(jax.grad(lambda ab: soft_encode(ab)[1][0]))(jnp.ones(2))
    assert isinstance(ab_bins(), np.ndarray)
    indices, _ = encode(jnp.ones(2))
    np.testing.assert_array_equal(indices, brute_force([1, 1], 5)[0])


@pytest.mark.parametrize("mix", [0.0, 0.3, 0.5, 1.0])
def test_rebalancing_weights(mix):
    prior = np.random.default_rng(3).dirichlet(np.full(Q, 0.5))
    prior = np.maximum(prior, 1e-6) / np.maximum(prior, 1e-6).sum()
    weights = np.asarray(rebalancing_weights(jnp.asarray(prior, jnp.float32), mix))
    np.testing.assert_allclose((prior * weights).sum(), 1, rtol=1e-4)
    ratio = weights * ((1 - mix) * prior + mix / Q)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    if mix == 1:
        np.testing.assert_allclose(weights, 1, rtol=1e-4)


def test_annealed_mean():
    logits, _, _ = random_codes((4, 6))
    p = np.exp(np.asarray(logits, np.float64))
    p /= p.sum(-1, keepdims=True)
    np.testing.assert_allclose(annealed_mean(logits, 1.0), p @ ab_bins(), atol=1e-3)
    sharp = p ** (1 / 0.38) / (p ** (1 / 0.38)).sum(-1, keepdims=True)
    np.testing.assert_allclose(annealed_mean(logits), sharp @ ab_bins(), atol=1e-3)
    mode = ab_bins()[logits.argmax(-1)]
    np.testing.assert_allclose(annealed_mean(logits, 1e-4), mode, atol=1e-3)


def dense_cross_entropy(logits, indices, weights):
    log_p = jax.nn.log_softmax(logits)
    return -(dense(indices, weights) * log_p).sum(-1)


def test_cross_entropy_is_that_of_the_dense_code():
    codes = random_codes((3, 5))
    sparse = soft_cross_entropy(*codes)
    assert sparse.shape == (3, 5)
    np.testing.assert_allclose(sparse, dense_cross_entropy(*codes), rtol=1e-5)


def test_cross_entropy_gradient_is_that_of_the_dense_code():
    logits, indices, weights = random_codes((3, 5))
    pixels = jnp.arange(15.0).reshape(3, 5) - 5  # weights that differ by pixel

    def gradient(loss):
        return jax.grad(lambda z: (pixels * loss(z, indices, weights)).sum())(logits)

    expected = gradient(dense_cross_entropy)
    np.testing.assert_allclose(gradient(soft_cross_entropy), expected, atol=1e-5)


def test_cross_entropy_gradient_is_the_slope():
    logits, indices, weights = random_codes((4,))
    jax.test_util.check_grads(
        jax.jit(lambda z: soft_cross_entropy(z, indices, weights)),
        (logits,),
        order=1,
        modes=["rev"],
        rtol=1e-2,
    )


def test_cross_entropy_gradient_of_bfloat16_logits_is_bfloat16():
    logits, indices, weights = random_codes((3, 5))
    logits = logits.astype(jnp.bfloat16)
    gradient = jax.grad(lambda z: soft_cross_entropy(z, indices, weights).sum())
    rounded, exact = gradient(logits), gradient(logits.astype(jnp.float32))
    assert rounded.dtype == jnp.bfloat16 and exact.dtype == jnp.float32
    np.testing.assert_array_equal(rounded, exact.astype(jnp.bfloat16))


def test_loss_needs_no_copy_of_the_logits():
    """The loss allocates no dense target and nothing else of that size."""
    pixels = 4096

    def loss(logits, weight, indices, code):
        return (weight * soft_cross_entropy(logits, indices, code)).sum()

    def abstract(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct((pixels, *shape), dtype)

    arguments = abstract(Q), abstract(), abstract(5, dtype=jnp.int32), abstract(5)
    compiled = jax.jit(jax.value_and_grad(loss)).lower(*arguments).compile()
    memory = compiled.memory_analysis()
    assert memory.temp_size_in_bytes < 0.1 * 4 * pixels * Q


def test_gradient_of_masked_pixels_is_zero():
    """Even where the exponentials of the logits overflow."""
    logits = jnp.full((1, Q), 500.0).at[0, 0].set(600)
    indices, code = soft_encode(jnp.zeros((1, 2)))
    gradient = jax.grad(lambda z: (0.0 * soft_cross_entropy(z, indices, code)).sum())
    np.testing.assert_array_equal(gradient(logits), 0)
