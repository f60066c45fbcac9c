"""Compiling for a TPU pod without one: what is read from a program, and predicted."""

import importlib.util
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import python

from benchmarks import hlo
from benchmarks.pod import CHIPS, Work, predict, useful_flops
from colorjax.nets.layers import Conv
from colorjax.nets.vgg_dilated import VGGDilated
from colorjax.quantize import Q

LIBTPU = importlib.util.find_spec("libtpu") is not None
PARAMETERS = [(4, 4, 512, 256), (256,), (256, 313)]
PROGRAM = """HloModule step

%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  ROOT %sum = f32[] add(%x, %x)
}

ENTRY %main (image: u8[4,16], kernel: f32[256,313]) -> f32[256,313] {
  %image = u8[4,16]{1,0:T(8,128)} parameter(0)
  %kernel = f32[256,313]{1,0:T(8,128)} parameter(1)
  %start = (f32[256,313]{1,0:S(1)}, f32[256,313]{1,0}, u32[]{:S(2)}) copy-start(%kernel)
  %done = f32[256,313]{1,0:T(8,128)S(1)} copy-done(%start)
  %norm = f32[64]{0:T(128)S(1)} fusion(%image, %done), kind=kLoop, calls=%add
  %moments = (f32[64]{0:T(128)S(1)}, f32[64]{0}) all-reduce(%norm, %norm), to_apply=%add
  %taps = bf16[2,4,512,256]{3,2,1,0:T(8,128)(2,1)} fusion(%norm), kind=kLoop
  %head = bf16[256,313]{1,0:T(8,128)(2,1)} fusion(%norm, %image), kind=kOutput
  %gradients = (bf16[2,4,512,256]{3,2,1,0}, bf16[2,4,512,256]{3,2,1,0}, \
/*index=2*/bf16[256,313]{1,0}) all-reduce-start(%taps, %taps, %head), channel_id=2, \
to_apply=%add
  ROOT %new = f32[256,313]{1,0:T(8,128)} fusion(%kernel, %head), kind=kLoop
}
"""
HEAD = 256 * 313  # values


def test_what_devices_exchange():
    arrays = hlo.exchanged(PROGRAM)
    taps = 2 * 8 * 512 * 256  # half of the transposed convolution's
    assert [array.bytes for array in arrays] == [256, 256, taps, taps, 2 * HEAD]
    assert [array.small for array in arrays] == [True, True, False, False, False]
    assert hlo.offenders(arrays, PARAMETERS) == []
    assert hlo.collectives(PROGRAM) == 2


@pytest.mark.parametrize(
    ("old", "new", "offender"),
    [
        ("all-reduce-start(", "all-gather(", "all-gather of bf16[256, 313]"),
        ("bf16[256,313]{1,0}) ", "f32[4,44,44,313]) ", "all-reduce of f32[4, 44, 44"),
        ("bf16[256,313]{1,0}) ", "f32[8]) ", "no all-reduce of the gradient [256, 313"),
        ("(f32[64]{0", "(bf16[256,313]{1,0", "all-reduce of bf16[256, 313]"),
        ("(bf16[2,4,512", "(bf16[4,4,512", "all-reduce of bf16[2, 4, 512, 256]"),
    ],
)
def test_what_they_should_not_exchange(old, new, offender):
    assert old in PROGRAM
    arrays = hlo.exchanged(PROGRAM.replace(old, new))
    assert any(offender in name for name in hlo.offenders(arrays, PARAMETERS))


def test_memory_traffic():
    image, kernel, head, taps = 64, 4 * HEAD, 2 * HEAD, 2 * 8 * 512 * 256
    copied, norm, moments = kernel, image, 256
    written = taps + (image + head) + (kernel + head + kernel)
    assert hlo.memory_traffic(PROGRAM) == copied + norm + moments + written


def test_prediction():
    chip, work = CHIPS["v5e"], Work(197e12, 2 * 819e9, 200e9, 10**6)
    parts = predict(chip, (2, 2), 4, work._replace(collectives=0))
    assert parts == dict(compute=1, memory=2, exchange=1.5, latency=0, step=3.5)
    alone = predict(chip, (1, 1), 1, work)  # with nobody to exchange
    assert alone["step"] == 2
    assert predict(chip, (4, 8), 32, work)["latency"] == pytest.approx(2 * (3 + 7))
    assert predict(chip, (16, 16), 256, work)["latency"] == pytest.approx(2 * (8 + 8))


def test_useful_flops():
    """As many as the kernels have weights, for every place where they are applied."""
    net, side = VGGDilated(Q), 64
    lightness = jax.ShapeDtypeStruct((1, side, side, 1), jnp.float32)

    def run(x):
        return net.init_with_output(
            jax.random.key(0),
            x,
            capture_intermediates=lambda module, _: isinstance(module, Conv),
        )

    _, variables = jax.eval_shape(run, lightness)
    total = 0
    for name, layer in variables["params"].items():
        (output,) = variables["intermediates"][name]["__call__"]
        places = np.prod(output.shape[1:3])
        if name == "conv8_1":  # each weight once for every pixel of its input
            places //= 4
        total += 2 * np.prod(layer["kernel"].shape) * places
    assert useful_flops(side) == 3 * total


@pytest.mark.skipif(LIBTPU, reason="libtpu is installed")
def test_without_libtpu():
    result = python("-m", "benchmarks.pod")
    assert result.code == 1 and result.out == ""
    (line,) = result.err.splitlines()
    assert 'pip install -e ".[tpu]"' in line


@pytest.mark.slow
@pytest.mark.skipif(not LIBTPU, reason="libtpu is not installed")
def test_compiles_for_four_chips(tmp_path):
    path = tmp_path / "pod.json"
    result = python("-m", "benchmarks.pod", "--batch=1", f"--json={path}", timeout=1200)
    assert result.code == 0, result.err
    assert "nothing else" in result.out and "prediction" in result.out
    (row,) = json.loads(path.read_text())["rows"]
    assert (row["chips"], row["batch"], row["fits"]) == (4, 4, True)
    assert row["offenders"] == []
    assert 2 * 32e6 < row["gradients"] < 4 * 36e6  # of 32.23 M parameters
    assert row["flops"] > 0.8 * row["useful_flops"]
    assert row["memory"]["all"] < row["memory"]["chip"]
    assert row["memory_traffic"] > 12 * 32e6  # parameters and both moments of Adam
    assert row["predicted_seconds"]["step"] > 0
