"""The project: installed commands, names of configs and runs, the README's blocks."""

import re
import shutil
import subprocess
import sys
import sysconfig

import pytest
from helpers import ROOT, WARNINGS, encode, environment, scene

import colorjax
from colorjax.command_line import locate_config
from colorjax.errors import UserError
from colorjax.train.workdir import STARTER, load_run, locate_run


def copy_clone(folder):
    """Copy the files that a clone has, and no environment or run."""
    ignored = shutil.ignore_patterns(".git", ".venv*", "runs", "build", ".*_cache")
    return shutil.copytree(ROOT, folder, ignore=ignored)


def run(*command, cwd, **environment_changes):
    """Run a command, which must succeed, without the tests' PYTHONPATH."""
    env = environment(**environment_changes)
    del env["PYTHONPATH"]
    result = subprocess.run(
        [str(x) for x in command], cwd=cwd, env=env, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("flags", [["--config=quick"], ["--config", "quick"]])
def test_config_by_name(flags):
    *_, last = locate_config(["train.py", *flags, "--config.steps=3"])[:-1]
    assert last.removeprefix("--config=") == str(ROOT / "configs" / "quick.py")


def test_config_by_path(tmp_path, monkeypatch):
    """What is a file stays; so does what is no name, or the value of another flag."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick").touch()
    argv = ["train.py", "--config=quick", "--config=configs/none.py", "--workdir=quick"]
    assert locate_config(argv) == argv


def test_config_without_a_file():
    with pytest.raises(UserError, match="'quik' is no file, nor one of cifar10, "):
        locate_config(["train.py", "--config=quik"])


def test_starter_is_the_name_of_the_shipped_run(tmp_path, monkeypatch):
    assert load_run("starter").step == load_run(STARTER).step
    monkeypatch.chdir(tmp_path)
    (tmp_path / "starter").mkdir()
    assert locate_run("starter") == STARTER  # the directory is no run
    (tmp_path / "starter" / "config.json").touch()
    assert str(locate_run("starter")) == "starter"


def test_version_is_one():
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"version: {colorjax.__version__}\n" in citation
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"## [{colorjax.__version__}]" in changelog


def test_readme_block_by_name(tmp_path):
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    block = "<!-- block: {0} -->\n```bash\necho {0}\n```\n"
    other = "```bash\nfalse\n```\n"
    text = f"{other}{block.format('start')}{other}{block.format('test')}{other}"
    (tmp_path / "README.md").write_text(text)
    for arguments, expected in ([], "test"), (["test"], "test"), (["start"], "start"):
        assert run("bash", ".ci/run", *arguments, cwd=tmp_path) == f"{expected}\n"


def test_readme_has_its_blocks():
    readme = (ROOT / "README.md").read_text()
    assert re.findall(r"<!-- block: (\w+) -->\n```bash\n", readme) == ["start", "test"]


@pytest.mark.slow
def test_wheel_trains_and_evaluates(tmp_path):
    """In an environment that has the dependencies, but not the repository."""
    source = copy_clone(tmp_path / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, source]
    run(*pip, *build, cwd=tmp_path, PYTHONWARNINGS="default")
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv", cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    into = ["--python", tmp_path / "venv", "install", "--no-deps", "--no-index"]
    run(*pip, *into, wheel, cwd=tmp_path, PYTHONWARNINGS="default")
    (site,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "photo.png").write_bytes(encode(scene(0, 96)))
    command = tmp_path / "venv" / "bin" / "colorjax"
    for arguments in (
        ["train", "--config", "quick", "--config.steps=3"],
        ["evaluate", "--workdir=runs/quick"],
        ["train", "--config=starter", "--config.init_from=starter", "--config.steps=1"],
        ["colorize", "photo.png", "--run", "starter", "--out", "colored.png"],
    ):
        run(command, *arguments, cwd=empty, PYTHONWARNINGS=WARNINGS)
    for name in "runs/quick/evaluation.html", "runs/starter/grid.png", "colored.png":
        assert (empty / name).exists()


@pytest.mark.slow
def test_readme_start_block(tmp_path):
    clone = copy_clone(tmp_path / "clone")
    run("bash", ".ci/run", "start", cwd=clone, PYTHONWARNINGS="default")
    assert (clone / "colored.png").exists()
    assert (clone / "runs" / "quick" / "grid.png").exists()
