"""A second set of images, for methods that learn without pairs."""

import itertools
import shutil

import numpy as np
import pytest
from examples import as_process
from helpers import FIXTURES, encode, scene, write_folder

from colorjax.data.pipeline import ImageDataset
from colorjax.data.sources import EncodedImage, halves
from colorjax.data.unreadable import UnreadableCounter
from colorjax.errors import UserError
from colorjax.train.workdir import restore_manifests, write_manifests

SMALL = dict(resize=16, crop=16, holdout="sorted")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders; none of their images is the other's."""
    root = tmp_path_factory.mktemp("unpaired")
    write_folder(root / "color", 12)
    (root / "grey").mkdir()
    for i in range(7):
        (root / f"grey/{i}.png").write_bytes(encode(scene(100 + i)))
    return root


def made(root, **section):
    return ImageDataset(root=str(root / "color"), **SMALL, **section)


def batches(dataset, start=0, steps=6):
    sources = dataset.training_sources(dataset.source("train"), dataset.other_source())
    return list(dataset.training(*sources, seed=3, batch=4, start=start, steps=steps))


def assert_same(ours, expected):
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        assert one.keys() == other.keys()
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


def kinds(folders):
    return {
        "halves": made(folders, halves=True),
        "folder": made(folders, other_root=str(folders / "grey")),
        "tfds": made(folders, other_name="drawings", data_dir=str(FIXTURES)),
    }


@pytest.mark.parametrize("kind", ["halves", "folder", "tfds"])
def test_batches_have_both_sets_at_any_step(folders, kind):
    dataset = kinds(folders)[kind]
    assert dataset.unpaired
    whole = batches(dataset)
    assert whole[0]["other"].shape == whole[0]["image"].shape == (4, 16, 16, 3)
    assert whole[0]["other_mask"].dtype == np.float32
    assert_same(batches(dataset, start=4), whole[4:])
    parts = []
    for i in range(2):
        with as_process(i, 2):
            parts.append(batches(dataset))
    joined = [
        {key: np.concatenate([a[key], b[key]]) for key in a}
        for a, b in zip(*parts, strict=True)
    ]
    assert_same(joined, whole)


@pytest.mark.parametrize("count", [2, 9, 10])
def test_halves_share_no_image(folders, count):
    class Numbers:
        classes = ()

        def __len__(self):
            return count

        def __getitem__(self, index):
            return EncodedImage(lambda: bytes([index]))

        def name(self, index):
            return str(index)

        key = name

    parts = [[half[i].data[0] for i in range(len(half))] for half in halves(Numbers())]
    assert sorted(parts[0] + parts[1]) == list(range(count))
    assert abs(len(parts[0]) - len(parts[1])) <= 1
    assert [halves(Numbers())[1].name(0)] == ["1"]


def test_no_image_is_ever_in_both_sets(folders):
    """Over several epochs, by what is in the images."""
    dataset = made(folders, halves=True, mirror=False)
    seen = {"image": set(), "other": set()}
    for batch, key in itertools.product(batches(dataset, steps=12), seen):
        seen[key] |= {image.tobytes() for image in batch[key]}
    assert len(seen["image"]) >= 5 and len(seen["other"]) >= 5
    assert not seen["image"] & seen["other"]


def test_sets_are_drawn_independently(folders):
    """An image meets another one each time, and the second set has its own order."""
    drawn = batches(made(folders, halves=True), steps=30)
    index, other = (
        np.concatenate([batch[key] for batch in drawn])
        for key in ("index", "other_index")
    )
    partners = {int(i): set(other[index == i].tolist()) for i in set(index.tolist())}
    assert min(map(len, partners.values())) > 2
    assert not np.array_equal(index, other)


def test_unreadable_images_of_the_second_set(folders, tmp_path):
    for i in range(5):
        (tmp_path / f"{i}.png").write_bytes(encode(scene(i)))
    (tmp_path / "5.png").write_bytes(b"nothing")
    dataset = made(folders, other_root=str(tmp_path))
    others = dataset.other_source()
    assert len(others) == 5 and any("5.png" in others.name(i) for i in range(5))
    counter = UnreadableCounter(others, 0.5, second=True)
    read = list(counter.count(iter(batches(dataset))))
    bad = next(i for i in range(5) if "5.png" in others.name(i))
    assert counter.indices == {bad} and "5.png" in str(counter)
    for batch in read:
        assert batch["mask"].all()
        np.testing.assert_array_equal(
            batch["other_mask"] == 0, batch["other_index"] == bad
        )
        assert not batch["other"][batch["other_mask"] == 0].any()


def test_both_sets_keep_their_places_when_images_go(folders, tmp_path):
    """What the run draws from each set does not depend on what has gone since."""
    for name in ("color", "grey"):
        shutil.copytree(folders / name, tmp_path / name)
    dataset = made(tmp_path, other_root=str(tmp_path / "grey"))

    def splits():
        source, other = dataset.source("train"), dataset.other_source()
        return {"data": source, "data.other": other}

    begun = splits()
    write_manifests(tmp_path / "run", begun)
    assert restore_manifests(tmp_path / "run", splits()) == {}
    gone = begun["data.other"].key(2)
    (tmp_path / "grey" / gone).unlink()
    resumed = splits()
    changed = restore_manifests(tmp_path / "run", resumed)
    assert list(changed) == ["data.other"] and gone in changed["data.other"]
    assert len(resumed["data.other"]) == len(begun["data.other"])
    with pytest.raises(UserError, match=gone):
        _ = resumed["data.other"][2].data


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"data": 1}', '{"data": [1]}', '{"data": ["../secret.png"]}']
)
def test_a_list_of_something_else(folders, tmp_path, text):
    (tmp_path / "pictures.json").write_text(text)
    with pytest.raises(UserError, match="pictures.json"):
        restore_manifests(tmp_path, {"data": made(folders).source("train")})


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (dict(halves=True, other_root="x"), "one of data.halves"),
        (dict(other_name="a", other_root="x"), "one of data.halves"),
        (dict(other_root="no/such/folder"), "no such folder"),
    ],
)
def test_mistake(folders, section, message):
    with pytest.raises(UserError, match=message):
        batches(made(folders, **section))


def test_one_set_has_no_second(folders):
    dataset = made(folders)
    assert not dataset.unpaired
    assert not any(key.startswith("other") for key in batches(dataset)[0])
