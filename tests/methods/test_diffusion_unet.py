"""The nets that denoise: the U-Net against PyTorch, the transformer against itself."""

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np
from golden.weights import variables
from helpers import GOLDEN

from colorjax.nets import diffusion_unet
from colorjax.nets.diffusion_unet import DiffusionUNet
from colorjax.nets.layers import depth_to_space, space_to_depth
from colorjax.nets.patch_transformer import rotate


def golden_params(net, x, log_sigma):
    """The golden's values for the parameters of the net."""
    shapes = jax.eval_shape(net.init, jax.random.key(0), x, log_sigma)
    flat = flax.traverse_util.flatten_dict(shapes, sep="/")
    values = variables({path: leaf.shape for path, leaf in flat.items()})
    return flax.traverse_util.unflatten_dict(values, sep="/")


def test_unet(monkeypatch):
    """See tests/golden/torch_diffusion.py."""
    monkeypatch.setattr(diffusion_unet, "HEAD", 4)
    monkeypatch.setattr(diffusion_unet, "GROUPS", 4)
    theirs = np.load(GOLDEN / "diffusion_unet.npz")
    net = DiffusionUNet(
        3, width=1 / 32, multipliers=(1, 2), blocks=1, attention=(2,), remat=True
    )
    x, log_sigma = jnp.asarray(theirs["x"]), jnp.asarray(theirs["log_sigma"])
    params = golden_params(net, x, log_sigma)

    def loss(params):
        output = net.apply(params, x, log_sigma)
        return (output * theirs["weights"]).sum(), output

    gradients, output = jax.jit(jax.grad(loss, has_aux=True))(params)
    flat = flax.traverse_util.flatten_dict({"gradient": gradients}, sep="/")
    assert flat.keys() == {key for key in theirs if key.startswith("gradient/")}
    for name, ours in {**flat, "output": output}.items():
        error = np.linalg.norm(ours - theirs[name])
        assert error <= 1e-4 * np.linalg.norm(theirs[name]), name


def test_unet_size():
    """Palette's table 5 has 552 M parameters."""
    net = DiffusionUNet(3)
    arrays = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((1, 32, 32, 6), (1,))]
    params = jax.eval_shape(net.init, jax.random.key(0), *arrays)
    assert sum(x.size for x in jax.tree.leaves(params)) // 10**6 == 552


def test_products_of_rotated_vectors_depend_on_distances():
    """So a transformer knows how far patches are apart, not where they are."""
    query, key = jax.random.normal(jax.random.key(0), (2, 8))

    def product(from_place, to_place):
        plane = jnp.zeros((1, 9, 9, 1, 8))
        turned = (
            rotate(plane.at[:, *from_place].set(query)),
            rotate(plane.at[:, *to_place].set(key)),
        )
        return turned[0][0, *from_place, 0] @ turned[1][0, *to_place, 0]

    near = product((1, 2), (3, 1))
    np.testing.assert_allclose(product((6, 8), (8, 7)), near, rtol=1e-4)
    assert abs(product((1, 2), (3, 2)) - near) > 1e-3
    assert abs(product((1, 2), (2, 1)) - near) > 1e-3


def test_depth_to_space_is_the_inverse():
    x = jnp.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    deep = space_to_depth(x.astype(jnp.float32), 2)
    assert deep.shape == (2, 2, 3, 12)
    np.testing.assert_array_equal(deep[0, 0, 1], x[0, :2, 2:4].reshape(-1))
    np.testing.assert_array_equal(depth_to_space(deep, 2), x)
