"""Noise levels, preconditioning and samplers against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from colorjax.methods import _diffusion as diffusion
from colorjax.methods import _samplers as samplers

MEAN, DEVIATION = 0.5, 0.8
LEVEL = diffusion.karras_levels(0.002, 80.0)
SHAPE = (48, 48, 2)


def gaussian(x, sigma):
    """The exact denoiser of independent normal numbers."""
    share = DEVIATION**2 / (DEVIATION**2 + sigma**2)
    return MEAN + share * (x - MEAN)


def drawn(name, steps, denoise=gaussian, level=LEVEL, count=4):
    keys = jax.random.split(jax.random.key(0), count)
    return jax.jit(
        lambda steps: samplers.sample(
            samplers.SAMPLERS[name], denoise, level, steps, keys, SHAPE
        )
    )(steps)


@pytest.mark.parametrize(
    ("name", "steps"),
    [("dpmpp_2m", 50), ("heun", 60), ("ddim", 500)],
)
def test_samples_of_a_gaussian(name, steps):
    x = drawn(name, steps)
    # Noise of level 80 has no mean, and the noisy image of a Gaussian has.
    np.testing.assert_allclose(x.mean(), MEAN, atol=0.01)
    np.testing.assert_allclose(x.std(), DEVIATION, rtol=0.01)


def test_palette_s_sampler_and_steps():
    x = drawn("ancestral", 1000, level=diffusion.palette_levels())
    np.testing.assert_allclose(x.mean(), MEAN, atol=0.01)
    np.testing.assert_allclose(x.std(), DEVIATION, rtol=0.01)


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("heun", 2), ("dpmpp_2m", 2)])
def test_order_of_convergence(name, order):
    """Twice the steps divide the distance to the exact path by 2^order."""
    level = diffusion.karras_levels(0.1, 20.0)
    start = jnp.linspace(-2, 2, 32).reshape(1, 4, 4, 2) * 20.0
    # The last step, to level 0, is the denoiser's estimate, whatever the steps.
    shrunk = ((DEVIATION**2 + 0.1**2) / (DEVIATION**2 + 20.0**2)) ** 0.5
    exact = gaussian(MEAN + shrunk * (start - MEAN), 0.1)
    keys, sampler = jax.random.split(jax.random.key(0), 1), samplers.SAMPLERS[name]
    errors = [
        jnp.abs(sampler(gaussian, start, level, n, keys) - exact).max()
        for n in (33, 65)
    ]
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.2


def test_two_forms_of_one_denoiser_agree():
    """The nets of both forms that belong to the exact denoiser give it back."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 4, 2)), jnp.float32)
    for sigma in (0.05, 1.0, 30.0):
        for scales in diffusion.SCALES.values():

            def net(scaled, sigma, scales=scales):
                skip, outer, inner = scales(sigma)
                x = scaled / inner
                return (gaussian(x, sigma) - skip * x) / outer

            denoise = diffusion.denoiser(net, scales)
            noisy, level = sigma * x, jnp.float32(sigma)
            expected = gaussian(noisy, sigma)
            np.testing.assert_allclose(denoise(noisy, level), expected, atol=1e-4)


@pytest.mark.parametrize("name", diffusion.SCALES)
def test_training_pairs_have_unit_variance(name):
    x0, noise = jax.random.normal(jax.random.key(0), (2, 5, 64, 64, 2))
    sigma = jnp.array([0.01, 0.3, 1, 10, 300]).reshape(-1, 1, 1, 1)
    scaled, target = diffusion.training_pair(x0, noise, sigma, diffusion.SCALES[name])
    for x in (scaled, target):
        np.testing.assert_allclose(x.std(axis=(1, 2, 3)), 1, atol=0.03)
    if name == "epsilon":
        np.testing.assert_allclose(target, noise, atol=1e-3)
    else:  # Karras et al., table 1, with sigma_data = 1
        root = np.sqrt(sigma**2 + 1)
        skip, out, inner = 1 / (sigma**2 + 1), sigma / root, 1 / root
        x = x0 + sigma * noise
        np.testing.assert_allclose(scaled, inner * x, atol=1e-5)
        np.testing.assert_allclose(target, (x0 - skip * x) / out, atol=2e-3)


def test_schedules_are_the_published_ones():
    test = diffusion.palette_levels()
    gamma, gammas = 1.0, []
    for step in range(1000):  # a linear beta from 1e-4 to .09
        gamma *= 1 - (1e-4 + step * (0.09 - 1e-4) / 999)
        gammas.append(gamma)
    sigmas = np.sqrt((1 - np.array(gammas)) / gammas)[::-1]
    ours = np.asarray(test(np.arange(1000), 1000))
    np.testing.assert_allclose(ours, sigmas, rtol=1e-5)
    assert 1.1e10 < test(0, 10) == ours[0] < 1.3e10 and test(9, 10) == ours[-1]

    noise, gamma = diffusion.palette_noise(), 1.0
    for step in range(2000):  # a linear beta from 1e-6 to .01
        gamma *= 1 - (1e-6 + step * (0.01 - 1e-6) / 1999)
    np.testing.assert_allclose(noise.high, np.sqrt((1 - gamma) / gamma), rtol=1e-9)
    np.testing.assert_allclose(noise.low, np.sqrt(1e-6 / (1 - 1e-6)), rtol=1e-9)
    logs = np.log(noise.draw(jax.random.key(0), 100_000))
    np.testing.assert_allclose([logs.mean(), logs.std()], [1.31, 1.96], atol=0.02)

    level = diffusion.karras_levels(0.002, 80.0)
    i = np.arange(18)
    edges = 80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))
    np.testing.assert_allclose(level(i, 18), edges**7, rtol=1e-4)
    assert level(0, 1) == level(0, 18)


def test_lognormal_noise():
    noise = diffusion.lognormal_noise(1.0, 1.6)
    sigmas = noise.draw(jax.random.key(0), 100_000)
    assert noise.low <= sigmas.min() and sigmas.max() <= noise.high * (1 + 1e-5)
    logs = np.log(sigmas)
    np.testing.assert_allclose([logs.mean(), logs.std()], [1.0, 1.53], atol=0.02)


@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_an_image_depends_on_its_own_key(name):
    keys = jax.random.split(jax.random.key(0), 3)

    def draw(keys):
        sampler = samplers.SAMPLERS[name]
        return samplers.sample(sampler, gaussian, LEVEL, 5, keys, (4, 4, 2))

    three, again = draw(keys), draw(keys)
    np.testing.assert_array_equal(three, again)
    np.testing.assert_allclose(three[1:2], draw(keys[1:2]), rtol=1e-6)
    assert jnp.abs(three[0] - three[1]).max() > 0.1


@pytest.mark.parametrize("name", samplers.SAMPLERS)
def test_one_program_serves_any_number_of_steps(name):
    keys = jax.random.split(jax.random.key(0), 2)
    traces = []

    @jax.jit
    def draw(steps):
        traces.append(steps)
        sampler = samplers.SAMPLERS[name]
        return samplers.sample(sampler, gaussian, LEVEL, steps, keys, (4, 4, 2))

    for steps in (1, 2, 7):
        x = draw(steps)
        assert jnp.isfinite(x).all()
    assert len(traces) == 1
