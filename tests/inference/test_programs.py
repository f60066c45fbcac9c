"""Compiled programs that are stored, and run without tracing."""

import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from colorjax.inference import programs
from colorjax.inference.programs import StoredProgram


@pytest.fixture
def folder(tmp_path):
    """The folder of JAX's compilation cache."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path
    jax.config.update("jax_compilation_cache_dir", before)


ARGUMENT = {"x": np.arange(3, dtype=np.float32)}
DOUBLED = [0, 2, 4]


@pytest.fixture
def traced():
    """A list that grows when `double` is traced."""
    return []


@pytest.fixture
def double(traced):
    """A function that makes the program of a process."""

    def make(name="double"):
        def function(tree, scale):
            traced.append(None)
            return {"y": jnp.sin(tree["x"] * 0) + scale * tree["x"]}, None

        return StoredProgram(jax.jit(function), name)

    return make


def call(program, argument=ARGUMENT):
    result, nothing = program(argument, np.float32(2))
    assert nothing is None
    return np.asarray(result["y"]).tolist()


def stored(folder):
    return sorted(folder.glob("colorjax-*"))


def test_a_later_process_traces_nothing(folder, double, traced):
    assert call(double()) == DOUBLED
    assert call(double()) == DOUBLED
    program = double()
    assert call(program) == DOUBLED == call(program)
    assert len(traced) == 1 and len(stored(folder)) == 1


def test_other_programs_are_others(folder, double, traced):
    program = double()
    call(program)
    call(program, {"x": np.zeros(4, np.float32)})
    call(program, {"x": np.zeros(3, np.float16)})
    call(double("triple"))
    assert len(traced) == 4 and len(stored(folder)) == 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:],
        lambda data: hashlib.sha256(b"no pickle").digest() + b"no pickle",
    ],
)
def test_a_damaged_program_is_made_again(folder, double, traced, damage):
    call(double())
    (path,) = stored(folder)
    path.write_bytes(damage(path.read_bytes()))
    assert call(double()) == DOUBLED == call(double())
    assert len(traced) == 2


def test_a_program_that_does_not_load_is_made_again(folder, double, traced):
    call(double())
    (path,) = stored(folder)
    entry = programs._read(path)
    programs._write(path, entry._replace(parts=(b"", *entry.parts[1:])))
    assert call(double()) == DOUBLED == call(double())
    assert len(traced) == 2


@pytest.mark.parametrize("changed", ["_source", "_machine"])
def test_a_stale_program_is_traced_again(folder, double, traced, monkeypatch, changed):
    """It is compiled again if tracing makes another program, or on another machine."""
    call(double())
    (path,) = stored(folder)
    before = programs._read(path)
    monkeypatch.setattr(programs, "_source", lambda: "another state")
    monkeypatch.setattr(programs, changed, lambda: "another state")
    assert call(double()) == DOUBLED == call(double())
    after = programs._read(path)
    assert len(traced) == 2 and len(stored(folder)) == 1
    assert after.source == "another state"
    assert (after.lowered == before.lowered) == (changed == "_source")


def test_it_depends_on_the_source(monkeypatch, tmp_path):
    source = programs._source.__wrapped__
    monkeypatch.setattr(programs, "SOURCE", tmp_path)
    (tmp_path / "a.py").write_text("1")
    before = source()
    assert source() == before
    (tmp_path / "a.py").write_text("11")
    assert source() != before


def test_nothing_is_stored_without_a_name_or_where_it_cannot_be(
    folder, double, traced, monkeypatch
):
    assert call(double("")) == DOUBLED and stored(folder) == []

    def fail(program):
        raise ValueError("Compilation does not support serialization")

    monkeypatch.setattr(programs.serialize_executable, "serialize", fail)
    assert call(double()) == DOUBLED and stored(folder) == []
