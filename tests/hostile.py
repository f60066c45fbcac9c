"""Files made to hurt whoever reads them: `READERS`, `valid` files, `nasty` ones.

`outcome` lets a reader have a file and holds that nothing happens but what may: a
result, or a `UserError` of one printable line; no process, no connection, no code of
the file, no file written.
"""

import contextlib
import functools
import io
import json
import os
import pickle
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np
import tifffile
from colorizers import UNIFORM
from etils import epath
from golden import caffemodel
from helpers import (
    FIXTURES,
    PUBLISHED,
    TINY,
    encode,
    scene,
)
from PIL import Image

from colorjax import images
from colorjax.apps import info
from colorjax.data import lists
from colorjax.data.tfds import TFDS
from colorjax.errors import UserError
from colorjax.evaluation import protocol
from colorjax.evaluation import results as evaluation_results
from colorjax.evaluation.tables import text_table
from colorjax.inference import archive
from colorjax.inference.distribution import Distribution
from colorjax.pretrained import torch_files, weights
from colorjax.train.experiment import make_adam, make_dataset, make_method
from colorjax.train.workdir import read_config, read_prior

# ---- Readers.


class Reader(NamedTuple):
    """What reads a kind of file, and what the file is called."""

    file: str
    read: Callable[[Path], object]


def _evaluation(path: Path) -> object:
    merged = evaluation_results.merge(
        evaluation_results.Results(evaluation_results.Protocol(**PROTOCOL), {}), path
    )
    return merged.models and text_table(merged)


def _config(path: Path) -> object:
    config = read_config(path.parent)
    if config is None:  # JSON's null is no config, and `workdir.load` says that
        raise UserError(f"{path.parent}: no config.json here")
    make_dataset(config["data"])
    make_adam(config["optimizer"]).transformation(config["steps"])
    protocol.make_evaluation(config["evaluation"])
    return make_method(config["method"])


def _rewritten(data: bytes) -> list[bytes]:
    """The pages of a picture file with their metadata, as TIFF and as JPEG."""
    pages, settings = images.read_file(data, max_pixels=10**6), images.Settings()
    files = [images.encode_file(pages, "TIFF", settings, "x")]
    files += [images.encode_file([page], "JPEG", settings, "x") for page in pages[:2]]
    files += [images.encode_file([page], "PNG", settings, "x") for page in pages[:2]]
    return [file.data for file in files]


@functools.cache
def _drawings() -> TFDS:
    return TFDS("drawings", "train", str(FIXTURES))


READERS = {
    "picture": Reader("x.png", lambda p: images.read(images.load_bytes(p), str(p))),
    "picture in full": Reader("x.png", lambda p: images.read_full(p.read_bytes())),
    "file of pictures": Reader("x.png", lambda p: _rewritten(p.read_bytes())),
    "header of a picture": Reader(
        "x.png", lambda p: images.pixel_count(p.read_bytes())
    ),
    "pytorch": Reader("x.pth", weights.read),
    "safetensors": Reader("x.safetensors", weights.read),
    "caffemodel": Reader("x.caffemodel", weights.read),
    "distribution": Reader("x.npz", archive.load),
    "config of a run": Reader("config.json", _config),
    "prior of a run": Reader("prior.npy", lambda p: read_prior(p.parent)),
    "figures of a run": Reader(
        "metrics.json", lambda p: info._figures(epath.Path(p.parent))
    ),
    "evaluation": Reader("evaluation.json", _evaluation),
    "list of pictures": Reader("x.txt", lambda p: lists.listed(_drawings(), p, 0)),
}


# ---- What may happen.

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_FORBIDDEN = ("subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork")
_FORBIDDEN += ("os.spawn", "socket.connect", "os.remove", "os.rename", "os.mkdir")
_FORBIDDEN += ("os.symlink", "os.link", "os.chmod", "os.rmdir", "shutil.")
_seen: list[str] | None = None


def _audit(event: str, arguments: tuple) -> None:
    if _seen is None:
        return
    if event.startswith(_FORBIDDEN) or (
        event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES
    ):
        _seen.append(f"{event} {arguments}")
    elif event == "exec" and arguments[0].co_filename.startswith("<"):
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if not caller.startswith(("beartype.", "jaxtyping.")):  # which check shapes
            _seen.append(f"exec of {arguments[0].co_filename} by {caller}")


sys.addaudithook(_audit)  # there is no way to take it back


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Assert that what is inside runs no code but that of modules, starts no process,
    connects to nothing and changes no file."""
    global _seen
    _seen = seen = []
    try:
        yield
    finally:
        _seen = None
    assert not seen, seen


@functools.cache
def warm(reader: str, folder: Path) -> None:
    """Have a reader import what it needs."""
    for data in valid(reader):
        path = folder / READERS[reader].file
        path.write_bytes(data)
        READERS[reader].read(path)


def outcome(reader: str, data: bytes, folder: Path) -> str:
    """Empty where a reader takes the file, or else what its `UserError` says."""
    warm(reader, folder)
    path = folder / READERS[reader].file
    path.write_bytes(data)
    before = sorted(folder.iterdir())
    try:
        with watched():
            READERS[reader].read(path)
    except UserError as error:
        message = str(error)
    else:
        message = ""
    finally:
        assert sorted(folder.iterdir()) == before
    assert len(message) < 5000 and (not message or message.isprintable()), message
    return message


# ---- Valid files.


def tiff(picture: np.ndarray, **options) -> bytes:
    data = io.BytesIO()
    tifffile.imwrite(data, picture, **options)
    return data.getvalue()


def npy(array: np.ndarray) -> bytes:
    data = io.BytesIO()
    np.save(data, array, allow_pickle=True)
    return data.getvalue()


def distribution(**changes) -> bytes:
    """A small saved distribution, or something like it."""
    kept = Distribution(
        (9, 7),
        np.full((8, 8), 50, np.float32),
        np.zeros((8, 8, 2), np.float32),
        np.zeros((2, 2, 313), np.float32),
        source="runs/x",
    )
    content = dict(
        version=archive.VERSION,
        bins=archive.BINS,
        size=kept.size,
        stride=kept.stride,
        temperature=kept.temperature,
        source=kept.source,
        lightness=kept.lightness.astype(np.float16),
        logits=kept.logits.astype(np.float16),
    )
    data = io.BytesIO()
    np.savez(data, allow_pickle=True, **{**content, **changes})
    return data.getvalue()


CONFIG = {**TINY, "data": {"root": "pictures", "resize": 16, "crop": 16}}
PROTOCOL = {
    "dataset": "drawings",
    "split": "test",
    "pictures": 3,
    "sha256": "0",
    "side": 16,
    "resize": "",
    "replicates": 2,
    "metrics": {},
}
_VALUE = {"value": 0.9, "low": 0.8, "high": 0.95}
EVALUATION = {
    "protocol": PROTOCOL,
    "rows": {"grey": {"auc": _VALUE}},
    "provenance": {"grey": {"baseline": "grey"}},
}
_ROW = dict.fromkeys(("auc", "auc_balanced", "psnr"), _VALUE)
FIGURES = {
    "protocol": PROTOCOL,
    "rows": {"this run": _ROW, "grey": _ROW},
    "provenance": {name: {"baseline": name} for name in ("this run", "grey")},
}


@functools.cache
def valid(reader: str) -> tuple[bytes, ...]:
    """Files that a reader takes."""
    picture = scene(1, 24)
    match reader:
        case "picture" | "picture in full" | "header of a picture" | "file of pictures":
            deep = picture * np.uint16(257)
            kinds = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP")
            kinds += ("AVIF", "JPEG2000", "PPM")
            return (
                *other_pictures(picture),
                *(encode(picture, kind) for kind in kinds),
                images.encode(deep, "PNG"),
                images.encode(deep, "TIFF"),
                tiff(deep, photometric="rgb", compression="zlib", predictor=True),
            )
        case "pytorch":
            names = ("state_zip.pth", "state_stream.pth", "module.pth", "script.pt")
            return tuple((PUBLISHED / name).read_bytes() for name in names)
        case "safetensors":
            return ((PUBLISHED / "state.safetensors").read_bytes(),)
        case "caffemodel":
            ones = np.ones((2, 3), np.float32)
            return (caffemodel.encode({"a": [ones, ones[0]], "b": [ones]}),)
        case "distribution":
            return (distribution(),)
        case "config of a run":
            return (json.dumps(CONFIG).encode(),)
        case "prior of a run":
            return (npy(UNIFORM),)
        case "figures of a run":
            return (json.dumps(FIGURES).encode(),)
        case "evaluation":
            return (json.dumps(EVALUATION).encode(),)
        case "list of pictures":
            return (b"train #3\ntrain #7\n",)


def other_pictures(picture: np.ndarray) -> Iterator[bytes]:
    """Files that are not read by Pillow alone, or have metadata."""
    deep = picture * np.uint16(257)
    exif = Image.Exif()
    exif[0x10E], exif[0x112], exif[0x11A] = "May Day", 6, 300.0
    exif.get_ifd(0x8769)[0x9003] = "1936:05:01 12:00:00"
    exif.get_ifd(0x8825)[1] = "N"
    for kind in ("JPEG", "PNG", "TIFF"):
        yield encode(picture, kind, exif=exif)
    yield encode(picture, "JPEG", xmp=b"<x><rdf:RDF></rdf:RDF></x>", dpi=(300, 300))
    wide = deep.astype(np.float32) / 65535
    yield tiff(wide, photometric="rgb")
    yield tiff(deep[..., 0] // 16, extratags=[(341, "H", 1, 4095, True)])
    yield tiff(np.stack([deep[..., 0], deep[..., 1]]), photometric="minisblack")
    yield imagecodecs.jpeg_encode(deep // 16, bitspersample=12)
    yield imagecodecs.jpeg2k_encode(deep, level=0)
    yield b"P6 24 24 65535\n" + deep.astype(">u2").tobytes()
    yield psd(picture)
    with contextlib.suppress(ImportError):
        import pillow_heif

        data = io.BytesIO()
        pillow_heif.from_pillow(Image.fromarray(picture)).save(data)
        yield data.getvalue()
    with contextlib.suppress(ImportError):
        yield dng(deep[..., 0])


def psd(picture: np.ndarray) -> bytes:
    """A file of Photoshop: a header, no layers and the composite."""
    height, width = picture.shape[:2]
    head = struct.pack(">4sH6xHIIHH", b"8BPS", 1, 3, height, width, 8, 3)
    return head + bytes(12) + b"\0\0" + np.moveaxis(picture, 2, 0).tobytes()


def dng(mosaic: np.ndarray) -> bytes:
    """A raw photograph of 16 bits."""
    import rawpy  # noqa: F401  without it the file is refused

    tags = [
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, bytes((0, 1, 1, 2)), True),
        (50706, "B", 4, bytes((1, 4, 0, 0)), True),
        (50708, "s", 0, "A camera", True),
        (50717, "I", 1, 65535, True),
        (50721, "2i", 9, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1), True),
    ]
    large = np.kron(mosaic, np.ones((4, 4), np.uint16))
    return tiff(large, photometric=32803, extratags=tags)


# ---- Nasty files, all of which are to be refused.


def chunk(kind: bytes, body: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + check


def png(*sizes: tuple[int, int], depth: int = 8, pixels: bytes = b"") -> bytes:
    """An RGB file of PNG with a header chunk for each of `sizes`."""
    headers = (struct.pack(">IIBBBBB", *size, depth, 2, 0, 0, 0) for size in sizes)
    parts = [chunk(b"IHDR", header) for header in headers]
    parts += [chunk(b"IDAT", zlib.compress(pixels, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def torch_zip(pickled: bytes, **options) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as entries:
        entries.writestr("archive/data.pkl", pickled, **options)
    return data.getvalue()


def nasty_pictures() -> Iterator[tuple[str, bytes]]:
    for size in ((2**31 - 1, 2**31 - 1), (0, 5), (2**31, 1), (60_000, 60_000)):
        for depth in (8, 16):
            yield f"png of {size}, {depth} bits", png(size, depth=depth)
    for sizes in (((1, 1), (60_000, 60_000)), ((60_000, 60_000), (1, 1))):
        yield f"png of {sizes}", png(*sizes, depth=16, pixels=bytes(7))
    yield "png bomb", png((40_000, 40_000), pixels=bytes(1 << 24))
    yield "png without end", png((9, 9), pixels=bytes(200))
    for tag, kind in ((256, "I"), (257, "I"), (277, "H"), (258, "H"), (273, "I")):
        for value in (0, 2**16 - 1, 2**31 - 1, 2**32 - 1):
            data = tiff(np.zeros((4, 4, 3), np.uint16), photometric="rgb")
            width = 4 if kind == "I" else 2
            at = data.index(struct.pack("<H", tag), 8) + 8
            number = (value & (256**width - 1)).to_bytes(width, "little")
            yield (
                f"tiff with tag {tag} = {value}",
                data[:at] + number + data[at + width :],
            )
    twice = tiff(np.zeros((4, 4, 3), np.uint16), photometric="rgb")
    for first, last in ((4, 60_000), (60_000, 4)):
        number = struct.pack("<HHII", 256, 4, 1, first)
        again = struct.pack("<HHII", 256, 4, 1, last)
        count = struct.unpack_from("<H", twice, 8)[0]
        head, entries = twice[:8], twice[10 + 12 : 10 + 12 * count]
        table = struct.pack("<H", count + 1) + number + again + entries + bytes(4)
        moved = head[:4] + struct.pack("<I", len(twice)) + twice[8:] + table
        yield f"tiff of widths {first}, {last}", moved
    loop = bytearray(tiff(np.zeros((4, 4), np.uint8)))
    loop[4:8], end = struct.pack("<I", 8), 8 + 2 + 12 * loop[8]
    loop[end : end + 4] = struct.pack("<I", 8)  # the next page is this one
    yield "tiff of endless pages", bytes(loop)
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage"
    yield "postscript", script
    yield (
        "gif of 65535",
        b"GIF89a" + b"\xff" * 4 + b"\xf7\0\0" + bytes(768) + b",",
    )
    bmp = bytearray(encode(scene(1), "BMP"))
    for width, height in ((-5, 5), (2**31 - 1, 2**31 - 1), (32, -(2**31))):
        bmp[18:26] = struct.pack("<ii", width, height)
        yield f"bmp of {width}x{height}", bytes(bmp)


class Calls:
    """Pickles as a call, or as an object made or filled by one."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce_ex__(self, protocol):
        return self.reduced


def nasty_pickles(mark: str) -> Iterator[tuple[str, bytes]]:
    """Pickles that would make the file `mark`, fill the memory or never end."""
    line = f"open({mark!r}, 'w')"
    command = f"touch {mark}".encode()
    yield "REDUCE", pickle.dumps(Calls(eval, (line,)))
    yield "REDUCE, protocol 0", pickle.dumps(Calls(os.system, (f"touch {mark}",)), 0)
    yield "INST", b"(S'" + command + b"'\nios\nsystem\n."
    yield "OBJ", b"(cos\nsystem\nS'" + command + b"'\no."
    yield "NEWOBJ", b"\x80\x02cbuiltins\neval\n(S'1'\nt\x81."
    new = b"\x80\x04cbuiltins\neval\n\x8c" + bytes([len(line)]) + line.encode()
    yield "NEWOBJ_EX", new + b"\x85}\x92."
    name = b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c" + bytes([len(line)])
    yield "STACK_GLOBAL", name + line.encode() + b"\x85R."
    dotted = b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93)R."
    yield "STACK_GLOBAL, dotted", dotted
    slots = {"__class__": 1, "__code__": b"", "__defaults__": (1,)}
    state = pickle.dumps((None, slots), 2)[2:-1]
    for target in (
        b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
    ):
        yield f"BUILD of {target!r}", b"\x80\x02" + target + state + b"b."
    yield "persistent id that is code", b"\x80\x02cos\nsystem\nQ."
    huge = "('storage', 'FloatStorage', '0', 'cpu', 9999999999999)"
    yield "persistent id", b"\x80\x02" + pickle.dumps(eval(huge), 2)[2:-1] + b"Q."
    yield "extension", b"\x80\x02\x82\x01."
    for index in (1 << 26, 2**31 - 1):
        yield f"memo of {index}", b"\x80\x02Nr" + struct.pack("<I", index) + b"."
    yield "memo of text", b"N" + b"p99999999\n."
    for code, width in ((b"\x8e", 8), (b"\x96", 8), (b"\x95", 8), (b"B", 4)):
        size = (2 ** (8 * width - 2)).to_bytes(width, "little")
        yield f"length of {code!r}", b"\x80\x05" + code + size + b"abc."
    yield "a million tuples", b"\x80\x02}(" + b")" + b"\x85" * 10**6 + b"K\x01u."
    yield "lists in each other", b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b"."
    bomb: dict = {"x": 1}
    for _ in range(60):
        bomb = {"a": bomb, "b": bomb}
    yield "2^60 names", pickle.dumps(bomb)
    loop: dict = {}
    loop["x"] = loop
    yield "a mapping in itself", pickle.dumps(loop)
    yield "a long number", b"I" + b"9" * 10**6 + b"\n."


def sharing(count: int, numbers: int) -> bytes:
    """A pickle of so many tensors that are all of one storage."""

    def part(x):
        return pickle.dumps(x, 2)[2:-1]

    storage = b"(" + part("storage") + b"ctorch\nFloatStorage\n" + part("0")
    storage += part("cpu") + part(numbers) + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + part(0)
    tensor += part((numbers,)) + part((1,)) + part(False) + part({}) + b"tR"
    state = b"".join(part(f"x{i}") + tensor for i in range(count))
    return b"\x80\x02}(" + state + b"u."


def stream(pickled: bytes, numbers: int) -> bytes:
    """A file of PyTorch's old form, of one storage of float32."""
    head = (torch_files.MAGIC, torch_files.OLD_PROTOCOL, {"little_endian": True})
    parts = [pickle.dumps(x, 2) for x in head] + [pickled, pickle.dumps(["0"], 2)]
    return b"".join([*parts, struct.pack("<q", numbers), bytes(4 * numbers)])


def nasty_zips() -> Iterator[tuple[str, bytes]]:
    flat = pickle.dumps(bytes(1 << 24))
    yield "zip bomb", torch_zip(flat, compress_type=zipfile.ZIP_DEFLATED)
    yield "tensors larger than the file", stream(sharing(1000, 1000), 1000)
    yield "path out of the archive", torch_zip(b"N.").replace(b"archive/", b"../../x/")
    whole = (PUBLISHED / "state_zip.pth").read_bytes()
    at = whole.index(b"PK\1\2")
    for size in (0, 2**31, 2**32 - 2):
        lie = bytearray(whole)
        lie[at + 20 : at + 28] = struct.pack("<II", size, size)
        yield f"entry of {size} bytes", bytes(lie)


def nasty_safetensors() -> Iterator[tuple[str, bytes]]:
    def made(header, length=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", length or len(text)) + text + bytes(16)

    def entry(dtype="F32", shape=(4,), offsets=(0, 16)):
        return {"x": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}

    yield "long header", made({}, 2**62)
    yield "deep header", made(b"[" * 10**5)
    yield "other type", made(entry(dtype="F7"))
    for shape in ((-4,), (2**62,), (2**32, 2**32), (0,), ("4",)):
        yield f"shape {shape}", made(entry(shape=shape))
    for offsets in ((0, 2**60), (16, 0), (-16, 0), (8, 24), (0, 15)):
        yield f"offsets {offsets}", made(entry(offsets=offsets))
    twice = {**entry(), "y": entry()["x"]}
    yield "two in one place", made(twice)


def nasty_caffemodels() -> Iterator[tuple[str, bytes]]:
    ones = np.ones((2, 3), np.float32)
    good = caffemodel.encode({"a": [ones]})
    yield "negative length", b"\xa2\x06" + b"\xff" * 9 + b"\x01"
    yield "number for a layer", b"\xa0\x06\x05"
    yield "endless number", b"\xff" * 100
    shape = good.index(b"\x3a\x04\x0a\x02")
    for size in (b"\x00\x03", b"\x7f\x7f"):
        yield f"dimensions {size!r}", good[: shape + 4] + size + good[shape + 6 :]
    many = np.ones(1, np.float32).reshape([1] * 32)
    yield "many dimensions", caffemodel.encode({"a": [many]})


def nasty_distributions() -> Iterator[tuple[str, bytes]]:
    half = np.zeros((2, 2, 313), np.float16)
    changes = {
        "objects": dict(logits=np.array([Calls(print, ("!",))], object)),
        "object of a size": dict(size=np.array([None, None], object)),
        "NaN": dict(logits=half * np.float16("nan")),
        "infinite": dict(lightness=np.full((8, 8), np.inf, np.float16)),
        "other bins": dict(logits=half[..., :300]),
        "other grid": dict(logits=np.zeros((9, 9, 313), np.float16)),
        "empty": dict(lightness=np.zeros((0, 8), np.float16)),
        "other type": dict(logits=half.astype(np.complex64)),
        "stride 0": dict(stride=0),
        "stride -4": dict(stride=-4),
        "stride of text": dict(stride="four"),
        "two temperatures": dict(temperature=[1.0, 2.0]),
        "temperature NaN": dict(temperature=np.nan),
        "size of one": dict(size=7),
        "negative size": dict(size=(-9, 7)),
        "other version": dict(version=[1, 1]),
    }
    for name, change in changes.items():
        yield name, distribution(**change)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as entries:
        entries.writestr("logits.npy", bytes((1 << 28) + 1))
    yield "zip bomb", bomb.getvalue()
    header = b"{'descr': '<f2', 'fortran_order': False, 'shape': (99999999, 99999), }"
    header = header.ljust(117) + b"\n"
    lie = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + bytes(64)
    lying = io.BytesIO()
    with zipfile.ZipFile(lying, "w") as entries:
        for name in ("version", "bins", "size", "logits", "lightness"):
            entries.writestr(f"{name}.npy", lie)
    yield "lying header", lying.getvalue()
    yield "one array", lie
    yield "one pickle", pickle.dumps(Calls(print, ("!",)))


def nasty_priors() -> Iterator[tuple[str, bytes]]:
    yield "pickle", npy(np.array([Calls(print, ("!",))], object))
    for name, array in {
        "shape": np.full((1, 313), 1 / 313, np.float32),
        "type": np.full(313, 1 / 313),
        "NaN": np.full(313, np.nan, np.float32),
        "negative": np.r_[2, np.zeros(311), -1].astype(np.float32),
        "sum": np.ones(313, np.float32),
    }.items():
        yield name, npy(array)
    yield "zip", distribution()
    yield "code for a header", npy(UNIFORM).replace(b"'<f4'", b"exit(", 1)


def nasty_json() -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "deep list", b"[" * 10**6
    yield "deep mapping", b'{"a":' * 10**6
    yield "other encoding", json.dumps(CONFIG).encode("utf-16")[:-1]
    yield "bytes", bytes(range(256))
    yield "long number", b"9" * 10**6
    for value in (None, 3, "x", [], [[]], {}, {"rows": 3}, float("nan")):
        yield f"{value}", json.dumps(value).encode()


def nasty_configs() -> Iterator[tuple[str, bytes]]:
    yield from nasty_json()
    values = (None, -1, 10**9, 2**31, 2**70, 1e308, float("nan"), float("-inf"), "\x1b")
    values += ([], {}, "x" * 10**4, True)
    for key in ("seed", "steps", "batch", "data", "method", "optimizer", "evaluation"):
        for value in values:
            if (key, value) == ("evaluation", {}) or (
                value == 10**9 and key[0] in "sb"
            ):
                continue  # these are in order
            yield f"{key} = {value!r:.20}", json.dumps({**CONFIG, key: value}).encode()
    for place in ("data.resize", "data.crop", "data.zoom", "method.width"):
        section, key = place.split(".")
        for value in (2**31, 1e300, float("nan"), [1], "1"):
            changed = {**CONFIG, section: {**CONFIG[section], key: value}}
            yield f"{place} = {value!r}", json.dumps(changed).encode()
    for name in ("../cli", "os", "zhang2016.build", "/etc/passwd", "\0", "", None, []):
        changed = {**CONFIG, "method": {"name": name}}
        yield f"method {name!r}", json.dumps(changed).encode()


def nasty_evaluations() -> Iterator[tuple[str, bytes]]:
    yield from nasty_json()
    for change in (
        {"rows": {"x": 3}},
        {"rows": {"x": {"auc": 3}}},
        {"rows": {"grey": {"auc": {"value": "much", "low": 0, "high": 1}}}},
        {"rows": {"grey": {"auc": {"value": 1}}}},
        {"provenance": []},
        {"protocol": {"side": 7}},
    ):
        yield f"{change}", json.dumps({**EVALUATION, **change}).encode()


def nasty_lists() -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "bytes", bytes(range(256))
    yield "other split", b"test #3\n"
    yield "path", b"../../../etc/passwd\n/etc/passwd\n"
    yield "numbers", b"3\ntrain #-1\ntrain #999999999999\ntrain #3\r\n"


def nasty(reader: str, mark: str) -> dict[str, bytes]:
    """By what is wrong with it, files that a reader is to refuse; code in them would
    make the file `mark`."""
    match reader:
        case "picture" | "picture in full" | "header of a picture" | "file of pictures":
            return dict(nasty_pictures())
        case "pytorch":
            pickles = dict(nasty_pickles(mark))
            zips = {f"{name}, zip": torch_zip(x) for name, x in pickles.items()}
            return pickles | zips | dict(nasty_zips())
        case "safetensors":
            return dict(nasty_safetensors())
        case "caffemodel":
            return dict(nasty_caffemodels())
        case "distribution":
            return dict(nasty_distributions())
        case "config of a run":
            return dict(nasty_configs())
        case "prior of a run":
            return dict(nasty_priors())
        case "figures of a run":
            files = {name: x for name, x in nasty_json() if name != "None"}
            rows = {"this run": {**_ROW, "auc": {"value": "x"}}, "grey": {}}
            return files | {"text": json.dumps({**FIGURES, "rows": rows}).encode()}
        case "evaluation":
            return dict(nasty_evaluations())
        case "list of pictures":
            return dict(nasty_lists())
