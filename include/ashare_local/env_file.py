"""``env.sh``: the shell file that gives a stack's environment to a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from ashare_local import PROJECT
from ashare_local.airflow_settings import PYTHON_BIN
from ashare_local.postgres import bin_dir
from ashare_local.stack_connections import CONNECTIONS
from ashare_local.state_directory import write_private

COMMANDS = PROJECT / "include" / "ashare_local" / "bin"

UNSET_FIRST = (
    *("PGPASSWORD", "PGSERVICE", "PGHOSTADDR", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGOPTIONS"),
    *CONNECTIONS,
    "AIRFLOW_CONN_ASHARE_ALERTS",
)
"""Variables that ``env.sh`` unsets first: values for another database or stack would apply to this one."""


def write_env_file(path: Path, env: Mapping[str, str], libpq: Mapping[str, str], check: Sequence[str] = ()) -> None:
    """Write ``env.sh``: Airflow's settings, the ``PATH`` to ``airflow``, ``ashare``, ``psql``, and psql's defaults.

    :param env: the environment of the stack's processes.
    :param libpq: libpq's variables for the ``ashare`` database.
    :param check: a command that ``env.sh`` runs last; its exit code becomes the exit code of reading ``env.sh``.
    """
    chosen = {name: value for name, value in env.items() if name.startswith(("AIRFLOW_", "ASHARE_"))}
    chosen |= {"PYTHONPATH": env["PYTHONPATH"], **libpq}
    lines = ["# . this file, in sh, bash or zsh. It holds secrets.", f"unset {' '.join(UNSET_FIRST)}"]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in sorted(chosen.items())]
    # An installed psql takes precedence over the embedded one.
    first = ":".join(shlex.quote(str(folder)) for folder in (COMMANDS, PYTHON_BIN))
    lines.append(f'export PATH={first}:"$PATH":{shlex.quote(str(bin_dir()))}')
    if check:
        gone = f"echo {shlex.quote(f'{check[0]} is gone, and airflow with it: run `make install` in {PROJECT}.')} >&2"
        lines.append(f"if [ -x {shlex.quote(check[0])} ]; then {shlex.join(check)}; else {gone}; false; fi")
    write_private(path, "\n".join(lines) + "\n")


def read_env_file(path: Path) -> dict[str, str]:
    """The variables that an ``env.sh`` exports, without ``PATH``."""
    words = iter(shlex.split(path.read_text(), comments=True))
    pairs = (next(words).partition("=") for word in words if word == "export")
    return {name: value for name, _, value in pairs if name != "PATH"}
