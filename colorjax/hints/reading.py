"""Reading a guide from a file or from JSON: `load`, `from_json`."""

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar

from etils import epath

from colorjax import files, images
from colorjax.config import check_type
from colorjax.errors import UserError, reason
from colorjax.hints.guide import PICTURES, Guide
from colorjax.hints.places import Box, Point
from colorjax.images import Picture

MAX_BYTES = 1 << 28  # of a file of hints
Hint = TypeVar("Hint", Point, Box)


def load(path: epath.PathLike) -> Guide:
    """The guide in a JSON file, or that of the strokes in a PNG file.

    Raises `UserError` if the file cannot be read or holds anything else.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".json", ".png"):
        raise UserError(f"{path}: hints are in a file .json, or, as strokes, in a .png")
    data = files.read_bytes(path, MAX_BYTES)
    try:
        if suffix == ".json":
            return from_json(data)
        return Guide(strokes=images.read_full(data, "strokes"))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def from_json(text: str | bytes, max_pixels: int = images.MAX_PIXELS) -> Guide:
    """The guide that `Guide.to_json` wrote.

    Raises `UserError` for other text, or if the strokes have more than `max_pixels`.
    """
    try:
        values = json.loads(text)
    except (RecursionError, ValueError) as error:  # too deeply nested; not JSON
        raise UserError(f"not JSON ({reason(error)})") from error
    types: dict[str, type] = {"points": list, "boxes": list, "palette": list}
    _check_fields("hints", values, Guide, types | dict.fromkeys(PICTURES, str))
    points = [_read("hint", x, Point) for x in values.pop("points", [])]
    boxes = [_read("box", x, Box) for x in values.pop("boxes", [])]
    palette = [str(color) for color in values.pop("palette", [])]
    pictures = {
        key: _read_png(key, values[key], max_pixels)
        for key in PICTURES
        if key in values
    }
    return Guide(points, boxes=boxes, palette=palette, **(values | pictures))


def _read(name: str, values: Any, kind: type[Hint]) -> Hint:
    """A hint from JSON; whole numbers become fractions."""
    _check_fields(name, values, kind)
    sides = {key: float(x) for key, x in values.items() if key != "color"}
    return kind(**values | sides)


def _read_png(key: str, text: str, max_pixels: int) -> Picture:
    """The picture in a text of base 64. Raises `UserError` if there is none."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise UserError(f"{key}: no picture ({reason(error)})") from error
    return images.read_full(data, key, max_pixels)


def _check_fields(
    name: str,
    values: Any,
    kind: type[Guide | Point | Box],
    types: dict[str, type] | None = None,
) -> None:
    """Raise `UserError` unless `values`, from JSON, has the fields of a class.

    `types` gives the types of the fields whose type in JSON is another.
    """
    if not isinstance(values, dict):
        raise UserError(f"{name}: a {type(values).__name__}, expected a mapping")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in fields:
            raise UserError(
                f"{name}: no such key as '{key:.50}'; there are {', '.join(fields)}"
            )
        check_type(f"{name}: {key}", value, (types or {}).get(key, fields[key].type))
    for key, field in fields.items():
        if field.default is dataclasses.MISSING and key not in values:
            raise UserError(f"{name}: {key} is missing")
