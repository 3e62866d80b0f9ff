"""A script of a test, in an Airflow of its own that knows this package's plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]
# What `make test-clock` sets: without these variables the script runs at the machine's time.
CLOCK_VARIABLES = ("LD_PRELOAD", "FAKETIME", "DONT_FAKE_MONOTONIC")


def run_script(home: Path, script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end, with ``home`` as Airflow's directory; an exit code other than 0 fails the test.

    :param variables: added to the environment, which holds the few variables that Airflow needs.
    """
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=home,
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONPATH": os.environ["PYTHONPATH"],
            **{name: os.environ[name] for name in CLOCK_VARIABLES if name in os.environ},
            **variables,
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
