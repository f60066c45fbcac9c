"""TFDS data sets as sources of encoded pictures: `TFDS`."""

import re
from collections.abc import Sequence

from etils import epath

from colorjax import files
from colorjax.data.sources import EncodedImage
from colorjax.errors import UserError, install_hint, reason


class TFDS:
    """A split of a prepared TFDS data set in ArrayRecord form.

    It has the feature "image"; where it has "label" too, that is the class. A picture's
    key is the split, as it is spelled, and the place in it: "train #17".
    """

    def __init__(self, name: str, split: str, data_dir: str | None):
        import tensorflow_datasets as tfds  # slow to import, and a folder needs none

        prepare = (
            f"{install_hint('prepare')}, then "
            f"tfds build {name} --file_format=array_record"
        )
        if data_dir:
            prepare += f" --data_dir={data_dir}"
        _check_features(name, data_dir)
        try:
            builder = tfds.builder(name, data_dir=data_dir)
        except (tfds.core.DatasetNotFoundError, ImportError, ValueError):
            builder = None
        except AssertionError:  # this is how TFDS says that it has another version
            builder = None
        except Exception as error:  # whatever files of metadata provoke
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
                f"which has no random access; prepare it anew: {prepare}"
            )
        if "image" not in builder.info.features:
            has = ", ".join(builder.info.features)
            raise UserError(f"data.name '{name}': has no feature 'image', only {has}")
        skip = {"image": tfds.decode.SkipDecoding()}
        self.data, self.split, self.version = name, split, builder.info.full_name
        try:
            self.rows = ()
            if builder.info.splits[split].num_examples:  # TFDS fails to open none
                self.rows = builder.as_data_source(split, decoders=skip)
        except ValueError as error:
            told = " ".join(str(error).split())
            raise UserError(f"data.name '{name}', split '{split}': {told}") from error

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> EncodedImage:
        try:
            row = self.rows[index]
            return EncodedImage(bytes(row["image"]), int(row.get("label", -1)))
        except Exception as error:  # of array_record, protobuf or TFDS; it depends
            raise UserError(
                f"{self.name(index)}: corrupt record ({reason(error)})"
            ) from error

    def name(self, index: int) -> str:
        return f"{self.data} {self.key(index)}"

    def key(self, index: int) -> str:
        return f"{self.split} #{index}"

    def manifest(self) -> list[str]:
        """Version, split and number of the records."""
        return [f"{self.version}, {self.split}, {len(self)} records"]

    def restore_manifest(self, listing: Sequence[str]) -> str:
        """Raises `UserError` where the records are others than those of `listing`."""
        if list(listing) != self.manifest():
            raise UserError(
                f"the run began with {', '.join(listing)}; data.name is now "
                f"{self.manifest()[0]}: give the same records, or another --workdir"
            )
        return ""


def _check_features(name: str, data_dir: str | None) -> None:
    """Raise `UserError` where the features of a data set are of classes that are not
    TFDS' own: TFDS would import, and so run, whatever module they name."""
    folder = epath.Path(data_dir or "~/tensorflow_datasets").expanduser()
    parts = re.split("[/:]", name)
    if ".." in parts or not parts[0] or "\0" in name:
        raise UserError(f"data.name '{name}': no name of a data set")
    folder /= parts[0]  # and below it a version, or a config and a version
    for path in [*folder.glob("*/features.json"), *folder.glob("*/*/features.json")]:
        waiting = [files.read_json(path)]
        while waiting:
            found = waiting.pop()
            if isinstance(found, dict):
                kind = found.get("pythonClassName", found.get("type", ""))
                if isinstance(kind, str) and "." in kind:
                    if not kind.startswith("tensorflow_datasets."):
                        raise UserError(f"{path}: features of a class {kind}")
                waiting += found.values()
            elif isinstance(found, list):
                waiting += found
