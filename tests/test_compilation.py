"""How commands compile: the cache in the user's folder, and settings of XLA."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
from helpers import CACHE, ROOT, environment, python

from colorjax.runtime import configure_xla, enable_compilation_cache

CODE = """
import jax
from colorjax.runtime import enable_compilation_cache

enable_compilation_cache()
hits = []
jax.monitoring.register_event_listener(
    lambda event, **_: hits.append(event) if event.endswith("cache_hits") else None
)
print(jax.jit(lambda x: x * 2 + 1)(1.0), len(hits))
"""


def run(cache_home, **changes):
    env = environment(XDG_CACHE_HOME=str(cache_home))
    del env["JAX_COMPILATION_CACHE_DIR"]
    command = [sys.executable, "-c", CODE]
    env |= changes
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def test_a_second_start_compiles_nothing(tmp_path):
    (first, hits), _ = run(tmp_path)
    assert (first, hits) == ("3.0", "0")
    entries = sorted((tmp_path / "colorjax").iterdir())
    assert entries
    (second, hits), _ = run(tmp_path)
    assert second == first and int(hits) > 0
    assert {p.name for p in entries} <= {
        p.name for p in (tmp_path / "colorjax").iterdir()
    }


def test_the_users_own_folder(tmp_path):
    run(tmp_path / "unused", JAX_COMPILATION_CACHE_DIR=str(tmp_path / "own"))
    assert any((tmp_path / "own").iterdir())
    assert not (tmp_path / "unused").exists()


def test_work_goes_on_where_the_cache_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    (result, _), errors = run(tmp_path / "file")
    assert result == "3.0"
    assert "cannot be written" in errors and "JAX_COMPILATION_CACHE_DIR" in errors


def test_commands_in_a_test_leave_the_users_folder_alone():
    enable_compilation_cache()
    assert Path(jax.config.values["jax_compilation_cache_dir"]).parent == CACHE


CONVOLUTION = """
import jax
import jax.numpy as jnp
from colorjax.runtime import configure_xla

configure_xla()
arrays = jnp.ones((4, 64, 32, 32)), jnp.ones((64, 64, 3, 3))
convolve = jax.jit(lambda x, kernel: jax.lax.conv(x, kernel, (1, 1), "SAME"))
text = convolve.lower(*arrays).compile().as_text()
assert "convolution" in text
print("__ynn_fusion" in text)
"""


@pytest.mark.skipif(
    jax.__version_info__ >= (0, 11), reason="the setting was not tried with this JAX"
)
def test_convolutions_are_xlas_own():
    result = python("-c", CONVOLUTION, env={"XLA_FLAGS": ""})
    assert (result.code, result.out) == (0, "False\n"), result.err


def test_a_setting_of_the_user_stays(monkeypatch):
    given = "--xla_cpu_experimental_ynn_fusion_type= --xla_dump_to=x"
    monkeypatch.setenv("XLA_FLAGS", given)
    configure_xla()
    assert os.environ["XLA_FLAGS"] == given
