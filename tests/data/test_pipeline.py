"""Batches: pure functions of (seed, step), whoever makes them; splits; bad files."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from examples import as_process, assert_same
from helpers import FIXTURES, ROOT, encode, scene, write_folder

from colorjax import images
from colorjax.data.pipeline import ImageDataset
from colorjax.data.unreadable import UnreadableCounter
from colorjax.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("images"), 30)


@pytest.fixture
def dataset(folder):
    """27 images for training, 3 held out."""
    return ImageDataset(root=str(folder), holdout="sorted", resize=24, crop=16)


def training(dataset, start=0, steps=10, seed=0, batch=8):
    source = dataset.source("train")
    feed = dict(seed=seed, batch=batch, start=start, steps=steps)
    return list(dataset.training(source, **feed))


def joined(parts):
    """Batches of several processes as those of one."""
    return [
        {key: np.concatenate([part[key] for part in step]) for key in step[0]}
        for step in zip(*parts, strict=True)
    ]


# ---- batch = data(seed, step).


def test_training_batches(dataset):
    batches = training(dataset)
    assert len(batches) == 10
    for batch in batches:
        assert batch["image"].shape == (8, 16, 16, 3)
        assert batch["image"].dtype == np.uint8
        np.testing.assert_array_equal(batch["mask"], np.ones(8, np.float32))
        assert batch["index"].dtype == np.int32


@pytest.mark.parametrize("start", [1, 3, 4, 9])  # the first epoch ends within step 3
def test_training_starts_anywhere(dataset, start):
    assert_same(training(dataset, start), training(dataset)[start:])


def test_training_does_not_depend_on_how_long_it_will_be(dataset):
    assert_same(training(dataset, steps=50)[:10], training(dataset))


def test_training_depends_on_the_seed(dataset):
    one, other = training(dataset, seed=0), training(dataset, seed=1)
    assert not np.array_equal(one[0]["index"], other[0]["index"])


def test_every_epoch_is_another_order_of_all_images(dataset):
    batches = training(dataset, steps=6, batch=9)
    epochs = np.concatenate([batch["index"] for batch in batches]).reshape(2, 27)
    np.testing.assert_array_equal(np.sort(epochs), [np.arange(27)] * 2)
    assert not np.array_equal(*epochs)
    assert not np.array_equal(epochs[0], np.arange(27))


@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("start", [0, 5])
def test_processes_make_blocks_of_one_batch(dataset, processes, start):
    parts = []
    for i in range(processes):
        with as_process(i, processes):
            parts.append(training(dataset, start))
    assert parts[0][0]["image"].shape[0] == 8 // processes
    assert_same(joined(parts), training(dataset, start))


def test_workers_make_the_same_batches(folder):
    settings = dict(root=str(folder), resize=24, crop=16)
    by_threads = training(ImageDataset(**settings), start=2)
    assert_same(training(ImageDataset(**settings, workers=2), start=2), by_threads)


def test_training_decodes_large_jpegs_at_a_reduced_scale(tmp_path, monkeypatch):
    """An evaluation decodes them whole."""
    for name in "ab":
        (tmp_path / f"{name}.jpg").write_bytes(encode(scene(1, 200), "JPEG"))
    sizes, resize = [], images.resize
    monkeypatch.setattr(
        images, "resize", lambda x, *rest: sizes.append(len(x)) or resize(x, *rest)
    )
    dataset = ImageDataset(root=str(tmp_path), holdout="sorted", resize=24, crop=16)
    training(dataset, steps=1, batch=1)
    source = dataset.source("test")
    list(dataset.single_pass(source, 1, reduced=True))
    list(dataset.single_pass(source, 1))
    assert sizes == [25, 25, 200]


# ---- One pass.


@pytest.mark.parametrize("batch", [1, 4, 27, 100])
def test_single_pass_shows_every_image_once(dataset, batch):
    source = dataset.source("train")
    batches = list(dataset.single_pass(source, batch=batch))
    assert {b["image"].shape for b in batches} == {(batch, 24, 24, 3)}
    image, mask, index = (
        np.concatenate([b[key] for b in batches]) for key in ("image", "mask", "index")
    )
    np.testing.assert_array_equal(index[:27], np.arange(27))
    np.testing.assert_array_equal(index[27:], -1)
    np.testing.assert_array_equal(mask, index >= 0)
    assert not image[27:].any() and image[:27].any(axis=(1, 2, 3)).all()


def test_single_pass_of_processes(dataset):
    source = dataset.source("train")
    parts = []
    for i in range(2):
        with as_process(i, 2):
            parts.append(list(dataset.single_pass(source, batch=8)))
    assert_same(joined(parts), list(dataset.single_pass(source, batch=8)))


# ---- Crops. In these images red is the column and green the row of a pixel.

MAP = np.zeros((32, 48, 3), np.uint8)
MAP[..., 1], MAP[..., 0] = np.mgrid[:32, :48]


@pytest.fixture
def maps(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.png").write_bytes(encode(MAP))
    return dict(root=str(tmp_path), holdout="sorted", resize=32, crop=16)


def places(dataset):
    """(top, left, mirrored) of the training crops, which must be windows of the map."""
    windows = []
    for image in np.concatenate([b["image"] for b in training(dataset, steps=25)]):
        mirrored = image[0, 0, 0] > image[0, 1, 0]
        upright = image[:, ::-1] if mirrored else image
        left, top = upright[0, 0, :2]
        np.testing.assert_array_equal(upright, MAP[top : top + 16, left : left + 16])
        windows.append((top, left, mirrored))
    return np.array(windows, int)


def test_crops_and_mirrors(maps):
    top, left, mirrored = places(ImageDataset(**maps)).T
    assert set(top) == set(range(32 - 16 + 1))
    assert set(left) == set(range(48 - 16 + 1))
    assert 0.4 < mirrored.mean() < 0.6
    assert np.abs(np.corrcoef([top, left, mirrored]) - np.eye(3)).max() < 0.25


def test_mirror_may_be_off(maps):
    assert not places(ImageDataset(**maps, mirror=False))[:, 2].any()


def test_zoom(maps):
    crops = training(ImageDataset(**maps, mirror=False, zoom=2.0), steps=25)
    columns = np.concatenate([b["image"] for b in crops])[:, 8, :, 0].astype(float)
    zooms = 10 / (columns[:, 12] - columns[:, 2])  # pixels made of one
    assert 1.0 <= zooms.min() < 1.1 and 1.8 < zooms.max() <= 2.0
    assert abs(np.log2(zooms).mean() - 0.5) < 0.1


def test_evaluation_sees_the_center(maps):
    dataset = ImageDataset(**maps, zoom=2.0)
    source = dataset.source("all")
    np.testing.assert_array_equal(dataset.image(source, 0), MAP[:, 8:40])
    (batch,) = dataset.single_pass(source, batch=2)
    np.testing.assert_array_equal(batch["image"][1], MAP[:, 8:40])


def test_images_are_resized(folder):
    dataset = ImageDataset(root=str(folder), resize=16, crop=16)
    source = dataset.source("all")
    expected = images.resize(scene(3), (16, 16))
    np.testing.assert_array_equal(dataset.image(source, 3), expected)


def test_a_very_long_image_takes_no_memory(tmp_path):
    (tmp_path / "panorama.png").write_bytes(encode(np.zeros((1, 20000, 3), np.uint8)))
    dataset = ImageDataset(root=str(tmp_path), resize=256, crop=176)
    source = dataset.source("all")
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, limits[1]))
    try:
        assert dataset.image(source, 0).shape == (256, 256, 3)  # of 256x5120000
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


# ---- What a folder holds out.


def names(root, split, holdout="hash"):
    return ImageDataset(root=str(root), holdout=holdout).source(split).files


def touch(root, files):
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize("holdout", ["hash", "sorted"])
def test_holdout(tmp_path, holdout):
    files = sorted(f"{i % 7}/image {i}.{'jpg' if i % 2 else 'PNG'}" for i in range(400))
    touch(tmp_path, files)
    touch(tmp_path, ["notes.txt", ".hidden.jpg", ".cache/1.jpg"])
    (tmp_path / "folder.jpg").mkdir()
    train, test = names(tmp_path, "train", holdout), names(tmp_path, "test", holdout)
    assert names(tmp_path, "all", holdout) == files == sorted(train + test)
    assert train == sorted(train) and test == sorted(test)
    assert 25 <= len(test) <= 55
    assert (test == files[::10]) == (holdout == "sorted")


def test_hash_holdout_stays_put(tmp_path):
    before = [f"{i}.jpg" for i in range(0, 300, 2)]
    touch(tmp_path / "images", before)
    test = names(tmp_path / "images", "test")
    touch(tmp_path / "images", [f"{i}.jpg" for i in range(300)])
    assert [f for f in names(tmp_path / "images", "test") if f in before] == test
    (tmp_path / "images").rename(tmp_path / "moved")
    assert [f for f in names(tmp_path / "moved", "test") if f in before] == test


def test_file_names_of_any_bytes(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(encode(scene(0)))
    dataset = ImageDataset(root=str(tmp_path), resize=32, crop=32)
    np.testing.assert_array_equal(dataset.image(dataset.source("all"), 0), scene(0))


# ---- Files that cannot be read.

BAD = {3: b"", 14: b"Dear diary,", 25: encode(scene(25))[:400]}


@pytest.fixture
def damaged(tmp_path):
    """A folder whose training images 2, 12 and 22 cannot be read."""
    write_folder(tmp_path, 30)
    for i, data in BAD.items():
        (tmp_path / f"{i:03d}.png").write_bytes(data)
    return dict(root=str(tmp_path), holdout="sorted", resize=32, crop=32)


def test_unreadable_is_masked_and_shifts_nothing(damaged, tmp_path):
    before = training(ImageDataset(**damaged))
    write_folder(tmp_path, 30)
    for batch, whole in zip(before, training(ImageDataset(**damaged)), strict=True):
        np.testing.assert_array_equal(batch["index"], whole["index"])
        np.testing.assert_array_equal(
            batch["mask"], ~np.isin(batch["index"], (2, 12, 22))
        )
        shown = whole["image"] * (batch["mask"] > 0)[:, None, None, None]
        np.testing.assert_array_equal(batch["image"], shown)


def test_unreadable_are_counted_once_and_named(damaged):
    dataset = ImageDataset(**damaged)
    source = dataset.source("train")
    unreadable = UnreadableCounter(source, 0.2)
    passed = list(unreadable.count(iter(training(dataset))))  # three epochs
    assert_same(passed, training(dataset))
    list(unreadable.count(dataset.single_pass(source, batch=8)))  # with padding
    assert unreadable.indices == {2, 12, 22}
    listed = ", ".join(f"{damaged['root']}/{i:03d}.png" for i in BAD)
    assert str(unreadable) == f"3 unreadable images ({listed})"


def test_too_many_unreadable_end_it(damaged):
    dataset = ImageDataset(**damaged)
    source = dataset.source("train")
    counted = UnreadableCounter(source, 0.1).count(dataset.single_pass(source, batch=1))
    with pytest.raises(UserError, match=r"025.png\) of 27: .*max_unreadable = 10.0%"):
        list(counted)


# ---- TFDS.


def drawings(**kwargs):
    settings = dict(name="drawings", data_dir=str(FIXTURES), resize=32, crop=32)
    return ImageDataset(**settings | kwargs)


@pytest.mark.parametrize(("split", "seeds"), [("train", 40), ("test", (1000, 1012))])
def test_tfds(split, seeds):
    dataset = drawings()
    source = dataset.source(split)
    seeds = range(*seeds) if isinstance(seeds, tuple) else range(seeds)
    seen = {dataset.image(source, i).tobytes() for i in range(len(source))}
    assert seen == {scene(seed).tobytes() for seed in seeds}
    assert len(seen) == len(source) == len(seeds)
    assert source.name(3) == f"drawings {split} #3"


def test_tfds_slices_and_environment(monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(FIXTURES))
    assert len(drawings(data_dir=None).source("train[:25%]")) == 10


def test_tfds_in_a_fresh_process():
    code = (
        "from colorjax.data.pipeline import ImageDataset; import sys;"
        f"dataset = ImageDataset(name='drawings', data_dir={str(FIXTURES)!r});"
        "source = dataset.source('train');"
        "print(len(source), 'tensorflow' in sys.modules)"
    )
    out = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT)
    assert out.split() == ["40", "False"]


def test_names_of_classes(folder, tmp_path):
    """Of TFDS, of subfolders, of some of their images; and where there are none."""
    assert list(drawings().source("test").classes) == ["meadow", "house"]
    write_folder(tmp_path / "sheep", 2)
    write_folder(tmp_path / "cow", 1)
    options = dict(root=str(tmp_path), holdout="sorted")
    assert ImageDataset(**options).source("all").classes == ["cow", "sheep"]
    (tmp_path / "list.txt").write_text("sheep/001.png\n")
    some = ImageDataset(**options, list=str(tmp_path / "list.txt")).source("all")
    assert some.classes == ["cow", "sheep"] and some[0].label == 1
    assert ImageDataset(root=str(folder)).source("all").classes == []


@pytest.fixture
def copied(tmp_path):
    """A copy of the data set and a function that edits one of its JSON files."""
    shutil.copytree(FIXTURES / "drawings", tmp_path / "drawings")

    def edit(name, change):
        path = tmp_path / "drawings/1.0.0" / name
        value = json.loads(path.read_text())
        change(value)
        path.write_text(json.dumps(value))
        return drawings(data_dir=str(tmp_path))

    return edit


def test_tfrecord_is_to_be_prepared_again(copied, tmp_path):
    dataset = copied("dataset_info.json", lambda x: x.update(fileFormat="tfrecord"))
    command = f"tfds build drawings --file_format=array_record --data_dir={tmp_path}"
    message = f"drawings.* tfrecord, .* prepare it again: .*{re.escape(command)}$"
    with pytest.raises(UserError, match=message):
        dataset.source("train")


def test_tfds_without_images(copied):
    features = copied(
        "features.json", lambda x: x["featuresDict"]["features"].pop("image")
    )
    with pytest.raises(UserError, match="drawings.* no feature 'image', only label"):
        features.source("train")


def test_no_module_that_features_name_is_run(copied, tmp_path, monkeypatch):
    """TFDS imports the module of a class that it does not know."""
    (tmp_path / "evil.py").write_text("raise SystemExit('code was run')")
    monkeypatch.syspath_prepend(tmp_path)

    def change(features):
        features["featuresDict"]["features"]["image"]["pythonClassName"] = "evil.X"

    inside = copied("features.json", change)
    with pytest.raises(UserError, match="features.json: features of a class evil.X"):
        inside.source("train")
    outside = copied("features.json", lambda x: x.update(pythonClassName="evil.X"))
    with pytest.raises(UserError, match="features.json: features of a class evil.X"):
        outside.source("train")


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 10**5])
@pytest.mark.parametrize("name", ["features.json", "dataset_info.json"])
def test_broken_metadata(copied, tmp_path, name, content):
    (tmp_path / "drawings/1.0.0" / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        drawings(data_dir=str(tmp_path)).source("train")
    assert str(caught.value).isprintable()


# ---- Mistakes.


MISTAKES = {
    "neither": (dict(name=None), "either data.name .* or data.root"),
    "both": (dict(root="images"), "either data.name .* or data.root"),
    "unknown": (dict(name="nosuch"), "'nosuch': not prepared in .*tfds build nosuch"),
    "version": (dict(name="cifar10:1.0.0"), "'cifar10:1.0.0': not prepared in"),
    "split": (dict(split="nosuch"), r"split 'nosuch': .*\['train', 'test'\]"),
    "slice": (dict(split="train["), r"split 'train\['"),
    "crop": (dict(crop=64), "data.crop 64 is larger than data.resize 32"),
    "stride": (dict(crop=20), "data.crop 20 must be a positive multiple of 8"),
    "zoom": (dict(zoom=0.5), "data.zoom 0.5 is less than 1"),
    "nothing": (dict(crop=0), "data.crop 0 must be a positive multiple of 8"),
}
ROOTS = {
    "/no/such": "/no/such: no such folder",
    __file__: "test_pipeline.py: no such folder",
    str(ROOT / "configs"): "configs: no images found; expected files ending in .jpg",
    "package://nosuch/x": "no package 'nosuch' is installed",
    "package://no.such/x": "no package 'no.such' is installed",
    "package://math/x": "no package 'math' is installed",
    "package://": "no package '' is installed",
    "package://colorjax/x": "colorjax/x: no such folder",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake(mistake):
    kwargs, message = MISTAKES[mistake]
    kwargs = dict(kwargs)
    split = kwargs.pop("split", "train")
    with pytest.raises(UserError, match=message) as caught:
        drawings(**kwargs).source(split)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("root", ROOTS)
def test_mistaken_root(root):
    with pytest.raises(UserError, match=ROOTS[root]):
        ImageDataset(root=root).source("train")


def test_folder_split_mistakes(folder, tmp_path):
    with pytest.raises(UserError, match="'nosuch': a folder has 'train', 'test' and"):
        ImageDataset(root=str(folder)).source("nosuch")
    write_folder(tmp_path, 1)
    with pytest.raises(UserError, match=f"{tmp_path}: its split 'train' is empty"):
        ImageDataset(root=str(tmp_path), holdout="sorted").source("train")
