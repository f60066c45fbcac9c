"""The contract that every method in colorjax/methods keeps."""

import functools
from functools import partial

import chex
import jax
import jax.numpy as jnp
import noisy
import numpy as np
import optax
import pytest
from examples import predict
from helpers import scene

from colorjax import methods
from colorjax.distributed import make_mesh
from colorjax.errors import UserError
from colorjax.method import OPTIONAL, image_keys, to_examples
from colorjax.methods import zhang2016
from colorjax.nets.layers import Conv, dilated_conv, upsample
from colorjax.nets.vgg_dilated import VGGDilated
from colorjax.quantize import Q, annealed_mean
from colorjax.train.step import make_init, make_step

NAMES = methods.NAMES
PRIOR = np.full(Q, 1 / Q, np.float32)
# Options of methods that are large otherwise, or do not fit 32 pixels.
SMALL = {
    "ddcolor": dict(layers=1, queries=4, critic_blocks=1, perceptual=0.0),
    "palette": dict(net="transformer", net_options=dict(depth=1), steps=3),
    "control_color": dict(net="transformer", net_options=dict(depth=1), steps=3),
}
SLOW = ("ddcolor", "deoldify", "zhang2017")  # to compile


def batch(size=4, side=32):
    images = np.stack([scene(i, side) for i in range(size)])
    return {
        "image": jnp.asarray(images),
        "mask": jnp.ones(size),
        "index": jnp.arange(size),
        "other": jnp.asarray(images[::-1]),
        "other_mask": jnp.ones(size),
        "other_index": jnp.arange(size),
    }


@functools.cache
def initialized(name):
    """A small method and its nets."""
    build = noisy.build if name == "noisy" else methods.builder(name)
    method = build(prior=PRIOR, width=1 / 16, **SMALL.get(name, {}))
    return method, jax.jit(method.init)(jax.random.key(0), to_examples(batch()))


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in (*NAMES, "noisy")
    ]
)
def built(request):
    return initialized(request.param)


def test_nets_and_losses(built):
    method, nets = built
    assert set(method.losses) <= set(nets)
    logged = {}
    for name, loss in method.losses.items():
        params, examples = nets[name]["params"], to_examples(batch())
        key = jax.random.key(1)
        gradient, (collections, metrics) = jax.jit(jax.grad(loss, has_aux=True))(
            params, nets, examples, key
        )
        chex.assert_tree_all_finite(gradient)
        chex.assert_trees_all_equal_shapes_and_dtypes(gradient, params)
        assert any(jnp.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))
        assert not logged.keys() & metrics.keys()
        logged |= metrics
        for net, changed in collections.items():
            before = {key: nets[net][key] for key in changed}
            chex.assert_trees_all_equal_shapes_and_dtypes(changed, before)
            assert "params" not in changed
    assert not method.losses or logged["loss"].shape == ()
    assert {scalar.shape for scalar in logged.values()} <= {()}


def test_masked_and_grey_images_teach_nothing(built):
    """The output's gradient is zero there; statistics of the batch still see them."""
    method, nets = built
    examples = to_examples(batch())
    grey = dict(examples, ab=examples["ab"].at[0].set(3.0))
    masked = dict(examples, mask=examples["mask"].at[0].set(0.0))
    for name, loss in method.losses.items():
        compiled = jax.jit(loss)

        def value(examples, name=name, compiled=compiled):
            return compiled(nets[name]["params"], nets, examples, jax.random.key(1))[0]

        assert value(grey) == value(masked) < value(examples)


def test_predict_is_of_each_image_by_itself(built):
    method, nets = built
    lightness = to_examples(batch(3))["lightness"]
    prediction = predict(method, nets, lightness)
    assert prediction.ab.shape == (3, 32, 32, 2)
    if prediction.logits is not None:
        assert prediction.logits.shape == (3, 8, 8, Q)
        assert prediction.logits.dtype == jnp.float32
    alone = predict(method, nets, lightness[1:2], first=1)
    np.testing.assert_allclose(prediction.ab[1], alone.ab[0], atol=1e-3)
    wide = predict(method, nets, jnp.concatenate([lightness] * 2, axis=2))
    assert wide.ab.shape == (3, 32, 64, 2)


def test_prediction_is_of_the_inputs_and_the_keys(built):
    """Equal ones give equal predictions. The key of an image changes its own alone, and
    that only where the method says that it is stochastic."""
    method, nets = built
    compiled = jax.jit(method.predict)
    inputs = {"lightness": to_examples(batch(3))["lightness"]}

    def ab(*numbers):
        return compiled(nets, inputs, image_keys(0, jnp.array(numbers))).ab

    first = ab(0, 1, 2)
    np.testing.assert_array_equal(first, ab(0, 1, 2))
    other = ab(0, 7, 2)
    np.testing.assert_array_equal(first[::2], other[::2])
    assert bool((first[1] != other[1]).any()) == method.stochastic


def test_inputs_are_those_that_the_method_names(built):
    method, nets = built
    examples, keys = to_examples(batch(3)), image_keys(0, jnp.arange(3))
    inputs = {name: examples[name] for name in method.inputs - OPTIONAL}
    with pytest.raises(
        UserError, match="^this method does not take the input 'ab'; it"
    ):
        method.predict(nets, {**inputs, "ab": examples["ab"]}, keys)
    del inputs["lightness"]
    with pytest.raises(UserError, match="^this method needs the input 'lightness'$"):
        method.predict(nets, inputs, keys)


def test_nets_that_predict_are_those_it_serves(built):
    method, nets = built
    served = {name: nets[name] for name in method.serves}
    assert set(method.ema) <= set(method.losses) & set(method.serves)
    predict(method, served, to_examples(batch(1))["lightness"])


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_keeps_float32_parameters(name):
    build = functools.partial(methods.builder(name), **SMALL.get(name, {}))
    method = build(prior=PRIOR, width=1 / 16, dtype="bfloat16")
    examples = to_examples(batch())
    nets = jax.eval_shape(method.init, jax.random.key(0), examples)
    kinds = {leaf.dtype for leaf in jax.tree.leaves(nets)}
    assert {kind for kind in kinds if jnp.issubdtype(kind, jnp.floating)} == {
        jnp.dtype("float32")
    }
    inputs, keys = {"lightness": examples["lightness"]}, image_keys(0, jnp.arange(4))
    text = str(jax.make_jaxpr(method.predict)(nets, inputs, keys))
    assert "bf16" in text


def test_head_sits_on_every_fourth_pixel():
    """A net that answers each sample's own L decodes to the color at that pixel."""
    samples = jax.random.uniform(jax.random.key(0), (1, 4, 6, 2))
    full = upsample(samples, 4)
    assert full.shape == (1, 16, 24, 2)
    np.testing.assert_allclose(full[:, ::4, ::4], samples)
    between = (samples[0, 0, 0] + samples[0, 0, 1]) / 2
    np.testing.assert_allclose(full[0, 0, 2], between, rtol=1e-6)


def test_initialization_gives_unit_variance():
    """Each convolution but the head is born with mean 0 and variance 1 outputs."""
    net = VGGDilated(Q, width=1 / 8)
    lightness = to_examples(batch())["lightness"]
    variables = net.init(jax.random.key(0), lightness, train=True)
    _, seen = net.apply(
        variables,
        lightness,
        train=True,
        mutable=["batch_stats", "intermediates"],
        capture_intermediates=True,
    )
    for name, outputs in seen["intermediates"].items():
        if name.startswith("conv"):
            y = outputs["__call__"][0]
            np.testing.assert_allclose(y.mean((0, 1, 2)), 0, atol=1e-3)
            live = y.std((0, 1, 2)) > 1e-3  # a kernel can meet a constant input
            np.testing.assert_allclose(y.std((0, 1, 2))[live], 1, atol=1e-2)
            assert live.mean() > 0.9


def test_a_trained_layer_is_traced_once():
    """Flax traces the initialization of a parameter, too, to check its shape."""
    calls = []

    def convolve(x, kernel):
        calls.append(kernel.shape)
        return dilated_conv(x, kernel)

    conv, x = Conv((3, 3, 1, 2), convolve), jnp.zeros((1, 8, 8, 1))
    variables = jax.eval_shape(conv.init, jax.random.key(0), x)
    calls.clear()
    jax.eval_shape(conv.apply, variables, x)
    assert len(calls) == 1
    # A net with some layers of another one initializes the others.
    keys, image = {"params": jax.random.key(0)}, jnp.ones(x.shape)
    _, added = conv.apply({}, image, rngs=keys, mutable=["params"])
    assert added["params"]["kernel"].any()


@pytest.mark.slow
def test_training_brings_the_colors_back():
    """Sixty steps on one batch: its colors are predicted far better than by grey."""
    method = methods.builder("zhang2016")(prior=PRIOR, width=1 / 8)
    optimizer, mesh, examples = optax.adam(3e-3), make_mesh(), to_examples(batch())
    state = make_init(method, optimizer, 0, mesh)(batch())
    step = make_step(method, optimizer, 0, mesh)
    for _ in range(60):
        state, metrics = step(state, batch())
    assert metrics["loss"] < 3  # log(313) = 5.7 at the start
    output = VGGDilated(Q, width=1 / 8).apply(  # with the statistics of this batch
        state.nets["G"], examples["lightness"], train=True, mutable=["batch_stats"]
    )[0]
    error = annealed_mean(output) - examples["ab"][:, ::4, ::4]
    grey = jnp.linalg.norm(examples["ab"], axis=-1).mean()
    assert jnp.linalg.norm(error, axis=-1).mean() < grey / 2


def test_jitter_is_another_exposure():
    lightness = jnp.broadcast_to(jnp.linspace(0, 100, 50)[:, None, None], (6, 50, 2, 1))
    for key in map(jax.random.key, range(5)):
        changed = zhang2016.jitter_lightness(key, lightness, 0.3)
        assert jnp.all(jnp.diff(changed, axis=1) >= 0)  # light stays lighter than dark
        means = changed.mean(axis=(1, 2, 3))
        assert jnp.ptp(means) > 1  # each image has its own
        assert jnp.abs(changed - lightness).max() < 60
    unchanged = zhang2016.jitter_lightness(key, lightness, 0.0)
    np.testing.assert_array_equal(unchanged, lightness)


def test_frozen_stages_are_not_trained_and_the_rest_is():
    """The encoder has 7 stages, of which the last one alone is trained here."""
    build = functools.partial(methods.builder("zhang2016"), net="efficientnet_lite0")
    method = build(prior=PRIOR, width=1 / 16, frozen=6)
    examples, random = to_examples(batch(2, 64)), np.random.default_rng(0)
    nets = jax.tree.map(
        lambda leaf: random.normal(0, 0.1, leaf.shape).astype(np.float32),
        jax.eval_shape(method.init, jax.random.key(0), examples),
    )
    gradient, _ = jax.jit(jax.grad(method.losses["G"], has_aux=True))(
        nets["G"]["params"], nets, examples, jax.random.key(1)
    )
    encoder = gradient["encoder"]
    trained = {key for key in encoder if np.any(encoder[key]["kernel"])}
    assert trained == {f"block15_{x}" for x in ("expand", "depthwise", "project")}
    for layer in gradient.keys() - {"encoder"}:
        assert np.any(gradient[layer]["kernel"]), layer
    for side in (40, 64):  # 40 is no multiple of 32, the encoder's stride
        lightness = jnp.zeros((1, side, 48, 1))
        found = jax.eval_shape(partial(predict, method), nets, lightness)
        assert found.ab.shape == (1, side, 48, 2)
        assert found.logits.shape == (1, side // 4, 12, Q)


@pytest.mark.parametrize(
    "section",
    [
        dict(frozen=1),
        dict(net="efficientnet_lite0", frozen=8),
        dict(net="efficientnet_lite0", affine=True),
        dict(net="efficientnet_lite0", remat=True),
    ],
)
def test_options_of_another_net_are_refused(section):
    with pytest.raises(UserError, match="config.method.*go(es)? with net"):
        methods.builder("zhang2016")(prior=PRIOR, **section)


@pytest.mark.parametrize("section", [dict(jitter=0.3), dict(dropout=0.2)])
def test_randomness_is_the_key_s_and_training_s_alone(section):
    plain, nets = initialized("zhang2016")
    method = methods.builder("zhang2016")(prior=PRIOR, width=1 / 16, **section)
    examples, compiled = to_examples(batch()), jax.jit(method.losses["G"])

    def loss(key):
        return float(compiled(nets["G"]["params"], nets, examples, key)[0])

    assert loss(jax.random.key(1)) == loss(jax.random.key(1))
    assert loss(jax.random.key(1)) != loss(jax.random.key(2))
    one, two = (predict(m, nets, examples["lightness"]).ab for m in (plain, method))
    np.testing.assert_array_equal(one, two)
