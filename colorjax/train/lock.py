"""A lock that allows one run at a time in a workdir: `Lock`, a file with a heartbeat.

Object stores have no locks, and a killed process leaves its files behind. So the file
names its owner, who rewrites it every `BEAT` seconds. If it does not change for `STALE`
seconds, the owner is dead. Clocks of different hosts are not compared.
"""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from typing import Any

from etils import epath

from colorjax.errors import UserError
from colorjax.files import write_bytes
from colorjax.progress import report

BEAT = 5.0  # seconds between heartbeats
STALE = 60.0  # seconds without a heartbeat after which the owner counts as dead
SETTLE = 0.3  # seconds until two processes that start together have both written


class Lock:
    """The right to write in `workdir`, held inside the context.

    Entering raises `UserError` if another process holds it. The lock of a dead process
    is taken over: at once if it ran on this host, otherwise after `STALE` seconds.
    """

    def __init__(self, workdir: epath.PathLike):
        self.path = epath.Path(workdir) / "lock.json"
        self.token = uuid.uuid4().hex
        self.usurper: dict[str, Any] | None = None
        self._ending = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Lock":
        owner = self._read()
        if owner and not _is_dead(owner):
            self._wait_for_heartbeat(owner)
        self._write()
        time.sleep(SETTLE)
        owner = self._read()
        if owner and owner["token"] != self.token:  # it started at the same moment
            raise self._in_use(owner)
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._heart.join()
        with contextlib.suppress(OSError):
            if (self._read() or {}).get("token") == self.token:
                self.path.unlink()

    def check(self) -> None:
        """Raise `UserError` if another process has taken over the lock."""
        if self.usurper is not None:
            raise self._in_use(self.usurper)

    def _wait_for_heartbeat(self, owner):
        report(
            f"{self.path}: {_describe(owner)} may be at work here; waiting up to "
            f"{STALE:.0f} s for its heartbeat"
        )
        deadline = time.monotonic() + STALE
        while time.monotonic() < deadline:
            time.sleep(BEAT / 10)
            now = self._read()
            if now is None:
                return
            if now != owner:
                raise self._in_use(now)
        report(f"{self.path}: no heartbeat in {STALE:.0f} s; taking over")

    def _in_use(self, owner):
        return UserError(
            f"{self.path.parent} is in use by {_describe(owner)}; wait for it or "
            "end it, or choose another --workdir"
        )

    def _beat(self):
        while not self._ending.wait(BEAT):
            with contextlib.suppress(OSError, UserError):  # try again at the next beat
                owner = self._read()
                if owner and owner["token"] != self.token:
                    self.usurper = owner
                    return
                self._write()

    def _read(self):
        try:
            content = json.loads(self.path.read_text())
        except FileNotFoundError:
            return None
        except ValueError:
            content = None
        unknown = {"host": "?", "process": "?", "token": None}
        return unknown | content if isinstance(content, dict) else unknown

    def _write(self):
        content = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "token": self.token,
            "heartbeat": time.time(),
        }
        # Two processes may write at the same moment, each to a file of its own.
        own = self.path.parent / f".lock-{self.token}.json"
        write_bytes(own, f"{json.dumps(content)}\n".encode())
        own.replace(self.path)


def _describe(owner):
    return f"process {owner['process']} on {owner['host']}"


def _is_dead(owner):
    """Whether the owner is a process of this host that has ended."""
    if owner["host"] != socket.gethostname() or not isinstance(owner["process"], int):
        return False
    if owner["process"] == os.getpid():  # an earlier process had the same number
        return True
    try:
        os.kill(owner["process"], 0)
    except (ProcessLookupError, OverflowError):
        return True
    except OSError:
        return False
    return False
