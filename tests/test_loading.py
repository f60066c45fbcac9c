"""A command shows that it lives before it imports JAX."""

import sys

import pytest
from helpers import ROOT, python

from colorjax.loading import loading

WITHOUT_JAX = """
import runpy, sys

sys.modules["jax"] = None  # importing it fails
sys.stderr.isatty = lambda: True
runpy.run_path({path!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("train.py", "train.py"),
        ("evaluate.py", "evaluate.py"),
        ("colorjax/__main__.py", "colorjax"),
    ],
)
def test_before_jax(path, name):
    result = python("-c", WITHOUT_JAX.format(path=str(ROOT / path)))
    assert result.err.startswith(f"{name}: loading ...")
    assert "Error" in result.err and "jax" in result.err.splitlines()[-1]


def test_the_line_is_erased(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with loading("colorjax"):
        assert capsys.readouterr().err == "colorjax: loading ..."
    assert capsys.readouterr().err == "\r\x1b[K"


def test_no_line_in_a_log(capsys):
    with loading("colorjax"):
        pass
    assert capsys.readouterr() == ("", "")
