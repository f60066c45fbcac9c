"""The record of results: files keep every byte, models are told from baselines."""

import json
import math

import pytest

from colorjax.errors import UserError
from colorjax.evaluation.engine import Value
from colorjax.evaluation.metrics import ORDER, columns
from colorjax.evaluation.results import THIS_RUN, read_results, write_results
from colorjax.evaluation.tables import markdown_table
from colorjax.train.workdir import STARTER


@pytest.fixture
def content():
    return json.loads((STARTER / "metrics.json").read_text())


def rewritten(content, folder):
    """What a file of results becomes when it is read and written again."""
    path = folder / "evaluation.json"
    path.write_text(json.dumps(content, indent=2) + "\n")
    before = path.read_text()
    write_results(path, read_results(path))
    return before, path.read_text()


def test_files_are_written_as_they_were_read(content, tmp_path):
    write_results(tmp_path / "metrics.json", read_results(STARTER / "metrics.json"))
    assert (tmp_path / "metrics.json").read_bytes() == (
        STARTER / "metrics.json"
    ).read_bytes()
    content["rows"]["grey"]["auc"] = {"value": None, "low": None, "high": None}
    content["provenance"]["this run"]["source"] = {"layout": "siggraph"}
    before, after = rewritten(content, tmp_path)
    assert before == after


def test_models_are_told_from_baselines_by_type(content):
    results = read_results(STARTER / "metrics.json")
    assert list(results.models) == [THIS_RUN, "grey"] and results.runs == [THIS_RUN]
    value = results.models["grey"].metrics["auc"]
    assert value == Value(**content["rows"]["grey"]["auc"])


def test_a_null_is_nan_and_a_dash_in_tables(content, tmp_path):
    content["rows"]["grey"]["auc"] = {"value": None, "low": None, "high": None}
    (tmp_path / "metrics.json").write_text(json.dumps(content))
    results = read_results(tmp_path / "metrics.json")
    assert math.isnan(results.models["grey"].metrics["auc"].value)
    grey = markdown_table(results).splitlines()[-1].split("|")
    assert grey[1].strip() == "grey" and grey[2].strip() == "" and "-" in grey[3]


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("protocol", {}),
        ("rows", {"this run": 3}),
        ("rows", {"other": {}}),
        ("provenance", {"this run": {"step": 3}}),
    ],
)
def test_other_content_is_refused(content, section, value, tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({**content, section: value}))
    with pytest.raises(UserError, match="metrics.json: not a result of") as caught:
        read_results(tmp_path / "metrics.json")
    assert "\n" not in str(caught.value)


def test_columns_come_in_the_order_of_the_paper():
    assert tuple(columns())[: len(ORDER)] == ORDER
