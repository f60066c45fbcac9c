"""evaluate.py, run as a user runs it: several runs, other pictures, refusals."""

import csv
import hashlib
import json
import re
import shutil

import numpy as np
import pytest
from helpers import FIXTURES, ROOT, python, run_train, write_config, write_folder

DRAWINGS = dict(name="drawings", data_dir=str(FIXTURES), root=None, resize=16, crop=16)


def evaluate(*args):
    return python(ROOT / "evaluate.py", *args)


def train(folder, name, **changes):
    config = write_config(folder / f"{name}.py", **{"data": DRAWINGS, **changes})
    result = run_train(f"--config={config}", f"--workdir={folder / name}")
    assert result.code == 0, result.err
    return folder / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    l2 = dict(name="regression", width=1 / 16)
    return [train(folder, "first"), train(folder, "l2", method=l2)]


@pytest.fixture(scope="module")
def compared(runs, tmp_path_factory):
    out = tmp_path_factory.mktemp("compared")
    flags = [f"--workdir={path}" for path in runs]
    result = evaluate(*flags, f"--out={out}")
    assert result.code == 0, result.err
    return out, result


def test_runs_and_baselines_share_one_table(compared):
    out, result = compared
    found = json.loads((out / "evaluation.json").read_text())
    rows = ["first", "l2", "grey", "random", "mean", "original"]
    assert list(found["rows"]) == rows
    lines = [line for line in result.out.splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == rows
    assert "AuC rebal." in lines[0] and "model MB" in lines[0] and "SSIM" in lines[0]
    assert (out / "evaluation.md").read_text().startswith(lines[0].split("AuC")[0][:3])
    assert found["rows"]["original"]["auc"]["value"] == pytest.approx(1, abs=1e-5)
    assert found["rows"]["original"]["ssim"]["value"] == pytest.approx(1, abs=1e-4)
    assert "nll" in found["rows"]["first"] and "nll" not in found["rows"]["l2"]
    interval = found["rows"]["grey"]["auc"]
    assert interval["low"] < interval["high"]
    assert "evaluating test" in result.err


def test_protocol_and_provenance_are_written_down(compared, runs):
    found = json.loads((compared[0] / "evaluation.json").read_text())
    protocol = found["protocol"]
    assert protocol["dataset"] == "drawings" and protocol["split"] == "test"
    assert protocol["pictures"] == 12 and protocol["side"] == 16
    assert re.fullmatch("[0-9a-f]{16}", protocol["sha256"])
    assert protocol["metrics"]["auc"]["threshold"] == 150
    prior = np.load(runs[0] / "prior.npy")
    digest = hashlib.sha256(prior.tobytes()).hexdigest()
    assert protocol["metrics"]["auc"]["prior"] == digest
    first, l2 = (found["provenance"][name] for name in ("first", "l2"))
    assert first["sha256"] != l2["sha256"] and first["step"] == 2
    assert first["method"]["name"] == "zhang2016" and "jax" in first["versions"]
    assert found["provenance"]["grey"] == {"baseline": "grey"}


def test_page_is_self_contained_and_scores_every_picture(compared):
    page = (compared[0] / "evaluation.html").read_text()
    assert "Worst of first" in page and "Best of l2" in page
    assert "<script" not in page and "http" not in page
    assert page.count("data:image/png;base64,") > 50
    with (compared[0] / "evaluation.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 12 and lines[3]["picture"] == "drawings test #3"
    found = json.loads((compared[0] / "evaluation.json").read_text())
    mean = np.mean([float(line["grey auc"]) for line in lines])
    assert mean == pytest.approx(found["rows"]["grey"]["auc"]["value"], abs=1e-4)


def test_rows_can_be_added_under_the_same_protocol_only(compared, runs, tmp_path):
    earlier = compared[0] / "evaluation.json"
    flags = [f"--workdir={runs[0]}", "--baselines=grey", f"--add={earlier}"]
    result = evaluate(*flags, f"--out={tmp_path}")
    assert result.code == 0, result.err
    found = json.loads((tmp_path / "evaluation.json").read_text())
    before = json.loads(earlier.read_text())
    assert set(found["rows"]) == set(before["rows"])
    assert found["rows"]["l2"] == before["rows"]["l2"]
    result = evaluate(*flags, "--split=train", f"--out={tmp_path / 'no'}")
    assert result.code == 2 and "Traceback" not in result.err
    assert "another protocol" in result.err and "split: test / train" in result.err
    assert not (tmp_path / "no").exists()


def test_pictures_that_no_run_has_seen(runs, tmp_path):
    folder = write_folder(tmp_path / "scans", 14, 24)
    flags = [f"--data.root={folder}", "--split=all", f"--out={tmp_path / 'out'}"]
    result = evaluate(f"--workdir={runs[0]}", *flags)
    assert result.code == 0, result.err
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["protocol"]["dataset"] == str(folder)
    assert found["protocol"]["pictures"] == 14 and found["protocol"]["side"] == 16
    assert "estimating the prior" in result.err
    result = evaluate(
        f"--workdir={runs[0]}",
        "--data.name=drawings",
        f"--data.data_dir={FIXTURES}",
        "--data.resize=24",
        "--split=train[:5]",
        "--baselines=grey",
        f"--out={tmp_path / 'out'}",
    )
    assert result.code == 0, result.err
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["protocol"]["pictures"] == 5 and found["protocol"]["side"] == 24


def test_runs_on_other_pictures_are_not_compared(runs, tmp_path):
    larger = train(tmp_path, "larger", data={**DRAWINGS, "resize": 24, "crop": 24})
    result = evaluate(f"--workdir={runs[0]}", f"--workdir={larger}")
    assert result.code == 2 and result.err.count("\n") == 1
    assert "data.resize is 16 for first, 24 for larger" in result.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--baselines=gray"], "--baselines: no 'gray'"),
        (["--metrics=psnr"], "--metrics: no 'psnr'"),
        (["--split=test[:0]"], "split 'test[:0]' of drawings is empty"),
        (["--split=nosuch"], "split 'nosuch'"),
        (["--add=/nowhere.json"], "--add: /nowhere.json: No such file"),
        (["--data.root=/nowhere"], "data.root /nowhere: no such folder"),
    ],
)
def test_mistakes_are_one_line(runs, flags, message):
    result = evaluate(f"--workdir={runs[0]}", *flags)
    assert result.code == 2 and "Traceback" not in result.err
    assert message in result.err.splitlines()[-1]
    assert not (runs[0] / "evaluation.json").exists()


def test_a_wrong_classifier_leaves_the_other_metrics(runs, tmp_path):
    wrong = ROOT / "tests" / "golden" / "published" / "state_zip.pth"
    cut = tmp_path / "cut.pth"
    cut.write_bytes(wrong.read_bytes()[:2000])
    for file, message in ((wrong, "no classifier that is known"), (cut, "whole")):
        result = evaluate(
            f"--workdir={runs[0]}",
            "--metrics=auc,ssim,classification",
            f"--classifier={file}",
            f"--out={tmp_path}",
            "--baselines=grey",
        )
        assert result.code == 1 and "Traceback" not in result.err
        problem = next(x for x in result.err.splitlines() if str(file) in x)
        assert message in problem
        found = json.loads((tmp_path / "evaluation.json").read_text())
        assert {"auc", "ssim"} <= set(found["rows"]["grey"])
        assert "top1" not in found["rows"]["grey"]


def test_a_net_that_has_gone_wrong_is_told(runs, tmp_path):
    """Its last step was with a learning rate that no net survives."""
    config = write_config(
        tmp_path / "blown.py",
        data=DRAWINGS,
        method=dict(name="regression", width=1 / 16),
        optimizer=dict(learning_rate=2e9),
    )
    result = run_train(f"--config={config}", f"--workdir={tmp_path / 'blown'}")
    assert result.code == 0, result.err
    flags = [f"--workdir={x}" for x in (tmp_path / "blown", runs[0])]
    result = evaluate(*flags, f"--out={tmp_path}", "--baselines=grey")
    assert result.code == 1 and "Traceback" not in result.err
    assert "blown: the prediction of 12 pictures is not a number" in result.err
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert found["rows"]["blown"]["auc"]["value"] is None
    assert found["rows"]["first"]["auc"]["value"] > 0.5
    shutil.rmtree(tmp_path / "blown")
