"""evaluate.py: several runs, other images, mistakes."""

import csv
import dataclasses
import hashlib
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import jax
import noisy
import numpy as np
import pytest
from golden.clip_tensors import COARSE, clip_tensors, write_clip
from helpers import FIXTURES, ROOT, TINY, process_flags, run_evaluate, write_folder

from colorjax.errors import UserError
from colorjax.evaluation.engine import method_predictor
from colorjax.evaluation.simulation import draw_cells, simulate
from colorjax.train.checkpoint import load_nets, save_nets

DRAWINGS = dict(name="drawings", data_dir=str(FIXTURES), resize=16, crop=16)


@pytest.fixture(scope="module")
def compared(runs, tmp_path_factory):
    """The directory of an evaluation of both runs, by a process, and its output."""
    out = tmp_path_factory.mktemp("compared")
    workdirs = [f"--workdir={path}" for path in runs]
    result = run_evaluate(*workdirs, f"--out={out}")
    assert result.code == 0, result.err
    return out, result


def test_runs_and_baselines_share_one_table(compared):
    out, result = compared
    results = json.loads((out / "evaluation.json").read_text())
    models = ["first", "l2", "grey", "random", "mean", "original"]
    assert list(results["rows"]) == models
    lines = [line for line in result.out.splitlines() if line.startswith("| ")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == models
    assert "AuC rebal." in lines[0] and "model MB" in lines[0] and "SSIM" in lines[0]
    assert (out / "evaluation.md").read_text().startswith(lines[0].split("AuC")[0][:3])
    assert results["rows"]["original"]["auc"]["value"] == pytest.approx(1, abs=1e-5)
    assert results["rows"]["original"]["ssim"]["value"] == pytest.approx(1, abs=1e-4)
    assert "nll" in results["rows"]["first"] and "nll" not in results["rows"]["l2"]
    interval = results["rows"]["grey"]["auc"]
    assert interval["low"] < interval["high"]
    assert "evaluating test" in result.err


def test_protocol_and_provenance_are_written_down(compared, runs):
    results = json.loads((compared[0] / "evaluation.json").read_text())
    protocol = results["protocol"]
    assert protocol["dataset"] == "drawings" and protocol["split"] == "test"
    assert protocol["pictures"] == 12 and protocol["side"] == 16
    assert re.fullmatch("[0-9a-f]{16}", protocol["sha256"])
    assert protocol["metrics"]["auc"]["threshold"] == 150
    prior = np.load(runs[0] / "prior.npy")
    digest = hashlib.sha256(prior.tobytes()).hexdigest()
    assert protocol["metrics"]["auc"]["prior"] == digest
    first, l2 = (results["provenance"][name] for name in ("first", "l2"))
    assert first["sha256"] != l2["sha256"] and first["step"] == 2
    assert first["method"]["name"] == "zhang2016" and "jax" in first["versions"]
    assert results["provenance"]["grey"] == {"baseline": "grey"}


@pytest.mark.slow
def test_two_processes_measure_as_one(runs, tmp_path):
    """Also with hints, and where one of them has fewer images in the last batch."""
    values = []
    for count in (1, 2):
        out = tmp_path / str(count)
        flags = f"--workdir={runs[0]}", "--hints=0,3", "--limit=11", f"--out={out}"
        with ThreadPoolExecutor(count) as pool:
            own = [pool.submit(run_evaluate, *flags, *x) for x in process_flags(count)]
        assert [x.result().code for x in own] == [0] * count, own[-1].result().err
        assert sum("psnr" in x.result().out.lower() for x in own) == 1
        values.append(json.loads((out / "evaluation.json").read_text())["rows"])
    one, two = values
    assert one.keys() == two.keys() and "psnr@3" in two["grey"]
    for name, row in one.items():
        for key, value in row.items():
            again = list(two[name][key].values())
            expected = list(value.values())
            np.testing.assert_allclose(again, expected, rtol=1e-4, atol=1e-4)


def test_page_is_self_contained_and_scores_every_image(compared):
    page = (compared[0] / "evaluation.html").read_text()
    assert "Worst of first" in page and "Best of l2" in page
    assert "<script" not in page and "http" not in page
    assert page.count("data:image/png;base64,") > 50
    with (compared[0] / "evaluation.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 12 and lines[3]["picture"] == "drawings test #3"
    results = json.loads((compared[0] / "evaluation.json").read_text())
    mean = np.mean([float(line["grey auc"]) for line in lines])
    assert mean == pytest.approx(results["rows"]["grey"]["auc"]["value"], abs=1e-4)


def test_models_can_be_added_under_the_same_protocol_only(
    compared, runs, evaluate, tmp_path
):
    earlier = compared[0] / "evaluation.json"
    flags = [f"--workdir={runs[0]}", "--baselines=grey", f"--add={earlier}"]
    result = evaluate(*flags, f"--out={tmp_path}")
    assert result.code == 0, result.err
    results = json.loads((tmp_path / "evaluation.json").read_text())
    before = json.loads(earlier.read_text())
    assert set(results["rows"]) == set(before["rows"])
    assert results["rows"]["l2"] == before["rows"]["l2"]
    result = evaluate(*flags, "--split=train", f"--out={tmp_path / 'no'}")
    assert result.code == 2 and "Traceback" not in result.err
    assert "another protocol" in result.err and "split: test / train" in result.err
    assert not (tmp_path / "no").exists()


def test_images_that_no_run_has_seen(runs, evaluate, tmp_path):
    folder = write_folder(tmp_path / "scans", 14, 24)
    flags = [f"--data.root={folder}", "--split=all", f"--out={tmp_path / 'out'}"]
    result = evaluate(f"--workdir={runs[0]}", *flags)
    assert result.code == 0, result.err
    results = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert results["protocol"]["dataset"] == str(folder)
    assert results["protocol"]["pictures"] == 14 and results["protocol"]["side"] == 16
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
    results = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert results["protocol"]["pictures"] == 5 and results["protocol"]["side"] == 24


def test_time_and_hints_on_request(runs, evaluate, tmp_path):
    """The more hints, the nearer to the original, with a network and without one."""
    flags = "--time", "--hints=0,1,20", "--baselines=grey", f"--out={tmp_path}"
    result = evaluate(f"--workdir={runs[0]}", *flags)
    assert result.code == 0, result.err
    results = json.loads((tmp_path / "evaluation.json").read_text())
    milliseconds = results["provenance"]["first"]["milliseconds"]
    assert milliseconds > 0
    header, _, row = result.out.splitlines()[:3]
    titles, cells = ([x.strip() for x in y.split("|")] for y in (header, row))
    assert cells[titles.index("ms")] == f"{milliseconds:.0f}"
    assert {"PSNR @0", "PSNR @20", "hint error", "hint range"} < set(titles)
    assert "PSNR @20" in (tmp_path / "evaluation.html").read_text()
    assert "2x2" in results["protocol"]["metrics"]["hints"]
    for values in results["rows"].values():
        row = {key: x["value"] for key, x in values.items()}
        assert row["psnr@0"] == pytest.approx(row["psnr"], abs=1e-2)
        assert row["psnr@0"] < row["psnr@20"] and row["hint_error"] < 0.1
        assert 0 < row["hint_range"] < 23


def test_runs_on_other_images_are_not_compared(runs, evaluate, tmp_path):
    larger = tmp_path / "larger"
    shutil.copytree(runs[0], larger)
    config = json.loads((larger / "config.json").read_text())
    config["data"] |= {"resize": 24, "crop": 24}
    (larger / "config.json").write_text(json.dumps(config))
    result = evaluate(f"--workdir={runs[0]}", f"--workdir={larger}")
    assert result.code == 2 and result.err.count("\n") == 1
    assert "data.resize is 16 for first, 24 for larger" in result.err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--baselines=gray"], "--baselines: no 'gray'"),
        (["--metrics=psnr"], "--metrics: no 'psnr'"),
        (["--hints=0,x"], "--hints: 'x' is no number; write them as 0,1,10,100"),
        (["--split=test[:0]"], "split 'test[:0]' of drawings is empty"),
        (["--split=nosuch"], "split 'nosuch'"),
        (["--add=/nowhere.json"], "--add: /nowhere.json: No such file"),
        (["--data.root=/nowhere"], "data.root /nowhere: no such folder"),
    ],
)
def test_mistakes_are_one_line(runs, evaluate, flags, message):
    result = evaluate(f"--workdir={runs[0]}", *flags)
    assert result.code == 2 and "Traceback" not in result.err
    assert message in result.err.splitlines()[-1]
    assert not (runs[0] / "evaluation.json").exists()


def test_a_wrong_classifier_leaves_the_other_metrics(runs, evaluate, tmp_path):
    wrong = ROOT / "tests" / "golden" / "published" / "state_zip.pth"
    cut = tmp_path / "cut.pth"
    cut.write_bytes(wrong.read_bytes()[:2000])
    for file, message in ((wrong, "not a known classifier"), (cut, "whole")):
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
        results = json.loads((tmp_path / "evaluation.json").read_text())
        assert {"auc", "ssim"} <= set(results["rows"]["grey"])
        assert "top1" not in results["rows"]["grey"]


def test_clip_score_of_the_classes(runs, evaluate, tmp_path):
    file = write_clip(tmp_path, clip_tensors(COARSE))
    flags = "--metrics=clip", f"--clip={file}", "--baselines=original"
    result = evaluate(f"--workdir={runs[1]}", *flags, f"--out={tmp_path}")
    assert result.code == 0, result.err
    assert "CLIP score" in result.out
    results = json.loads((tmp_path / "evaluation.json").read_text())
    scores = [row["clip_score"]["value"] for row in results["rows"].values()]
    assert len(scores) == 2 and all(0 <= score <= 100 for score in scores)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert results["protocol"]["metrics"]["clip"]["sha256"] == digest


def test_a_network_that_predicts_nan_is_reported(runs, evaluate, tmp_path):
    """As one does whose weights have grown beyond what a number can hold."""
    blown = tmp_path / "blown"
    shutil.copytree(runs[1], blown, ignore=shutil.ignore_patterns("checkpoints"))
    nets = load_nets(runs[1])[1]
    save_nets(blown, jax.tree.map(lambda leaf: np.full_like(leaf, np.inf), nets))
    flags = [f"--workdir={x}" for x in (blown, runs[0])]
    result = evaluate(*flags, f"--out={tmp_path}", "--baselines=grey")
    assert result.code == 1 and "Traceback" not in result.err
    assert "blown: the prediction of 12 images is not finite" in result.err
    results = json.loads((tmp_path / "evaluation.json").read_text())
    assert results["rows"]["blown"]["auc"]["value"] is None
    assert results["rows"]["first"]["auc"]["value"] > 0.5


def test_seed_and_options_of_a_stochastic_method(monkeypatch, tmp_path, evaluate):
    """They change the metrics, and the provenance states them; so does a limit."""
    noisy.register(monkeypatch)
    run = noisy.write_run(tmp_path / "run", TINY | {"data": DRAWINGS})

    def results(*flags):
        flags = [f"--workdir={run}", "--baselines=grey", *flags]
        result = evaluate(*flags)
        assert result.code == 0, result.err
        return json.loads((run / "evaluation.json").read_text())

    first, again, other = results(), results(), results("--seed=1")
    auc, same, second = (
        x["rows"]["run"]["auc"]["value"] for x in (first, again, other)
    )
    assert auc == same != second
    assert [x["provenance"]["run"]["seed"] for x in (first, other)] == [0, 1]
    assert "seed" not in first["provenance"]["grey"]
    still = results("--set=method.amount=0", "--limit=5")
    assert still["provenance"]["run"]["method"]["amount"] == 0
    assert still["protocol"]["pictures"] == 5
    scores = (run / "evaluation.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in scores[1:]] == ["0", "2", "5", "8", "11"]
    for flag, message in (
        ("--set=method.ema=0.5", "method.ema of noisy cannot change"),
        ("--limit=0", "limit"),
        ("--set=steps=3", "method.KEY=VALUE"),
    ):
        result = evaluate(f"--workdir={run}", flag)
        assert result.code == 2 and message in result.err, result.err


def test_a_limit_changes_no_prediction(monkeypatch, tmp_path, evaluate):
    """The noise of an image depends on its place in the split, not on the limit."""
    noisy.register(monkeypatch)
    run = noisy.write_run(tmp_path / "run", TINY | {"data": DRAWINGS})
    scores = {}
    for flags in ([], ["--limit=3"]):
        assert evaluate(f"--workdir={run}", "--baselines=grey", *flags).code == 0
        rows = list(csv.DictReader((run / "evaluation.csv").read_text().splitlines()))
        scores[len(rows)] = {row["index"]: row["run auc"] for row in rows}
    few = min(scores)
    assert few == 3 < max(scores)
    for index, score in scores[few].items():
        assert scores[max(scores)][index] == score


def test_inputs_that_an_evaluation_does_not_show():
    method = dataclasses.replace(noisy.build(), inputs=frozenset({"lightness", "ab"}))
    with pytest.raises(
        UserError, match="takes the input 'ab', and an evaluation shows"
    ):
        method_predictor(method, {})


def test_hints_of_an_image_depend_on_its_index_and_the_seed():
    first, same = draw_cells(16, 0, 3), draw_cells(16, 0, 3)
    np.testing.assert_array_equal(first, same)
    assert sorted(map(tuple, first)) == [(i, j) for i in range(8) for j in range(8)]
    for other in (draw_cells(16, 1, 3), draw_cells(16, 0, 4)):
        assert (other != first).any()
    image = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    (point,) = simulate(image, np.array([[2, 5]])).points
    assert (point.x, point.y) == (11 / 16, 5 / 16)
    assert point.levels() == tuple(np.rint(image[4:6, 10:12].mean((0, 1))))
