"""`convert` and the commands with DDColor's and DeOldify's published weights."""

import json

import numpy as np
import pytest
import safetensors.numpy
from golden.ddcolor_tensors import convnext_shapes, ddcolor_tensors
from golden.deoldify_tensors import deoldify_tensors
from golden.published import values

from colorjax import cli, images
from colorjax.errors import UserError
from colorjax.inference.colorizer import Colorizer


def convert(folder, name, tensors):
    """Convert tensors in a file of this name; returns the run."""
    file, run = folder / f"{name}.safetensors", folder / name
    safetensors.numpy.save_file(tensors, file)
    assert cli.main(["convert", str(file), "--out", str(run)]) == 0
    return run


@pytest.mark.parametrize(
    ("name", "tensors", "side"),
    [
        ("ddcolor_paper_tiny", ddcolor_tensors, 512),
        ("ColorizeVideo_gen", lambda: deoldify_tensors("deep"), 336),
    ],
)
def test_a_converted_run_colors_and_keeps_the_lightness(tmp_path, name, tensors, side):
    run = convert(tmp_path, name, tensors())
    config = json.loads((run / "config.json").read_text())
    assert config["data"]["resize"] == side
    # At full size this takes long: the net's working size becomes small.
    config["data"] |= dict(resize=64, crop=64)
    (run / "config.json").write_text(json.dumps(config))
    levels = np.linspace(0, 255, 50 * 70).reshape(50, 70).astype(np.uint8)
    (tmp_path / "in.png").write_bytes(images.encode(np.stack([levels] * 3, -1), "png"))
    arguments = ["colorize", tmp_path / "in.png", "--run", run]
    out = tmp_path / "out.png"
    assert cli.main([*map(str, arguments), "--out", str(out)]) == 0
    colored = images.read(out.read_bytes())
    assert colored.shape == (50, 70, 3) and np.ptp(colored, axis=-1).max() > 5
    luminance = colored @ np.array([0.2126, 0.7152, 0.0722])
    assert np.all(np.diff(luminance.mean(axis=1)) > -1)


def test_an_encoder_is_to_be_trained(tmp_path, capsys):
    shapes = convnext_shapes("")
    run = convert(tmp_path, "convnext", {k: values(k, s) for k, s in shapes.items()})
    assert "train.py --config=configs/ddcolor.py" in capsys.readouterr().out
    with pytest.raises(UserError, match="has not been trained.*configs/ddcolor.py"):
        Colorizer.load(run)
