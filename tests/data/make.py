"""Prepare "drawings", the TFDS data set of the tests, in ArrayRecord form.

Run it again with: PYTHONPATH=tests python tests/data/make.py
"""

import io
import tempfile

import tensorflow_datasets as tfds
from helpers import DATA, encode, has_house, scene

SPLITS = {"train": range(40), "test": range(1000, 1012)}


class Drawings(tfds.core.GeneratorBasedBuilder):
    """Landscapes that the project draws itself."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        image = tfds.features.Image(shape=(32, 32, 3), encoding_format="png")
        label = tfds.features.ClassLabel(names=["meadow", "house"])
        features = tfds.features.FeaturesDict({"image": image, "label": label})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, download_manager):
        return {name: self._generate_examples(seeds) for name, seeds in SPLITS.items()}

    def _generate_examples(self, seeds):
        for seed in seeds:
            png = io.BytesIO(encode(scene(seed)))  # from an array TFDS needs TensorFlow
            yield seed, {"image": png, "label": int(has_house(seed))}


if __name__ == "__main__":
    builder = Drawings(data_dir=DATA, file_format="array_record")
    builder.download_and_prepare(download_dir=tempfile.mkdtemp())
