"""Adversarial methods through the commands: train, resume, colorize."""

import numpy as np
import pytest
from helpers import FIXTURES, encode, run_colorjax, run_train, scene, write_config
from states import logged_losses, saved_state

DRAWINGS = dict(name="drawings", data_dir=str(FIXTURES), root=None, resize=16, crop=16)
CYCLEGAN = dict(
    data=dict(**DRAWINGS, halves=True),
    method=dict(name="cyclegan", blocks=1, patch_layers=1, pool=6),
)
PIX2PIX = dict(
    data=DRAWINGS,
    method=dict(name="pix2pix", depth=3, patch_layers=1, ema=0.9, norm="batch"),
)


@pytest.mark.parametrize(
    "sections", [CYCLEGAN, pytest.param(PIX2PIX, marks=pytest.mark.slow)]
)
def test_resumed_run_equals_uninterrupted_run(sections, tmp_path):
    """After two of four steps; networks, pools, averages and losses are equal."""
    states, losses = [], []
    for name, stops in (("whole", [4]), ("resumed", [2, 4])):
        workdir = tmp_path / name
        for steps in stops:
            config = write_config(tmp_path / "c.py", steps=steps, **sections)
            result = run_train(f"--config={config}", f"--workdir={workdir}")
            assert result.code == 0, result.err
        states.append(saved_state(workdir, 4))
        losses.append(logged_losses(workdir))
    assert losses[0] == losses[1] and len(losses[0]) == 4
    assert states[0].keys() == states[1].keys()
    for key, expected in states[0].items():
        np.testing.assert_array_equal(states[1][key], expected, err_msg=key)
    if sections is CYCLEGAN:
        assert states[0]["nets/D_colour/pool/filled"] == 6  # it is full

    picture = tmp_path / "grey.png"
    picture.write_bytes(encode(scene(50, 23)))
    out = tmp_path / "out.png"
    result = run_colorjax("colorize", picture, "--run", workdir, "--out", out)
    assert result.code == 0 and out.exists(), result.err


def test_cyclegan_needs_a_second_dataset(tmp_path):
    sections = {**CYCLEGAN, "data": DRAWINGS}
    config = write_config(tmp_path / "c.py", **sections)
    result = run_train(f"--config={config}", f"--workdir={tmp_path / 'run'}")
    assert result.code == 2 and "data.halves=True" in result.err
    assert "Traceback" not in result.err and not (tmp_path / "run").exists()
