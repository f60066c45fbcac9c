"""The authors' published weights: both files against PyTorch, `convert`, `info`."""

import json
import os
import pickle
import re
import shutil

import jax
import numpy as np
import pytest
import safetensors.numpy
from colorizers import UNIFORM
from examples import predict
from golden.caffemodel import encode
from golden.published import (
    NARROW,
    colorizer_layers,
    colorizer_tensors,
    lightness,
    lite0_tensors,
)
from helpers import (
    PUBLISHED,
    ROOT,
    python,
    run_colorjax,
    run_train,
    write_config,
    write_folder,
)

from colorjax import cli, images
from colorjax.errors import UserError
from colorjax.evaluation import protocol
from colorjax.files import part_name
from colorjax.inference.colorizer import Colorizer
from colorjax.pretrained.caffe import read_layers
from colorjax.pretrained.weights import Weights, read
from colorjax.pretrained.zhang2016 import load_zhang2016
from colorjax.train.experiment import make_method
from colorjax.train.workdir import load_run

NARROW_PTH = PUBLISHED / "narrow.pth"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The narrow net in both layouts, as files."""
    caffe = tmp_path_factory.mktemp("files") / "narrow.caffemodel"
    caffe.write_bytes(encode(colorizer_layers()))
    return {"pytorch": NARROW_PTH, "caffe": caffe}


def ab(method, nets):
    """Predicted where the net does, before any upsampling."""
    found = predict(method, nets, lightness())
    return found.ab[:, ::4, ::4]


def golden(layout):
    return np.load(PUBLISHED / "colorizer.npz")[layout].transpose(0, 2, 3, 1)


def tensors(layout):
    """All of a layout by name, to be spoilt."""
    if layout == "pytorch":
        return colorizer_tensors()
    return {
        f"{layer}.{place}": blob
        for layer, blobs in colorizer_layers().items()
        for place, blob in enumerate(blobs)
    }


def load(tensors):
    return load_zhang2016(Weights("made.pth", dict(tensors), "0"))


# ---- The nets.


@pytest.mark.parametrize("layout", ["pytorch", "caffe"])
def test_colors_are_those_of_the_authors_code(files, layout):
    found = load_zhang2016(read(files[layout]))
    method = make_method(found.method)
    expected = golden(layout)
    assert np.all(expected.std(axis=(1, 2)) > 1.5)  # ab units
    np.testing.assert_allclose(
        ab(method, {"G": found.variables}), expected, rtol=0, atol=1e-4
    )


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["pytorch", "caffe"])
def test_colors_at_full_width(layout):
    pytest.importorskip("torch")
    from golden import make_published

    if layout == "pytorch":
        values = colorizer_tensors(1.0)
        expected, found = make_published.pytorch_ab(values, 1.0), load(values)
    else:
        layers = colorizer_layers(1.0)
        expected = make_published.caffe_ab(layers)
        found = load({f"{k}.{i}": x for k in layers for i, x in enumerate(layers[k])})
    method = make_method(found.method)
    expected = expected.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(
        ab(method, {"G": found.variables}), expected, rtol=0, atol=1e-4
    )


def test_other_ways_that_caffe_files_are_written():
    """With conv1_1 by the name of its output, with the layers of the decoding."""
    expected = load(tensors("caffe"))
    found = tensors("caffe")
    for place in "01":
        found[f"conv1_1.{place}"] = found.pop(f"bw_conv1_1.{place}")
    bins = 110 * tensors("pytorch")["model_out.weight"]
    found["conv8_313_rh.0"] = np.full(313, 2, np.float32)
    found["class8_ab.0"], found["class8_ab.1"] = bins, np.zeros(2, np.float32)
    other = load(found)
    jax.tree.map(np.testing.assert_array_equal, other.variables, expected.variables)
    assert other.method["temperature"] == 0.5
    assert expected.method["temperature"] == pytest.approx(1 / 2.606, rel=1e-6)
    assert load({**found, "class8_ab.0": 0 * bins}).method == other.method


@pytest.mark.parametrize(
    ("layout", "key", "change", "message"),
    [
        ("pytorch", "model3.4.bias", None, "is missing, expected"),
        ("pytorch", "model8.0.weight", lambda x: x[:, :3], "has shape .*, expected"),
        ("pytorch", "model2.4.running_var", lambda x: x * np.nan, "holds NaN"),
        ("pytorch", "model9.0.weight", lambda x: np.ones(1), "belongs to no layer"),
        ("pytorch", "model_out.weight", lambda x: x[:, ::-1], "off the paper's bin"),
        ("pytorch", "model1.0.weight", lambda x: np.ones(()), "has shape"),
        ("caffe", "conv7_1.1", None, "is missing, expected"),
        ("caffe", "conv4_3norm.0", lambda x: x[:-1], "has shape .*, expected"),
        ("caffe", "conv1_2norm.2", lambda x: 0 * x, "is 0, not positive"),
        ("caffe", "conv9_1.0", lambda x: np.ones(1), "belongs to no layer"),
        ("caffe", "class8_ab.0", lambda x: np.ones((2, 313, 1, 1)), "off the paper's"),
        ("caffe", "class8_ab.1", lambda x: np.ones(2), "is not zero"),
        ("caffe", "conv8_313_rh.0", lambda x: np.arange(1, 314), "not one positive"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(layout, key, change, message):
    changed = tensors(layout)
    before = changed.pop(key, None)
    if change is not None:
        changed[key] = change(before)
    with pytest.raises(UserError, match=f"^made.pth: not the .*'{key}' .*{message}"):
        load(changed)


def test_another_net_is_none_of_theirs():
    with pytest.raises(UserError, match="made.pth: not a net of Zhang.*'other.bias'"):
        load({"other.bias": np.ones(3)})


# ---- The reader of Caffe's files.


def test_blobs_are_read_as_written(tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(1, 2, 3)
    written = {"a": [values, values[0, 0]], "none": [], "b": [values.astype(float)]}
    (tmp_path / "x.caffemodel").write_bytes(encode(written))
    found = read(tmp_path / "x.caffemodel").tensors
    assert list(found) == ["a.0", "a.1", "b.0"]
    for key, x in zip(found, (values, values[0, 0], values), strict=True):
        np.testing.assert_array_equal(found[key], x)


def test_a_cut_caffe_file_is_refused():
    """Unless the cut is between two layers, of which one is missing then."""
    blobs = [np.ones(3, np.float32)]
    one, two = (encode(dict.fromkeys(names, blobs)) for names in ("a", "ab"))
    assert two.startswith(one)
    for size in range(len(one) + 1, len(two)):
        with pytest.raises(ValueError, match="truncated"):
            list(read_layers(two[:size]))


def test_broken_caffe_files_are_refused_in_one_line(tmp_path):
    data, path = encode(colorizer_layers()), tmp_path / "broken.caffemodel"
    broken = [data[:size] for size in (0, 1, 9, len(data) // 3, len(data) - 1)]
    broken += [b"Dear diary,", b"\xff" * 40]
    one, two = (b"\x3a\x03\x0a\x01" + bytes([n]) for n in (1, 2))  # a blob's shape
    assert one in data
    broken += [data.replace(one, two), data.replace(one, b"")]
    for content in broken:
        path.write_bytes(content)
        with pytest.raises(UserError, match="broken.caffemodel") as caught:
            load_zhang2016(read(path))
        assert "\n" not in str(caught.value)
    path.write_bytes(encode(colorizer_layers(), field=2))
    with pytest.raises(UserError, match="before 2015.*upgrade_net_proto_binary"):
        read(path)


# ---- The commands.


def convert(file, out, capsys):
    """Exit code, output and errors of `colorjax convert`, in this process."""
    code = cli.main(["convert", str(file), "--out", str(out)])
    return code, *capsys.readouterr()


@pytest.fixture(scope="module")
def runs(files, tmp_path_factory):
    """Both files as runs, and what the whole command printed for the first."""
    folder = tmp_path_factory.mktemp("runs")
    result = run_colorjax("convert", NARROW_PTH, "--out", folder / "pytorch")
    assert result.code == 0 and not result.err, result.err
    assert cli.main(["convert", str(files["caffe"]), "--out", f"{folder}/caffe"]) == 0
    return folder, result


@pytest.mark.parametrize("layout", ["pytorch", "caffe"])
def test_a_run_decodes_as_its_authors_do(runs, layout):
    loaded = load_run(runs[0] / layout)
    assert np.abs(ab(loaded.method, loaded.nets) - golden(layout)).max() < 1e-4
    assert loaded.prior is None and loaded.step == 0
    assert loaded.dataset.resize == {"pytorch": 256, "caffe": 224}[layout]
    names = {path.name for path in (runs[0] / layout).iterdir()}
    assert names == {"checkpoints", "config.json", "source.json"}
    assert {path.name for path in runs[0].iterdir()} == {"pytorch", "caffe"}


def test_convert_prints_what_source_json_keeps(runs):
    folder, result = runs
    source = json.loads((folder / "pytorch/source.json").read_text())
    assert source["file"] == "narrow.pth" and "BSD 2-Clause" in source["licence"]
    assert source["file sha256"] == read(NARROW_PTH).sha256
    assert source["input"] == "(L - 50) / 100" and "plain softmax" in source["decoding"]
    for line in source.values():
        assert line in result.out
    assert f"colorjax colorize PICTURE --run {folder}/pytorch" in result.out


def test_info_says_what_a_converted_run_is(runs, capsys, tmp_path):
    workdir = tmp_path / "copy"
    shutil.copytree(runs[0] / "caffe", workdir)
    assert cli.main(["info", str(workdir)]) == 0
    out = capsys.readouterr().out
    source = json.loads((workdir / "source.json").read_text())
    for word in ("zhang2016", "imagenet2012", "step 0", *source.values()):
        assert word in out
    assert "changed since the conversion" not in out
    source["nets sha256"] = "0" * 64
    (workdir / "source.json").write_text(json.dumps(source))
    assert cli.main(["info", str(workdir)]) == 0
    assert "changed since the conversion" in capsys.readouterr().out


def test_colorize_with_a_converted_run(runs, tmp_path):
    write_folder(tmp_path / "in", 1, side=40)
    workdir, out = runs[0] / "pytorch", tmp_path / "out.png"
    picture = tmp_path / "in/000.png"
    arguments = ["colorize", picture, "--run", workdir, "--out", out]
    assert cli.main(list(map(str, arguments))) == 0
    found = images.read(out.read_bytes())
    np.testing.assert_array_equal(found, Colorizer.load(workdir)(picture))


@pytest.mark.slow
def test_evaluate_and_train_from_a_converted_run(runs, tmp_path, capsys):
    folder = write_folder(tmp_path / "pictures", 20)
    workdir, tuned = runs[0] / "pytorch", tmp_path / "tuned"
    config = write_config(
        tmp_path / "tuned.py",
        steps=1,
        data=dict(root=str(folder), resize=32, crop=32),
        method=dict(width=NARROW, affine=True),
        init_from=str(workdir),
    )
    result = run_train(f"--config={config}", f"--workdir={tuned}")
    assert result.code == 0, result.err
    assert f"started from {workdir}; new: []; left out: []" in result.err

    result = python(
        ROOT / "evaluate.py",
        *(f"--workdir={x}" for x in (workdir, runs[0] / "caffe")),
        f"--data.root={folder}",
        "--data.resize=32",
        f"--out={tmp_path}",
        "--baselines=grey",
        "--metrics=auc,calibration",
    )
    assert result.code == 0, result.err
    assert "estimating the prior" in result.err
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert {"auc_rebalanced", "nll"} <= set(found["rows"]["pytorch"])
    assert found["provenance"]["caffe"]["source"]["file"] == "narrow.caffemodel"

    assert cli.main(["info", str(tuned)]) == 0
    out = capsys.readouterr().out
    assert f"1 step of 4 pictures from {workdir}" in out and "step 1" in out
    assert "AuC bal." in out and "grey" in out and "licence" in out


@pytest.mark.slow
def test_train_from_a_converted_classifier(tmp_path, capsys):
    """A run whose encoder is the classifier's, and whose decoder is to be trained."""
    file, workdir = tmp_path / "lite0.safetensors", tmp_path / "lite0"
    safetensors.numpy.save_file(lite0_tensors(), file)
    code, out, err = convert(file, workdir, capsys)
    assert (code, err) == (0, "")
    assert f"train.py --config=configs/starter.py --config.init_from={workdir}" in out
    assert "Apache License 2.0" in out and "to be trained" in out
    with pytest.raises(UserError, match="the decoder of this run has not been trained"):
        Colorizer.load(workdir)
    folder = write_folder(tmp_path / "pictures", 20)
    config = write_config(
        tmp_path / "tuned.py",
        steps=1,
        data=dict(root=str(folder), resize=32, crop=32),
        method=dict(width=1.0, net="efficientnet_lite0", frozen=7),
        init_from=str(workdir),
    )
    result = run_train(f"--config={config}", f"--workdir={tmp_path}/tuned")
    assert result.code == 0, result.err
    assert f"started from {workdir}; new: []; left out: []" in result.err
    before, after = (load_run(x).nets["G"] for x in (workdir, tmp_path / "tuned"))
    jax.tree.map(
        np.testing.assert_array_equal,
        before["params"].pop("encoder"),
        after["params"].pop("encoder"),
    )
    for layer in before["params"]:
        kernels = (x["params"][layer]["kernel"] for x in (before, after))
        assert not np.array_equal(*kernels), layer


def test_weights_that_a_new_run_has_no_place_for_are_told(runs):
    from colorjax.train.initialize import initialize_from
    from colorjax.train.step import TrainState

    nets = load_run(runs[0] / "pytorch").nets
    net = {key: dict(x) for key, x in nets["G"].items()}
    net["params"] = {k: x for k, x in net["params"].items() if "norm" not in k}
    state = TrainState(0, jax.tree.map(jax.numpy.asarray, {"G": net}), {}, 0, 0, {})
    _, fresh, left = initialize_from(state, nets)
    assert fresh == [] and len(left) == 14 and "G/params/norm1/scale" in left


def test_runs_without_a_prior_leave_it_to_those_with_one(runs):
    converted = load_run(runs[0] / "pytorch")
    trained = converted._replace(prior=UNIFORM)
    for compared, expected in (
        ({"a": converted, "b": trained}, UNIFORM),
        ({"a": converted}, None),
    ):
        _, prior = protocol.common_dataset(compared, {})
        assert prior is expected
    other = converted._replace(prior=UNIFORM[::-1] * 2)
    with pytest.raises(UserError, match="c has another prior than b"):
        protocol.common_dataset({"a": converted, "b": trained, "c": other}, {})


class Attack:
    """Pickles as a call."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def spoilt(folder):
    """Files that cannot be converted, by what is wrong, and words of the refusal."""
    data, changed = NARROW_PTH.read_bytes(), colorizer_tensors()
    changed["model_out.weight"] = changed["model_out.weight"] + 0.1  # 11 ab units
    written = {
        "cut.pth": (data[: len(data) // 2], "whole"),
        "text.pth": (b"Dear diary,", "whole"),
        "text.caffemodel": (b"Dear diary,", "whole"),
        "empty.pth": (b"", "whole"),
        "attack.pth": (pickle.dumps(Attack(folder / "ran")), "whole"),
        "narrow-0123abcd.pth": (data, "begins .*, not 0123abcd, .*; download it again"),
        "other.safetensors": (
            safetensors.numpy.save({"x": np.ones(3)}),
            "not the weights of a known network: .*; its first tensor is 'x'",
        ),
        "decoder.safetensors": (
            safetensors.numpy.save(changed),
            "'model_out.weight' has a color 11 ab units off",
        ),
    }
    for name, (content, words) in written.items():
        (folder / name).write_bytes(content)
        yield name, words
    yield "none.pth", "No such file"


def test_what_cannot_be_converted_leaves_nothing(tmp_path, capsys):
    for name, words in spoilt(tmp_path):
        before = sorted(tmp_path.iterdir())
        code, out, err = convert(tmp_path / name, tmp_path / "run", capsys)
        assert (code, out, err.count("\n")) == (2, "", 1), err
        assert re.match(f"colorjax: .*{name}.*{words}", err), err
        assert sorted(tmp_path.iterdir()) == before


def test_what_is_there_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "file"):
        code, _, err = convert(NARROW_PTH, tmp_path / name, capsys)
        assert code == 2 and f"{name}: exists and is not empty" in err
    code, _, err = convert(NARROW_PTH, tmp_path / "file/run", capsys)
    assert code == 2 and err.count("\n") == 1 and "cannot be written" in err
    assert (tmp_path / "full/notes.txt").read_text() == "mine"
    assert {x.name for x in tmp_path.rglob("*")} == {"full", "file", "notes.txt"}
    (tmp_path / "empty").mkdir()
    (tmp_path / part_name("empty")).mkdir()  # of a start that was killed
    assert convert(NARROW_PTH, tmp_path / "empty", capsys)[0] == 0
    assert {x.name for x in tmp_path.iterdir()} == {"full", "file", "empty"}


def test_read_only_folder(tmp_path, capsys):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    (tmp_path / "shut").mkdir(mode=0o500)
    code, _, err = convert(NARROW_PTH, tmp_path / "shut/run", capsys)
    assert code == 2 and "cannot be written (Permission denied)" in err


def test_full_disk(tmp_path, monkeypatch, capsys):
    usage = shutil.disk_usage(tmp_path)._replace(free=50_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    out = tmp_path / "run"
    assert cli.main(["convert", str(NARROW_PTH), "--out", str(out)]) == 2
    err = capsys.readouterr().err
    assert err == f"colorjax: {out}: cannot be written (No space left on device)\n"
    assert list(tmp_path.iterdir()) == []


def test_info_of_no_run(tmp_path, capsys):
    assert cli.main(["info", str(tmp_path)]) == 2
    assert "no config.json" in capsys.readouterr().err
    (tmp_path / "config.json").write_text("{")
    assert cli.main(["info", str(tmp_path)]) == 2
    assert f"{tmp_path}/config.json: not JSON" in capsys.readouterr().err
