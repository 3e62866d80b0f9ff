"""A stack's state directory: its lock, its secrets, and the processes that a killed stack has left behind."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from ashare_local import StackError, processes
from ashare_local.components import API_SERVER, EMULATOR, GRACE_PERIODS
from ashare_local.postgres import stop_left_behind


class Secrets(TypedDict):
    """The secrets that are generated once per state directory."""

    fernet_key: str
    jwt_secret: str
    api_secret_key: str
    password: str


@contextmanager
def claim(state_dir: Path) -> Iterator[None]:
    """Hold the lock of the state directory for the block. If the process dies, the kernel releases the lock.

    :raises StackError: another process holds the lock.
    """
    with (state_dir / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackError(already_running(state_dir, holder(state_dir))) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def already_running(state_dir: Path, pid: int | None) -> str:
    """The error message for a state directory that a process holds."""
    return (
        f"{state_dir} is in use by process {pid or 'unknown'}, a `make up`, `make demo` or `make psql`: "
        "use that one, or stop it with `make down`."
    )


def holder(state_dir: Path) -> int | None:
    """The pid of the process that holds the state directory's lock; 0 if unknown, None if no process holds it."""
    try:
        with (state_dir / "lock").open("r") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return int(lock.read() or 0)
    except FileNotFoundError:
        pass
    return None


def stop_left_over(state_dir: Path) -> list[str]:
    """Stop the processes that a killed stack left behind and return their names. The caller holds the lock."""
    left = processes.read_records(state_dir / "processes.json")
    # Stop the API server and the emulator last: tasks need them until they have reported their final states.
    first = [record for record in left if record.name not in (API_SERVER, EMULATOR)]
    last = [record for record in left if record.name in (API_SERVER, EMULATOR)]
    stopped = [record.name for batch in (first, last) for record in processes.stop(batch, GRACE_PERIODS)]
    if stop_left_behind(state_dir / "postgres"):
        stopped.append("PostgreSQL")
    return stopped


def wipe(state_dir: Path) -> None:
    """Delete the contents of a state directory, except its lock file.

    :raises StackError: a stack uses the directory.
    """
    if not state_dir.exists():
        return
    with claim(state_dir):
        stop_left_over(state_dir)
        for entry in state_dir.iterdir():
            # Keep the lock file: a second demo could create and lock a new one meanwhile.
            if entry.name != "lock":
                shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def load_secrets(state_dir: Path) -> Secrets:
    """The secrets of a state directory, generated at the first call."""
    path = state_dir / "secrets.json"
    if not path.exists():
        generated = Secrets(
            fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            jwt_secret=secrets.token_urlsafe(48),
            api_secret_key=secrets.token_urlsafe(32),
            password=secrets.token_urlsafe(9),
        )
        write_private(path, json.dumps(generated))
    loaded: Secrets = json.loads(path.read_text())
    return loaded


def write_private(path: Path, text: str) -> None:
    """Write a file atomically; only its owner can read it."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
