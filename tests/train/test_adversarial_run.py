"""Adversarial methods through the commands: train, resume, colorize."""

import shutil

import pytest
from helpers import FIXTURES, encode, run_colorjax, run_train, scene, write_config
from states import assert_same_run, saved_state

DRAWINGS = dict(name="drawings", data_dir=str(FIXTURES), root=None, resize=16, crop=16)
CYCLEGAN = dict(
    data=dict(**DRAWINGS, halves=True),
    method=dict(name="cyclegan", blocks=1, patch_layers=1, pool=6),
)
PIX2PIX = dict(
    data=DRAWINGS,
    method=dict(name="pix2pix", depth=3, patch_layers=1, ema=0.9, norm="batch"),
)


@pytest.mark.slow
@pytest.mark.parametrize("sections", [CYCLEGAN, PIX2PIX])
def test_resumed_run_equals_uninterrupted_run(sections, tmp_path):
    """After two of four steps; networks, pools, averages and losses are equal."""
    whole, workdir = tmp_path / "whole", tmp_path / "resumed"
    checkpoint = dict(every=2, keep=2)
    config = write_config(tmp_path / "c.py", steps=4, checkpoint=checkpoint, **sections)
    result = run_train(f"--config={config}", f"--workdir={whole}")
    assert result.code == 0, result.err
    shutil.copytree(whole, workdir)
    shutil.rmtree(workdir / "checkpoints" / "4")
    result = run_train(f"--config={config}", f"--workdir={workdir}")
    assert result.code == 0 and "going on from step 2" in result.err, result.err
    assert_same_run(workdir, whole, 4)
    if sections is CYCLEGAN:
        assert saved_state(whole, 4)["nets/D_colour/pool/filled"] == 6  # it is full

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
