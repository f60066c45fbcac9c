"""The cache of reduced images: it changes no example, whatever happens to it."""

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from examples import assert_same
from helpers import encode, scene

from colorjax import images
from colorjax.data import cache as caches
from colorjax.data.cache import ImageCache
from colorjax.data.pipeline import ImageDataset


@pytest.fixture
def photographs(tmp_path):
    """Six large files of two formats, and a small one."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    for i in range(6):
        kind = ("JPEG", "PNG")[i % 2]
        large = scene(i, 200).repeat(2, axis=1)
        (folder / f"{i}.{kind.lower()}").write_bytes(encode(large, kind))
    (folder / "small.png").write_bytes(encode(scene(6, 20)))
    return folder


@pytest.fixture
def dataset(photographs, tmp_path):
    """A short side of 16 to 20 pixels."""
    return ImageDataset(
        root=str(photographs),
        train_split="all",
        resize=16,
        crop=16,
        zoom=1.25,
        cache=str(tmp_path / "cache"),
    )


def batches(dataset, start=0, cache=None):
    """Two epochs from a batch on, and the pass that a new run begins with."""
    fields = {} if cache is None else {"cache": cache}
    dataset = ImageDataset(**{**vars(dataset), **fields})
    source = dataset.source("all")
    parts = dict(seed=0, batch=7, start=start, steps=2)
    training = list(dataset.training(source, **parts))
    return training + list(dataset.single_pass(source, 7, reduced=True))


def entries(dataset):
    """The files of the cache."""
    return sorted(x for x in dataset.image_cache.folder.rglob("*") if x.is_file())


def test_same_examples_without_reading_the_files(dataset, monkeypatch):
    plain = batches(dataset, cache="")
    assert_same(batches(dataset), plain)
    assert len(entries(dataset)) == 6  # the small file is smaller than its pixels
    read, names = images.load_bytes, []
    monkeypatch.setattr(
        images, "load_bytes", lambda path: names.append(path.name) or read(path)
    )
    assert_same(batches(dataset), plain)
    assert set(names) == {"small.png"}
    assert_same(batches(dataset, start=1), plain[1:])


def test_a_changed_file_is_read_again(dataset, photographs):
    """Even with its old size and date."""
    batches(dataset)
    file = photographs / "1.png"
    old, data = file.stat(), bytearray(file.read_bytes())
    other = encode(scene(9, 200).repeat(2, axis=1))[: len(data)]
    file.write_bytes(other.ljust(len(data), b"\0"))
    os.utime(file, ns=(old.st_atime_ns, old.st_mtime_ns))
    assert_same(batches(dataset), batches(dataset, cache=""))


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:10],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        lambda data: bytes(len(data)),
    ],
)
def test_a_damaged_entry_is_made_again(tmp_path, damage):
    cache, picture = ImageCache(tmp_path / "cache", 10**9), scene(0, 16)
    cache.put("a", picture)
    (entry,) = (tmp_path / "cache").glob("*/*")
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    assert cache.get("a") is None
    cache.put("a", picture)
    assert entry.read_bytes() == whole
    np.testing.assert_array_equal(cache.get("a"), picture)


def test_threads_write_one_entry(tmp_path):
    cache, picture = ImageCache(tmp_path / "cache", 10**9), scene(0, 64)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: cache.put("a", picture), range(50)))
    assert len(list(tmp_path.glob("cache/*/*"))) == 1
    np.testing.assert_array_equal(cache.get("a"), picture)


def test_it_stays_within_its_limit(tmp_path, monkeypatch, capsys):
    """Entries that nobody uses make room; without room nothing more is stored."""
    monkeypatch.setattr(caches, "PROCESSES", 2)
    picture = scene(0, 10)
    size = caches.HEADER.size + picture.nbytes
    most = 6 * size
    writers = [ImageCache(tmp_path / "cache", most) for _ in range(2)]
    for i in range(4):
        writers[i % 2].put(str(i), picture)
    for i in range(10, 20):
        writers[0].put(str(i), picture)
    assert 4 * size <= writers[0].size() <= most
    assert capsys.readouterr().err.count("has no room (data.cache_limit") == 1
    past = time.time() - 2 * caches.UNUSED
    for path in tmp_path.glob("cache/*/*"):
        os.utime(path, (past, past))
    later = ImageCache(tmp_path / "cache", most)
    for i in range(20, 30):
        later.put(str(i), picture)
    assert 4 * size <= later.size() <= most
    assert later.get("20") is not None and later.get("0") is None


def test_files_of_others_are_left_alone(tmp_path):
    """A user may name a folder of photographs."""
    photograph = tmp_path / "01/0001.jpg"
    photograph.parent.mkdir()
    photograph.write_bytes(bytes(1000))
    os.utime(photograph, (0, 0))
    cache, picture = ImageCache(tmp_path, 10), scene(0, 16)
    cache.put("a", picture)
    assert photograph.exists() and cache.size() == 0


def test_use_keeps_an_entry(tmp_path):
    cache = ImageCache(tmp_path / "cache", 10**9)
    cache.put("a", scene(0, 16))
    (entry,) = tmp_path.glob("cache/*/*")
    os.utime(entry, (0, 0))
    assert cache.get("a") is not None
    assert time.time() - entry.stat().st_mtime < 60


@pytest.mark.parametrize("function", ["mkstemp", "replace"])
def test_a_full_disk(dataset, monkeypatch, capsys, function):
    """Training goes on, says so once, and leaves no part of a file."""

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    owner = caches.tempfile if function == "mkstemp" else os
    monkeypatch.setattr(owner, function, full)
    cache = dataset.image_cache
    for i in range(3):
        cache.put(str(i), scene(i, 16))
    (line,) = capsys.readouterr().err.splitlines()
    assert "cannot be written (No space left on device); training goes on" in line
    assert entries(dataset) == []
    assert_same(batches(dataset), batches(dataset, cache=""))


def test_large_images_are_reduced_by_whole_numbers():
    """Close to what the resize of all pixels gives."""
    picture = scene(1, 200)
    for short, side in [(51, 200), (50, 100), (33, 67), (24, 50)]:
        reduced = images.read(encode(picture), short=short)
        assert reduced.shape == (side, side, 3)
        size = (short, short)
        error = images.resize(reduced, size) - images.resize(picture, size).astype(
            float
        )
        assert np.sqrt(np.mean(error**2)) < 5
