"""One run at a time in a workdir, from any process and host."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from colorjax.errors import UserError
from colorjax.train import lock


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Heartbeats every tenth of a second, dead after a second."""
    monkeypatch.setattr(lock, "BEAT", 0.1)
    monkeypatch.setattr(lock, "STALE", 1.0)
    monkeypatch.setattr(lock, "SETTLE", 0.05)


def held(path):
    return json.loads((path / "lock.json").read_text())


def write(path, host="elsewhere", process=1, beat=0):
    path.mkdir(exist_ok=True)
    content = dict(host=host, process=process, token="theirs", heartbeat=beat)
    (path / "lock.json").write_text(json.dumps(content))


def no_process():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_held_and_released(tmp_path):
    with lock.Lock(tmp_path / "run") as mine:
        first = held(tmp_path / "run")
        assert (first["host"], first["process"]) == (socket.gethostname(), os.getpid())
        time.sleep(0.5)
        second = held(tmp_path / "run")
        assert second["heartbeat"] > first["heartbeat"]
        mine.check()
    assert not (tmp_path / "run/lock.json").exists()


def test_released_where_the_run_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), lock.Lock(tmp_path):
        _ = 1 / 0
    assert not (tmp_path / "lock.json").exists()


def test_lock_of_a_dead_process_on_this_host_is_taken_over(tmp_path, capsys):
    write(tmp_path, socket.gethostname(), no_process())
    with lock.Lock(tmp_path):
        assert held(tmp_path)["process"] == os.getpid()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("content", [None, b"", b"\xff{", b"[3]", b'{"process": "x"}'])
def test_no_sign_of_life(content, tmp_path, capsys):
    """The file names a silent host, or is no lock."""
    write(tmp_path)
    if content is not None:
        (tmp_path / "lock.json").write_bytes(content)
    begun = time.monotonic()
    with lock.Lock(tmp_path):
        assert time.monotonic() - begun >= lock.STALE
        assert held(tmp_path)["process"] == os.getpid()
    waiting, taking = capsys.readouterr().err.splitlines()
    assert (
        "may be at work here; waiting up to 1 s" in waiting and "taking over" in taking
    )


@pytest.mark.parametrize("host", ["elsewhere", None])
def test_sign_of_life_refuses(host, tmp_path):
    """The heartbeat of another host, or of a live process on this one."""
    host, process = host or socket.gethostname(), os.getppid()
    write(tmp_path, host, process)
    timer = threading.Timer(0.3, write, [tmp_path, host, process, 1])
    timer.start()
    message = f"is in use by process {process} on {host}; .* choose another --workdir"
    with pytest.raises(UserError, match=message):
        lock.Lock(tmp_path).__enter__()
    timer.join()
    assert held(tmp_path)["token"] == "theirs"


def test_of_two_that_start_together_the_later_stays(tmp_path, monkeypatch):
    """Both see no lock and write theirs; the one that reads the other's gives up."""
    monkeypatch.setattr(lock.time, "sleep", lambda _: write(tmp_path))
    with pytest.raises(UserError, match="in use by process 1 on elsewhere"):
        lock.Lock(tmp_path).__enter__()
    assert held(tmp_path)["token"] == "theirs"


def test_taken_over(tmp_path):
    """A process that slept too long notices and leaves the lock to the other."""
    with lock.Lock(tmp_path) as mine:
        write(tmp_path)
        time.sleep(0.5)
        with pytest.raises(UserError, match="in use by process 1 on elsewhere"):
            mine.check()
    assert held(tmp_path)["token"] == "theirs"


def test_full_disk_for_a_while(tmp_path, monkeypatch):
    """Heartbeats continue once there is room."""
    whole = lock.write_bytes

    def full(path, data):
        raise UserError("No space left on device")

    with lock.Lock(tmp_path) as mine:
        monkeypatch.setattr(lock, "write_bytes", full)
        time.sleep(0.3)
        before = held(tmp_path)["heartbeat"]
        monkeypatch.setattr(lock, "write_bytes", whole)
        time.sleep(0.5)
        assert held(tmp_path)["heartbeat"] > before
        mine.check()


@pytest.mark.slow
def test_many_processes_at_once_one_gets_in(tmp_path):
    """They import first, then start together. The one that gets in holds the lock for
    longer than the others wait for its heartbeat."""
    code = (
        "import sys, time\nfrom colorjax.train import lock\n"
        "from colorjax.errors import UserError\nlock.BEAT = 1.0\n"
        "print('ready', flush=True)\nsys.stdin.readline()\n"
        f"try:\n  with lock.Lock({str(tmp_path)!r}) as mine:\n"
        "    time.sleep(5); mine.check()\n"
        "  print('in')\nexcept UserError as error: print('out')\n"
    )
    command, pipe = [sys.executable, "-c", code], subprocess.PIPE
    group = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)
    ]
    assert [process.stdout.readline() for process in group] == 6 * ["ready\n"]
    for process in group:
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate()[0].strip() for process in group]
    assert sorted(outputs) == ["in"] + ["out"] * 5
    assert not (tmp_path / "lock.json").exists()
