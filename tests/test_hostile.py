"""Malicious files and names crash nothing, run no code, do not fill the memory and do
not leave their folder. tests/fuzz.py tries more of them."""

import io
import json
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from helpers import ROOT, encode, python, scene, write_folder
from hostile import (
    CONFIG,
    READERS,
    distribution,
    nasty,
    outcome,
    sharing,
    torch_zip,
    valid,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from colorjax.apps.colorize import jobs, plan
from colorjax.data.folder import image_files
from colorjax.data.lists import listed, write_list
from colorjax.data.pipeline import ImageDataset
from colorjax.errors import UserError, printable
from colorjax.pretrained.weights import read
from colorjax.train.workdir import load_run

ACCEPTED = {  # malicious files that decode to a small image
    "png of ((60000, 60000), (1, 1))",
    "tiff of endless pages",
    "tiff with tag 257 = 65535",
    "tiff with tag 273 = 0",
    "tiff of widths 4, 60000",  # versions of Pillow disagree on which of the two counts
    "tiff of widths 60000, 4",
}
CHECKED = [name for name in READERS if name != "header of a picture"]
QUICK = settings(max_examples=60, suppress_health_check=list(HealthCheck))
THOROUGH = settings(max_examples=200, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder for the files of a reader."""

    def folder(reader):
        path = tmp_path_factory.getbasetemp() / reader.replace(" ", "-")
        path.mkdir(exist_ok=True)
        return path

    return folder


# ---- Files.


@pytest.mark.parametrize("reader", READERS)
def test_nasty_files_are_refused(reader, place, tmp_path):
    mark = tmp_path / "mark"
    for name, data in nasty(reader, str(mark)).items():
        message = outcome(reader, data, place(reader))
        assert message or reader not in CHECKED or name in ACCEPTED, name
    assert not mark.exists()


REASONS = {  # the bound that refuses a file
    ("picture", "postscript"): "the format PostScript are not read",
    ("picture", "png of (60000, 60000), 8 bits"): "more than the 200 million",
    ("picture in full", "png of ((1, 1), (60000, 60000))"): "more than the 200 million",
    ("pytorch", "memo of 67108864"): "a pickle's memo has gaps",
    ("pytorch", "a million tuples"): "longer than that of any net",
    ("pytorch", "2^60 names, zip"): "more than 100,000 parts",
    ("pytorch", "zip bomb"): "is compressed",
    ("pytorch", "tensors larger than the file"): "are larger than the file",
    ("caffemodel", "many dimensions"): "too many dimensions",
    ("distribution", "zip bomb"): "too large",
    ("config of a run", "seed = 2147483648"): "not below 2,147,483,648",
    ("config of a run", "data.resize = 1e+300"): "not of type int",
    ("config of a run", "method.width = nan"): "is nan, which is not below",
}


@pytest.mark.parametrize(("reader", "name"), REASONS)
def test_bounds(reader, name, place, tmp_path):
    message = outcome(reader, nasty(reader, str(tmp_path))[name], place(reader))
    assert REASONS[reader, name] in message


def test_entries_that_overlap_are_refused(place):
    """The directory of an archive names the same bytes a hundred times."""
    whole = torch_zip(pickle.dumps(bytes(10_000)))
    start, end = whole.index(b"PK\1\2"), whole.index(b"PK\5\6")
    entries = 100 * whole[start:end]
    tail = bytearray(whole[end:])
    count = 100 * struct.unpack_from("<H", tail, 8)[0]
    struct.pack_into("<HHI", tail, 8, count, count, len(entries))
    assert "overlap" in outcome(
        "pytorch", whole[:start] + entries + tail, place("pytorch")
    )


def test_tensors_that_share_a_storage_take_its_memory_once(place):
    numbers = 100_000
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as entries:
        entries.writestr("archive/data.pkl", sharing(200, numbers))
        entries.writestr("archive/data/0", bytes(4 * numbers))
    path = place("pytorch") / "x.pth"
    path.write_bytes(data.getvalue())
    tracemalloc.start()
    tensors = read(path).tensors
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(tensors) == 200 and peak < 20 * numbers


@pytest.mark.parametrize("reader", READERS)
def test_files_cut_anywhere(reader, place):
    for data in valid(reader):
        lengths = {*range(24), *np.linspace(0, len(data), 30, dtype=int).tolist()}
        for length in lengths:
            outcome(reader, data[:length], place(reader))


@pytest.mark.parametrize("reader", READERS)
def test_files_with_changes(reader, place):
    changes = st.tuples(
        st.floats(0, 1), st.integers(0, 16), st.binary(max_size=16) | extremes()
    )

    @QUICK
    @given(st.sampled_from(valid(reader)), st.lists(changes, min_size=1, max_size=6))
    def check(data, edits):
        for where, length, new in edits:
            at = int(where * len(data))
            data = data[:at] + new + data[at + length :]
        outcome(reader, data, place(reader))

    check()


def extremes():
    """Numbers at the limits of the fields of headers."""
    numbers = st.sampled_from([0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63])
    return st.builds(
        lambda n, width, order: (n % 256**width).to_bytes(width, order),
        numbers,
        st.sampled_from([1, 2, 4, 8]),
        st.sampled_from(["little", "big"]),
    )


@pytest.mark.parametrize("reader", READERS)
def test_any_bytes(reader, place):
    @QUICK
    @given(st.binary(max_size=300))
    def check(data):
        outcome(reader, data, place(reader))

    check()


STEPS = [  # opcodes of pickles with arguments, mostly of those that call
    b"cos\nsystem\n",
    b"cbuiltins\neval\n",
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n",
    b"\x8c\x02os\x8c\x06system\x93",
    b"\x8c\x041+1'",
    *(bytes([code]) for code in b"R()]}bosuaeQt0129.\x81\x92\x85\x86\x87\x90\x91\x94"),
    b"q\x01",
    b"h\x01",
    b"K\x07",
    b"J\xff\xff\xff\xff",
    b"\x8a\x08" + bytes([255] * 8),
    b"S'a'\n",
    b"\x82\x01",
    b"N",
]


def test_any_pickle(place):
    @THOROUGH
    @given(st.lists(st.sampled_from(STEPS), max_size=40))
    def check(steps):
        outcome("pytorch", b"\x80\x04" + b"".join(steps) + b".", place("pytorch"))

    check()


def test_arrays_of_any_kind_in_a_distribution(place):
    fields = st.sampled_from(
        ["version", "bins", "size", "stride", "temperature", "source", "lightness"]
        + ["logits"]
    )
    kinds = arrays.scalar_dtypes() | st.just(np.dtype("U4"))
    shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)

    @QUICK
    @given(st.dictionaries(fields, arrays.arrays(kinds, shapes), min_size=1))
    def check(changes):
        outcome("distribution", distribution(**changes), place("distribution"))

    check()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=9), x),
    max_leaves=6,
)


def test_configs_with_any_value(place):
    places = [(key, None) for key in CONFIG] + [
        (key, option)
        for key, section in CONFIG.items()
        if isinstance(section, dict)
        for option in section
    ]

    @THOROUGH
    @given(st.sampled_from(places), VALUES)
    def check(place_, value):
        key, option = place_
        changed = value if option is None else {**CONFIG[key], option: value}
        text = json.dumps({**CONFIG, key: changed})
        outcome("config of a run", text.encode(), place("config of a run"))

    check()


def test_messages_can_be_printed():
    @given(st.text())
    def check(text):
        assert printable(text).isprintable()
        assert str(UserError(text)).replace("\n", "").isprintable()
        assert printable(text) == text or not text.isprintable()

    check()


@pytest.mark.slow
def test_memory_stays_bounded(tmp_path):
    """Of malicious and mutated files, to a gigabyte more than the imports need."""
    result = python(
        ROOT / "tests/fuzz.py",
        *("--seconds", "1", "--memory", "1"),
        cwd=tmp_path,
        env={"PYTHONWARNINGS": "default"},
    )
    assert result.code == 0, result
    assert len(result.out.splitlines()) == len(READERS)


# ---- Directories of runs.


def test_folders_that_are_no_checkpoints(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "prior.npy").write_bytes(valid("prior of a run")[0])
    place = tmp_path / "checkpoints"

    def assert_refused():
        with pytest.raises(UserError) as caught:
            load_run(tmp_path)
        assert str(caught.value).isprintable()

    assert_refused()
    place.write_bytes(b"a file")
    assert_refused()
    place.unlink()
    (place / "5").mkdir(parents=True)
    assert_refused()
    (place / "7").symlink_to("/")
    for name in ("_CHECKPOINT_METADATA", "manifest.ocdbt", "_METADATA"):
        (place / "5" / name).write_bytes(b"[" * 10**5)
        assert_refused()
    (place / f"{2**70}").mkdir()
    assert_refused()


# ---- Names.

NAMES = st.binary(min_size=1, max_size=12).filter(
    lambda name: not {0, ord("/")} & set(name) and name[:1] != b"."
)


def test_names_of_any_bytes(tmp_path_factory):
    @settings(max_examples=25, suppress_health_check=list(HealthCheck))
    @given(st.sets(NAMES, min_size=1, max_size=5))
    def check(names):
        folder = tmp_path_factory.mktemp("names")
        for name in names:
            with open(bytes(folder) + b"/" + name + b".PNG", "wb") as file:
                file.write(encode(scene(0)))
        source = ImageDataset(root=str(folder)).source("all")
        assert {os.fsencode(f) for f in source.files} == {n + b".PNG" for n in names}
        for i in range(len(source)):
            assert source.name(i).isprintable() and source[i].data
        keys = [source.key(i) for i in range(len(source))]
        kept = [key for key in keys if "\n" not in key]
        if kept:
            write_list(folder / "list", kept)
            chosen = listed(source, folder / "list", 0)
            assert [chosen.key(i) for i in range(len(chosen))] == kept

    check()


@pytest.fixture
def linked(tmp_path):
    """A folder with a pipe and links: inside it, out of it, broken and circular."""
    outside = write_folder(tmp_path / "outside", 2)
    folder = write_folder(tmp_path / "pictures", 2)
    (folder / "again.png").symlink_to("000.png")
    (folder / "out.png").symlink_to(outside / "001.png")
    (folder / "up.png").symlink_to("../outside/000.png")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "nowhere.png").symlink_to("none.png")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "folder").symlink_to(outside)
    (folder / "self").symlink_to(".")
    (folder / ".hidden.png").write_bytes(encode(scene(1)))
    os.mkfifo(folder / "pipe.png")
    return folder


def test_links_out_of_a_folder_are_not_followed(linked, tmp_path):
    inside = {"000.png", "001.png", "again.png"}
    assert set(image_files(linked)) == inside
    assert set(ImageDataset(root=str(linked)).source("all").files) == inside
    planned = plan.plan([str(linked)], str(tmp_path / "out"), None, jobs.Wanted())
    assert {job.source.name for job in planned.jobs} == inside
    (tmp_path / "link").symlink_to(linked)  # the folder itself may be a link
    assert set(image_files(tmp_path / "link")) == inside


def test_a_folder_of_links_out_of_it_is_refused(tmp_path):
    outside = write_folder(tmp_path / "outside", 1)
    (tmp_path / "links").mkdir()
    (tmp_path / "links/a.png").symlink_to(outside / "000.png")
    with pytest.raises(UserError, match="links that lead out .* are not followed"):
        ImageDataset(root=str(tmp_path / "links")).source("all")


def test_results_do_not_follow_links_out_of_their_folder(tmp_path):
    write_folder(tmp_path / "pictures/deep", 1)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/deep").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="out/deep is a link out of"):
        plan.plan(
            [str(tmp_path / "pictures")], str(tmp_path / "out"), None, jobs.Wanted()
        )


@pytest.mark.parametrize("name", ["a.b", "os.path", "../x", "", "\0", "a-b", "1"])
def test_no_package_is_run_to_find_another(name, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a/__init__.py").write_text("raise SystemExit('code was run')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="no package .* is installed"):
        ImageDataset(root=f"package://{name}/x").source("all")


def test_a_tree_deeper_than_the_stack(tmp_path):
    """In 700 nested folders, three frames for each would exceed the stack."""
    path, made = tmp_path, []
    for _ in range(700):
        path = path / "d"
        made.append(path)
    made[-1].mkdir(parents=True)
    (path / "x.png").write_bytes(encode(scene(0)))
    assert [name[-5:] for name in image_files(tmp_path)] == ["x.png"]


@pytest.mark.parametrize("name", ["../x", "/etc", "a/../../b", "..", "\0", "x:../y"])
def test_names_of_data_sets_are_no_paths(name, tmp_path):
    with pytest.raises(UserError, match="data.name"):
        ImageDataset(name=name, data_dir=str(tmp_path)).source("train")


@pytest.mark.slow
def test_a_hundred_thousand_files(tmp_path):
    """They are listed within seconds and examined with bounded memory."""
    folder = tmp_path / "pictures"
    random = np.random.default_rng(0)
    for i in range(100_000):
        if i % 1000 == 0:
            (folder / f"{i // 1000:03d}").mkdir(parents=True)
        blocks = random.integers(0, 256, (8, 8, 3), np.uint8)
        picture = np.kron(blocks, np.ones((2, 2, 1), np.uint8))
        path = folder / f"{i // 1000:03d}/{i:06d}.bmp"
        path.write_bytes(encode(picture, "BMP"))
    code = (
        "import sys, time; from colorjax import cli;"
        "from colorjax.data.pipeline import ImageDataset; began = time.monotonic();"
        f"n = len(ImageDataset(root={str(folder)!r}).source('all'));"
        "listed = time.monotonic() - began;"
        f"code = cli.main(['doctor', {str(folder)!r}, '--resize', '16', '--out', 'out',"
        "'--fix', 'list']);"
        # Not ru_maxrss, in which Linux counts the process that started this one.
        "peak = open('/proc/self/status').read().partition('VmHWM:')[2].split()[0];"
        "print('SAID', n, listed, code, time.monotonic() - began, int(peak) / 2**10)"
    )
    result = python("-c", code, cwd=tmp_path, timeout=900)
    said = next(line for line in result.out.splitlines() if line.startswith("SAID"))
    _, count, seconds, code, total, peak = said.split()
    print(said)
    assert int(count) == 100_000 and int(code) in (0, 1), result
    assert float(seconds) < 20 and float(peak) < 1500 and float(total) < 900


def test_a_list_cannot_name_what_is_not_in_the_folder(tmp_path):
    folder = write_folder(tmp_path / "pictures", 3)
    write_folder(tmp_path / "outside", 1)
    write_list(tmp_path / "list", ["../outside/000.png", "/etc/passwd", "001.png"])
    settings = dict(root=str(folder), list=str(tmp_path / "list"))
    with pytest.raises(UserError, match="2 lines of 3 match no image"):
        ImageDataset(**settings).source("all")
    source = ImageDataset(**settings, max_unmatched=2).source("all")
    assert [source.key(i) for i in range(len(source))] == ["001.png"]
