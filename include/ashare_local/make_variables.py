"""The variables of the make targets: where the state is kept, and what was asked for."""

from __future__ import annotations

import os
from pathlib import Path

from ashare_local import PROJECT


def state_dir() -> Path:
    """Where everything is kept: ``ASHARE_STATE_DIR``, by default ``.airflow`` in the project."""
    given = os.environ.get("ASHARE_STATE_DIR")
    return Path(given).expanduser().absolute() if given else PROJECT / ".airflow"


def demo_dir() -> Path:
    """The demo's own state: generated bars never reach the database that holds real ones."""
    return state_dir() / "demo"


def wants_demo() -> bool:
    """Whether ``DEMO=1`` was given."""
    return flag("DEMO")


def flag(name: str) -> bool:
    """Whether ``NAME=1`` was given."""
    return os.environ.get(name, "").strip().lower() not in ("", "0", "no", "false")
