"""The `step` section: memory and skipped steps, at the same gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from chex import assert_trees_all_close
from examples import UNIFORM, batch, small_mesh
from helpers import PALETTE

from colorjax.distributed import check_batch_size, make_mesh, shard_batch
from colorjax.errors import UserError
from colorjax.method import Method
from colorjax.methods import zhang2016
from colorjax.train.experiment import make_method
from colorjax.train.step import StepOptions, make_init, make_step


def unreadable_last(size, side):
    """A batch whose last picture could not be read."""
    examples = batch(size, side)
    examples["mask"][-1] = 0
    return examples


def method(**section):
    return zhang2016.build(prior=UNIFORM, width=1 / 16, **section)


def gradient(method, pictures, mesh, **section):
    """A step of SGD with rate 1: what it subtracts from the parameters, the statistics
    after it and its loss; and the number of convolutions in the lowered program."""
    optimizer = optax.sgd(1.0)
    pictures = shard_batch(pictures, mesh)
    state = make_init(method, optimizer, 0, mesh)(pictures)
    before = jax.device_get(state.nets["G"]["params"])
    lowered = make_step(method, optimizer, 0, mesh, StepOptions(**section)).lower(
        state, pictures
    )
    convolutions = lowered.as_text().count("stablehlo.convolution")
    state, metrics = lowered.compile()(state, pictures)
    after = jax.device_get(state.nets["G"])
    update = jax.tree.map(np.subtract, before, after["params"])
    others = {name: x for name, x in after.items() if name != "params"}
    return (update, others, float(metrics["loss"])), convolutions


def test_remat_computes_again_and_keeps_the_gradient():
    options = dict(jitter=0.2, dropout=0.1)
    pictures = unreadable_last(8, 32)
    plain, convolutions = gradient(method(**options), pictures, small_mesh())
    remat = method(**options, remat=True)
    again, more = gradient(remat, pictures, small_mesh())
    assert_trees_all_close(again, plain, rtol=1e-3, atol=1e-3)
    # Each block is computed again but for its last convolution. The lowered program
    # shows it; XLA's CPU compiler merges equal convolutions.
    assert more >= convolutions + 10


def test_accumulated_gradient_is_the_mean_of_the_parts():
    pictures = unreadable_last(8, 32)
    whole, _ = gradient(method(), pictures, small_mesh(), accumulate=2)
    parts = []
    for place in (0, 1):
        part = {key: value[place::2] for key, value in pictures.items()}
        optimizer, mesh = optax.sgd(1.0), small_mesh()
        # Initialized with the whole batch, as the state of the accumulating step is.
        state = make_init(method(), optimizer, 0, mesh)(shard_batch(pictures, mesh))
        before = jax.device_get(state.nets["G"]["params"])
        step = make_step(method(), optimizer, 0, mesh)
        state, metrics = step(state, shard_batch(part, mesh))
        after = jax.device_get(state.nets["G"]["params"])
        parts.append((jax.tree.map(np.subtract, before, after), metrics["loss"]))
    mean = jax.tree.map(lambda a, b: (a + b) / 2, *parts)
    assert_trees_all_close((whole[0], whole[2]), mean, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("sampler", [False, True], ids=["zhang2016", "palette"])
def test_parts_do_not_depend_on_devices(accumulate, sampler):
    assert jax.device_count() == 4
    # Few and small: of a million outputs of a ReLU, rounding would move one past zero.
    pictures = unreadable_last(8, 16)
    tested = make_method(PALETTE) if sampler else method()
    one, _ = gradient(tested, pictures, small_mesh(), accumulate=accumulate)
    four, _ = gradient(tested, pictures, make_mesh(), accumulate=accumulate)
    assert_trees_all_close(one, four, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize(
    ("parts", "message"), [(3, "multiple of 12"), (0, "less than 1")]
)
def test_parts_that_do_not_divide_the_batch(parts, message):
    with pytest.raises(UserError, match=message):
        check_batch_size(16, make_mesh(), parts)


def faulty_method(factors):
    """A tiny method whose loss and statistics of BatchNorm are multiplied by `factors`
    where image number 4 is among the examples."""

    def init(key, examples):
        collections = {"params": {"w": jnp.ones(3)}, "batch_stats": jnp.ones(3)}
        return {"D": {"params": {"w": jnp.ones(())}}, "G": collections}

    def first(params, nets, examples, key):
        return params["w"], ({}, {})

    def second(params, nets, examples, key):
        bad = (examples["index"] == 4).any()
        factor, spoilt = (jnp.where(bad, x, 1.0) for x in factors)
        mean = examples["rgb"].mean((0, 1, 2))
        value = factor * (mean * params["w"]).sum() * nets["D"]["params"]["w"]
        return value, ({"G": {"batch_stats": spoilt * mean}}, {"loss": value})

    return Method(init, {"D": first, "G": second}, first)


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("factors", [(np.nan, 1), (np.inf, 1), (1e30, 1), (1, np.inf)])
def test_bad_step_is_skipped_and_counted(factors, accumulate):
    """Only the second of two losses is bad; all parameters stay as they were."""
    mesh, optimizer = small_mesh(), optax.adam(1e-3)
    method = faulty_method(factors)
    step = make_step(method, optimizer, 0, mesh, StepOptions(accumulate))
    good = shard_batch(unreadable_last(4, 8), mesh)
    wrong = {**good, "index": good["index"] + 1}
    state, _ = step(make_init(method, optimizer, 0, mesh)(good), good)
    before = jax.device_get(state)
    counters = []
    for pictures in (wrong, wrong, good):
        state, metrics = step(state, pictures)
        counters.append((int(metrics["skipped"]), int(metrics["patience"])))
        now = jax.device_get(state)
        unchanged = jax.tree.map(np.array_equal, now[1:3], before[1:3])
        assert all(jax.tree.leaves(unchanged)) == (pictures is wrong)
        assert now.nets["D"]["params"]["w"] != 1
    assert counters == [(1, 19), (2, 18), (2, 20)]
    assert (state.step, state.skipped, state.skipped_in_row) == (4, 2, 0)


@pytest.mark.parametrize("window", ["3", "5:4", "0:2", "a:b"])
def test_bad_profile_window(window):
    with pytest.raises(UserError, match="config.step.profile"):
        StepOptions(profile=window)


def test_norms_and_learning_rate_are_logged():
    mesh, images = small_mesh(), shard_batch(batch(4, 16), small_mesh())
    optimizer = optax.sgd(0.5)
    state = make_init(method(), optimizer, 0, mesh)(images)
    before = jax.device_get(state.nets["G"]["params"])
    step = make_step(method(), optimizer, 0, mesh, learning_rate=lambda n: 0.5 + n)
    state, metrics = step(state, images)
    after = jax.device_get(state.nets["G"]["params"])
    update = float(optax.tree.norm(jax.tree.map(np.subtract, after, before)))
    np.testing.assert_allclose(metrics["update_norm_G"], update, rtol=1e-3)
    np.testing.assert_allclose(metrics["gradient_norm_G"], update / 0.5, rtol=1e-3)
    assert metrics["learning_rate"] == 0.5


def test_patience_is_one_or_more():
    with pytest.raises(UserError, match="config.step.patience is 0"):
        StepOptions(patience=0)
