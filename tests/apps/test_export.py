"""`colorjax export`: ONNX in ONNX Runtime, StableHLO in a process without colorjax."""

import json
import sys

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from colorizers import random_nets, write_run
from helpers import PALETTE, python, run_colorjax, scene, write_folder
from skimage.color import rgb2lab

from colorjax import cli, files, methods
from colorjax.apps.export import onnx_networks
from colorjax.apps.export.function import make_colorize
from colorjax.inference.colorizer import Colorizer
from colorjax.inference.compose import replace_ab
from colorjax.train.checkpoint import save_nets
from colorjax.train.workdir import SOURCE, load_run

SIZES = [(3, 33, 47), (2, 1, 9), (1, 130, 72)]
LICENCE = "BSD 2-Clause"
METHODS = {
    "zhang2016": dict(temperature=0.1),
    "affine": dict(temperature=0.1, affine=True),
    "bfloat16": dict(temperature=0.1, dtype="bfloat16"),
    "regression": {},
}


def noise(size):
    """Pictures of any colors, in and at the edge of the gamut."""
    return np.random.default_rng(0).uniform(-0.2, 1.2, (*size, 3)).clip(0, 1)


def variables():
    """Of the narrow net: random weights, statistics, and a scale and an offset."""
    method = methods.builder("zhang2016")(width=1 / 16)
    nets = jax.tree.map(np.asarray, random_nets(method)["G"])
    random = np.random.default_rng(1)
    for name, statistics in nets["batch_stats"].items():
        size = statistics["mean"].shape
        statistics["mean"] = random.normal(size=size).astype(np.float32)
        statistics["var"] = random.uniform(0.5, 2, size).astype(np.float32)
        nets["params"][name] = {
            "scale": random.uniform(0.5, 2, size).astype(np.float32),
            "bias": random.normal(size=size).astype(np.float32),
        }
    return nets


def make_run(folder, key, nets):
    """The directory of a run of one of `METHODS`, with what it needs of `nets`."""
    settings, params = METHODS[key], dict(nets["params"])
    name = key if key == "regression" else "zhang2016"
    if key != "affine":
        params = {name: x for name, x in params.items() if "norm" not in name}
    if key == "regression":
        params["head"] = {name: x[..., :2] for name, x in params["head"].items()}
    data = dict(root=str(write_folder(folder / "pictures", 2)), resize=32, crop=32)
    method = dict(name=name, width=1 / 16, **settings)
    config = dict(seed=0, steps=0, batch=2, init_from="", data=data, method=method)
    config |= dict(optimizer={}, checkpoint={}, evaluation={}, step={})
    save_nets(folder, {"G": {**nets, "params": params}})
    files.write_json(folder / "config.json", config)
    files.write_json(folder / SOURCE, {"licence": LICENCE})
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The directories of runs, by their key in `METHODS`."""
    nets = variables()
    return {key: make_run(tmp_path_factory.mktemp(key), key, nets) for key in METHODS}


@pytest.fixture
def command(capfd):
    """`colorjax export ARGS`: exit code, standard output, errors."""

    def call(*arguments):
        code = cli.main(["export", *map(str, arguments)])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def opened(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options)


def live(workdir):
    loaded = load_run(workdir)
    return jax.jit(make_colorize(loaded.method, loaded.nets))


@pytest.mark.parametrize("key", ["affine", "regression"])
def test_onnx_is_the_run(key, runs, command, tmp_path):
    out = tmp_path / "net.onnx"
    code, told, err = command(runs[key], "--format", "onnx", "--out", out)
    assert code == 0 and "differs from the run by" in told, err
    session, colorize = opened(out), live(runs[key])
    for size in SIZES:
        rgb = noise(size).astype(np.float32)
        (result,) = session.run(["colorized"], {"rgb": rgb})
        np.testing.assert_allclose(result, colorize(rgb), atol=1e-3)
        assert np.abs(result - grey_of(rgb)).max() > 0.02  # there are colors
        alone = [session.run(None, {"rgb": one[None]})[0][0] for one in rgb]
        np.testing.assert_allclose(result, alone, atol=1e-4)


def grey_of(rgb):
    """The grey of the same L, which is luminance."""
    y = np.asarray(rgb2lab(rgb)[..., :1])
    t = ((y + 16) / 116) ** 3
    t = np.where(y > 8, t, y / 903.3)
    return np.where(t > 0.0031308, 1.055 * t ** (1 / 2.4) - 0.055, 12.92 * t)


@pytest.fixture(scope="module")
def stablehlo(runs, tmp_path_factory):
    """The file of the affine run, from a process: symbolic sizes fail our checks of
    shapes, which are on in this one."""
    out = tmp_path_factory.mktemp("stablehlo") / "net.stablehlo"
    result = run_colorjax(
        *("export", runs["affine"], "--format", "stablehlo", "--out", out)
    )
    assert result.code == 0 and "the temperature is fixed" in result.out, result.err
    return out


@pytest.mark.parametrize("form", ["onnx", "stablehlo"])
def test_colors_are_those_of_the_colorizer(form, runs, command, request, tmp_path):
    """On a picture of the working size, which neither resizes nor pads."""
    if form == "onnx":
        out = tmp_path / "net.onnx"
        code, _, err = command(runs["affine"], "--format", form, "--out", out)
        assert code == 0, err
    else:
        out = request.getfixturevalue("stablehlo")
    picture = scene(3, 32)
    rgb = (picture / 255).astype(np.float32)[None]
    if form == "onnx":
        result = opened(out).run(None, {"rgb": rgb})[0]
    else:
        result = jax.export.deserialize(bytearray(out.read_bytes())).call(rgb)
    ab = Colorizer.load(runs["affine"]).predict(picture).ab
    np.testing.assert_allclose(
        255 * np.asarray(result[0]), replace_ab(picture, ab), atol=0.6
    )


def test_onnx_takes_a_temperature_and_knows_where_it_is_from(runs, command, tmp_path):
    out, cold = tmp_path / "net.onnx", tmp_path / "cold.onnx"
    workdir = runs["zhang2016"]
    command(workdir, "--format", "onnx", "--out", out)
    command(workdir, "--format", "onnx", "--out", cold, "--temperature", 0.03)
    rgb = noise((1, 40, 24)).astype(np.float32)
    given = {"rgb": rgb, "temperature": np.float32(0.03)}
    given["temperature"] = np.asarray(given["temperature"])
    (colder,) = opened(out).run(None, given)
    np.testing.assert_array_equal(colder, opened(cold).run(None, {"rgb": rgb})[0])
    assert np.abs(colder - opened(out).run(None, {"rgb": rgb})[0]).max() > 0.02
    model = onnx.load(out)
    facts = {x.key: x.value for x in model.metadata_props}
    assert facts["licence"] == LICENCE and facts["method"] == "zhang2016"
    assert len(facts["nets sha256"]) == 64 and facts["step"] == "0"
    assert [x.name for x in model.graph.input] == ["rgb", "temperature"]


STRANGER = """
import sys
sys.modules["colorjax"] = None
import jax, numpy as np
exported = jax.export.deserialize(bytearray(open(sys.argv[1], "rb").read()))
for path in sys.argv[2:]:
    np.save(path.replace("in", "out"), exported.call(np.load(path)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["palette", "control_color"])
def test_stablehlo_of_a_sampler(name, tmp_path, command):
    """It has the noise of seed 0; ONNX is refused."""
    settings = {key: value for key, value in PALETTE.items() if key != "name"}
    workdir, out = write_run(tmp_path / "run", name, **settings), tmp_path / "net"
    code, _, err = command(workdir, "--format", "onnx", "--out", out)
    assert code == 2 and "--format stablehlo writes any" in err
    result = run_colorjax("export", workdir, "--format", "stablehlo", "--out", out)
    assert result.code == 0, result.err
    exported = jax.export.deserialize(bytearray(out.read_bytes()))
    rgb = noise((2, 40, 24)).astype(np.float32)
    colorized = np.asarray(exported.call(rgb))
    np.testing.assert_allclose(colorized, live(workdir)(rgb), atol=1e-3)
    np.testing.assert_array_equal(colorized, exported.call(rgb))
    assert np.abs(colorized - grey_of(rgb)).max() > 0.02


@pytest.mark.slow
def test_stablehlo_without_colorjax(runs, stablehlo, tmp_path):
    facts = json.loads(stablehlo.with_name("net.stablehlo.json").read_text())
    assert facts["licence"] == LICENCE and facts["short side"].startswith("32 pixels")
    for i, size in enumerate(SIZES):
        np.save(tmp_path / f"in{i}.npy", noise(size).astype(np.float32))
    inputs = [tmp_path / f"in{i}.npy" for i in range(len(SIZES))]
    (tmp_path / "stranger.py").write_text(STRANGER)
    result = python(tmp_path / "stranger.py", stablehlo, *inputs)
    assert result.code == 0, result.err
    colorize = live(runs["affine"])
    for i, path in enumerate(inputs):
        found = np.load(tmp_path / f"out{i}.npy")
        np.testing.assert_allclose(found, colorize(np.load(path)), atol=1e-3)


def test_bfloat16_run_becomes_float32_in_onnx(runs, command, tmp_path):
    files = [tmp_path / f"{key}.onnx" for key in ("bfloat16", "zhang2016")]
    for out in files:
        assert command(runs[out.stem], "--format", "onnx", "--out", out)[0] == 0
    rgb = noise((1, 32, 32)).astype(np.float32)
    half, full = (opened(out).run(None, {"rgb": rgb})[0] for out in files)
    np.testing.assert_array_equal(half, full)


def test_lightness_is_kept(runs, command, tmp_path):
    out = tmp_path / "net.onnx"
    command(runs["zhang2016"], "--format", "onnx", "--out", out)
    rgb = noise((1, 60, 44)).astype(np.float32)
    result = opened(out).run(None, {"rgb": rgb})[0]
    difference = rgb2lab(result)[..., 0] - rgb2lab(rgb)[..., 0]
    assert np.abs(difference).max() < 0.05


def test_a_file_that_departs_from_the_run_is_not_written(
    runs, command, tmp_path, monkeypatch
):
    spoilt = tuple((c, n, s, 1) for c, n, s, _ in onnx_networks.BLOCKS)
    monkeypatch.setattr(onnx_networks, "BLOCKS", spoilt)
    out = tmp_path / "net.onnx"
    code, _, err = command(runs["zhang2016"], "--format", "onnx", "--out", out)
    assert code == 2 and "not written; it differs from the run by" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["other method", "other layers"])
def test_nets_without_a_table_are_refused(name, runs, command, tmp_path, monkeypatch):
    if name == "other method":
        monkeypatch.setattr(onnx_networks, "NETWORKS", {})
    else:
        monkeypatch.setattr(onnx_networks, "BLOCKS", onnx_networks.BLOCKS[:-1])
    out = tmp_path / "net.onnx"
    code, _, err = command(runs["zhang2016"], "--format", "onnx", "--out", out)
    assert code == 2 and "--format stablehlo writes any" in err
    assert err.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "there"], "there: exists; give another --out"),
        (["--out", "new", "--temperature", "0"], "--temperature: 0 is less than 0.001"),
        (["--out", "there/new"], "there/new: cannot be written"),
        (["--out", "new", "--step", "5"], "no checkpoint of step 5"),
    ],
)
def test_mistakes(options, message, runs, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_bytes(b"mine")
    code, _, err = command(runs["zhang2016"], "--format", "onnx", *options)
    assert code == 2 and message in err and err.count("\n") == 1
    assert (tmp_path / "there").read_bytes() == b"mine"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_method_without_a_temperature_has_none_to_set(runs, command, tmp_path):
    arguments = [runs["regression"], "--format", "onnx", "--out", tmp_path / "new"]
    code, _, err = command(*arguments, "--temperature", 1)
    assert code == 2 and "temperature" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("form", "module"), [("onnx", "onnxruntime"), ("stablehlo", "flatbuffers")]
)
def test_without_the_extra_one_line_says_what_to_install(
    form, module, command, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, module, None)  # importing it raises ImportError
    code, _, err = command("x", "--format", form, "--out", tmp_path / "new")
    assert code == 2 and err.count("\n") == 1
    assert 'pip install -e ".[export]"' in err


def test_a_network_that_onnx_cannot_hold_is_named(tmp_path, capsys):
    out = tmp_path / "starter.onnx"
    code = cli.main(["export", "starter", "--format", "onnx", "--out", str(out)])
    err = capsys.readouterr().err
    assert code == 2 and "the network efficientnet_lite0 cannot be written" in err
    assert not out.exists()
