"""What `. env.sh` says: which stack this terminal is set to, and whether that stack runs. Standard library only.

Run by its path from ``env.sh``, in every terminal and every line of cron that reads it: it has to start at once.
"""

from __future__ import annotations

import fcntl
import socket
import sys
from pathlib import Path

SECONDS = 2.0


def answers(address: str | tuple[str, int]) -> bool:
    """Whether somebody listens on a unix socket or a port of this machine."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(SECONDS)
        try:
            return probe.connect_ex(address) == 0
        except OSError:
            return False


def is_held(state_dir: Path) -> bool:
    """Whether a process holds a state directory; another stack may have its port meanwhile."""
    try:
        with (state_dir / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def judged(state_dir: Path, name: str, command: str, port: int, database_socket: str) -> tuple[str, bool]:
    """One sentence on a stack, and whether its database can be used.

    :param name: of the stack, as people know it.
    :param command: what starts it.
    :param database_socket: of its embedded PostgreSQL; empty for a database of one's own, which is not looked for.
    """
    has_database = not database_socket or answers(database_socket)
    has_airflow = is_held(state_dir) and answers(("127.0.0.1", port))
    again = f"start it with `{command}`, then read this file again"
    if has_airflow and has_database:
        return f"This terminal is set to {name}: Airflow at http://localhost:{port}.", True
    if has_database:
        whose = "its database runs" if database_socket else "its database is one of your own"
        return f"This terminal is set to {name}, whose Airflow does not run ({whose}): {again}.", True
    return f"This terminal is set to {name}, which does not run: {again}.", False


def main(state_dir: str, name: str, command: str, port: str, database_socket: str) -> int:
    """Say it; the exit code."""
    sentence, usable = judged(Path(state_dir), name, command, int(port), database_socket)
    # Not to standard output, which may be a command's that reads this file first.
    sys.stderr.write(f"{sentence}\n")
    return 0 if usable else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
