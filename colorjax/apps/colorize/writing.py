"""The last stage: a file for each output of a job."""

import sys
from pathlib import Path

from colorjax import files, images
from colorjax.apps.colorize.stages import Output
from colorjax.hints import Guide
from colorjax.inference import archive
from colorjax.inference.distribution import Distribution


def write(output: Output, settings: images.Settings) -> list[str]:
    """Write one file. Returns what it does not keep of its source."""
    job, path, content = output
    if not isinstance(content, list):
        assert path is not None  # only pages go to standard output
        _write_beside(path, content)
        return []
    kind = images.output_format(path or job.base)
    data, notes = images.encode_file(content, kind, settings, job.name)
    if path is None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        files.write_bytes(path, data)
    return notes


def _write_beside(path: Path, content: images.Picture | Distribution | Guide) -> None:
    match content:
        case Distribution():
            archive.save(path, content)
        case Guide():
            files.write_bytes(path, content.to_json().encode())
        case _:
            images.write(path, content)
