"""Prints, whenever ``env.sh`` is read, which stack the terminal is set to, and whether that stack runs.

``env.sh`` runs this file by its path, in every terminal and every cron line that reads ``env.sh``. This file has to
start at once, so it uses the standard library only.
"""

from __future__ import annotations

import fcntl
import socket
import sys
from pathlib import Path

SECONDS = 2.0


def is_listening(address: str | tuple[str, int]) -> bool:
    """Whether a program listens on a unix socket or a port of this machine."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(SECONDS)
        try:
            return probe.connect_ex(address) == 0
        except OSError:
            return False


def is_held(state_dir: Path) -> bool:
    """Whether a process holds a state directory's lock. The port is no proof: another stack may listen on it."""
    try:
        with (state_dir / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def describe(state_dir: Path, name: str, command: str, port: int, database_socket: str) -> tuple[str, bool]:
    """One sentence on a stack, and whether its database can be used.

    :param name: the stack's name in the sentence.
    :param command: the command that starts the stack.
    :param port: the port of the stack's API server.
    :param database_socket: the unix socket of the embedded PostgreSQL; empty for the user's own database, which is
        not checked.
    """
    has_database = not database_socket or is_listening(database_socket)
    has_airflow = is_held(state_dir) and is_listening(("127.0.0.1", port))
    advice = f"start it with `{command}`, then read this file again"
    if has_airflow and has_database:
        return f"This terminal is set to {name}: Airflow at http://localhost:{port}.", True
    if has_database:
        whose = "its database runs" if database_socket else "its database is one of your own"
        return f"This terminal is set to {name}, whose Airflow does not run ({whose}): {advice}.", True
    return f"This terminal is set to {name}, which does not run: {advice}.", False


def main(state_dir: str, name: str, command: str, port: str, database_socket: str) -> int:
    """Print the sentence and return the exit code: 0 if the database can be used, otherwise 1."""
    sentence, usable = describe(Path(state_dir), name, command, int(port), database_socket)
    # Standard error: standard output may belong to a command line that reads env.sh first.
    sys.stderr.write(f"{sentence}\n")
    return 0 if usable else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
