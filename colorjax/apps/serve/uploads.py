"""What a visitor drops on the page of `colorjax serve`: `unpack`."""

import io
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from colorjax.errors import UserError

MAX_FILES = 100  # in a zip file
MAX_LIST = 1 << 20  # bytes of the list of files in a zip file
SIGNATURES = (b"PK\3\4", b"PK\5\6")  # at the start of a zip file; the second: empty
# A few bytes of the other methods can ask for gigabytes of memory.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
BAD_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,  # a newer kind of zip file
    RuntimeError,  # a password
    OSError,
    ValueError,
)


class _Archive(io.BytesIO):
    """The bytes of a zip file, which are read in parts of at most `MAX_LIST` bytes.

    `zipfile` reads the list of files at once and makes an object of each. A list of
    100 MB would need gigabytes.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_LIST:
            raise zipfile.BadZipFile("its list of files is too long")
        return super().read(size)


def unpack(path: Path, max_bytes: int) -> Iterator[tuple[str, bytes]]:
    """The name and the bytes of an upload, or of each file in a zip file.

    Folders and the hidden files of operating systems are left out. Raises `UserError`
    if the upload is gone or is a damaged zip file, if it has more than `MAX_FILES`
    files, or if one of them has more than `max_bytes`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path.name} did not arrive whole; drop it again") from error
    if data.startswith(SIGNATURES):
        yield from _unzip(path.name, data, max_bytes)
    else:
        yield path.name, data


def _unzip(name: str, data: bytes, max_bytes: int) -> Iterator[tuple[str, bytes]]:
    try:
        archive = zipfile.ZipFile(_Archive(data))
    except BAD_ZIP as error:
        raise UserError(f"{name}: not a readable zip file ({error})") from error
    members = [member for member in archive.infolist() if _is_visible(member)]
    if not 0 < len(members) <= MAX_FILES:
        raise UserError(
            f"{name}: holds {len(members)} files; a zip file may have 1 to {MAX_FILES}"
        )
    for member in members:
        inner = PurePosixPath(member.filename).name
        if member.file_size > max_bytes:
            raise UserError(f"{inner} in {name}: larger than {max_bytes >> 20} MB")
        if member.compress_type not in METHODS:
            raise UserError(f"{inner} in {name}: use deflate or no compression")
        content = io.BytesIO()
        try:
            with archive.open(member) as file:  # which ends after `file_size` bytes
                shutil.copyfileobj(file, content)
        except BAD_ZIP as error:
            raise UserError(f"{inner} in {name}: not readable ({error})") from error
        yield inner, content.getvalue()


def _is_visible(member: zipfile.ZipInfo) -> bool:
    parts = [part for part in PurePosixPath(member.filename).parts if part != ".."]
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    return bool(parts) and not member.is_dir() and not hidden
