"""`make doctor`: the doctor's report on the stack, or with ``DEMO=1`` on the demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ashare_local.env_file import read_env_file
from ashare_local.make_variables import demo_dir, state_dir, wants_demo
from ashare_local.stack_connections import CONNECTIONS, caller_environment
from ashare_local.terminal import console, errors, shown


def main() -> int:
    """Run the doctor in the stack's environment and return its exit code."""
    directory = demo_dir() if wants_demo() else state_dir()
    own = caller_environment()
    env_file = directory / "env.sh"
    if env_file.exists():
        # The user's own connections take precedence over those of env.sh, as for `make psql`.
        chosen = {name: own[name] for name in CONNECTIONS if name in own}
        environment = {**own, **read_env_file(env_file), **chosen}
        console.print(f"The {'demo' if wants_demo() else 'stack'} in {shown(directory)}:", markup=False)
    elif "AIRFLOW_HOME" in own and not (Path(own["AIRFLOW_HOME"]).parent / "env.sh").exists():
        environment = own
    else:
        errors.print(f"Nothing is set up here yet: run `make up{' DEMO=1' if wants_demo() else ''}` first.")
        return 1
    sys.stdout.flush()
    command = [sys.executable, "-m", "ashare_airflow", "doctor"]
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
