"""TFDS data sets as sources of encoded images: `TFDS`."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from colorjax import files
from colorjax.data.sources import EncodedImage
from colorjax.data.things import Thing, largest
from colorjax.errors import UserError, install_hint, reason


class TFDS:
    """A split of a prepared TFDS data set, stored as ArrayRecord.

    The data set has the feature "image". Its feature "label", if there is one, is the
    class. `captions` names the feature with the captions of an image, a text or a
    sequence with the key "text"; "" is none. `things` names a sequence with the keys
    "bbox" and "label"; then the class is that of the largest thing. The key of an image
    is the split, as the config spells it, and the place in it: "train #17". Raises
    `UserError` where the data set is not prepared, has no images, no such split or no
    such feature.
    """

    def __init__(
        self,
        name: str,
        split: str,
        data_dir: str | None,
        captions: str = "",
        things: str = "",
    ):
        import tensorflow_datasets as tfds  # slow to import, and a folder needs none

        builder = _open(name, data_dir)
        self.data, self.split, self.version = name, split, builder.info.full_name
        self.captions, self.things = captions, things
        features = dict(builder.info.features)
        for key, feature in (("captions", captions), ("things", things)):
            if feature and feature not in features:
                names = ", ".join(features)
                raise UserError(f"data.{key} '{feature}': '{name}' has only {names}")
        skip: Any = {"image": tfds.decode.SkipDecoding()}
        try:
            self.rows: Sequence[Any] = ()
            if builder.info.splits[split].num_examples:  # TFDS cannot open an empty one
                self.rows = builder.as_data_source(split, decoders=skip)
        except ValueError as error:
            message = " ".join(str(error).split())
            raise UserError(
                f"data.name '{name}', split '{split}': {message}"
            ) from error
        feature = (
            _label_of(features[things], things) if things else features.get("label")
        )
        named = isinstance(feature, tfds.features.ClassLabel)
        self.classes: Sequence[str] = feature.names if named else ()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> EncodedImage:
        try:
            row = self.rows[index]
            data, label = bytes(row["image"]), int(row.get("label", -1))
            captions = texts(row[self.captions]) if self.captions else ()
            things = single_things(row[self.things]) if self.things else ()
            label = largest(things).label if self.things else label
            return EncodedImage(lambda: data, label, captions=captions, things=things)
        except Exception as error:  # array_record, protobuf and TFDS raise many types
            raise UserError(
                f"{self.name(index)}: corrupt record ({reason(error)})"
            ) from error

    def name(self, index: int) -> str:
        return f"{self.data} {self.key(index)}"

    def key(self, index: int) -> str:
        return f"{self.split} #{index}"

    def locate(self, lines: Iterable[str]) -> list[int | None]:
        """The place of the image that each line of a list names by its key.

        The place is -1 for an image of another split, and None for no image.
        """

        def place(line: str) -> int | None:
            split, mark, number = line.strip().rpartition(" #")
            if not mark or not number.isdecimal():
                return None
            if split != self.split:
                return -1
            return int(number) if int(number) < len(self) else None

        return [place(line) for line in lines]

    def manifest(self) -> list[str]:
        """One line: version, split and number of records."""
        return [f"{self.version}, {self.split}, {len(self)} records"]

    def restore_manifest(self, manifest: Sequence[str]) -> str:
        """Raises `UserError` where the records are not those of `manifest`."""
        if list(manifest) != self.manifest():
            raise UserError(
                f"the run began with {', '.join(manifest)}; data.name is now "
                f"{self.manifest()[0]}: give the same records, or another --workdir"
            )
        return ""


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a feature: one, several, or those of a sequence of mappings."""
    if isinstance(value, dict):
        value = value["text"]
    several = np.atleast_1d(np.asarray(value, object)).tolist()
    return tuple(x.decode() if isinstance(x, bytes) else str(x) for x in several)


def single_things(value: Mapping[str, Any]) -> tuple[Thing, ...]:
    """The things of a feature, but no crowds, whose box is that of many things."""
    crowds = value.get("is_crowd", np.zeros(len(value["label"]), bool))
    return tuple(
        Thing(int(label), (float(y0), float(x0), float(y1), float(x1)))
        for label, (y0, x0, y1, x1), is_crowd in zip(
            value["label"], value["bbox"], crowds, strict=True
        )
        if not is_crowd
    )


def _label_of(feature: Any, name: str) -> Any:
    """The feature "label" of a sequence of things.

    Raises `UserError` where it is no such sequence.
    """
    try:
        return feature["bbox"] and feature["label"]
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"data.things '{name}': not a sequence with 'bbox' and 'label'"
        ) from error


def _open(name: str, data_dir: str | None) -> Any:
    """The builder of a prepared data set with images in ArrayRecord files.

    Raises `UserError` where there is none, with the command that prepares it.
    """
    from tensorflow_datasets.core import DatasetNotFoundError, read_only_builder

    prepare = (
        f"{install_hint('prepare')}, then tfds build {name} --file_format=array_record"
    )
    data_dir = data_dir and os.path.expanduser(data_dir)
    if data_dir:
        prepare += f" --data_dir={data_dir}"
    _check_features(name, data_dir)
    # The code that prepared a data set may need TensorFlow; its files do not.
    load = read_only_builder.builder_from_files
    try:
        builder: Any = load(name, data_dir=data_dir)
    except (DatasetNotFoundError, ValueError):
        builder = None
    except Exception as error:  # broken metadata raises many types
        raise UserError(
            f"data.name '{name}': broken metadata ({reason(error)})"
        ) from error
    if builder is None or not builder.is_prepared():
        where = data_dir or "TFDS_DATA_DIR or ~/tensorflow_datasets"
        raise UserError(
            f"data.name '{name}': not prepared in {where}; set data.data_dir, or "
            f"prepare it: {prepare}"
        )
    if builder.info.file_format.value != "array_record":
        raise UserError(
            f"data.name '{name}': stored as {builder.info.file_format.value}, "
            f"which has no random access; prepare it again: {prepare}"
        )
    if "image" not in builder.info.features:
        names = ", ".join(builder.info.features)
        raise UserError(f"data.name '{name}': has no feature 'image', only {names}")
    return builder


def _check_features(name: str, data_dir: str | None) -> None:
    """Raise `UserError` where a data set has features of foreign classes.

    TFDS imports, and so runs, whatever module its metadata name.
    """
    folder = epath.Path(data_dir or "~/tensorflow_datasets").expanduser()
    parts = re.split("[/:]", name)
    if ".." in parts or not parts[0] or "\0" in name:
        raise UserError(f"data.name '{name}': not the name of a data set")
    folder /= parts[0]  # and below it a version, or a config and a version
    for path in [*folder.glob("*/features.json"), *folder.glob("*/*/features.json")]:
        nodes = [files.read_json(path)]
        while nodes:
            node = nodes.pop()
            if isinstance(node, dict):
                kind = node.get("pythonClassName", node.get("type", ""))
                foreign = isinstance(kind, str) and "." in kind
                if foreign and not kind.startswith("tensorflow_datasets."):
                    raise UserError(f"{path}: features of a class {kind}")
                nodes += node.values()
            elif isinstance(node, list):
                nodes += node
