"""The variables of the make targets: the state directories and the flags."""

from __future__ import annotations

import os
from pathlib import Path

from ashare_local import PROJECT


def state_dir() -> Path:
    """The stack's state directory: ``ASHARE_STATE_DIR``, by default ``.airflow`` in the project."""
    given = os.environ.get("ASHARE_STATE_DIR")
    return Path(given).expanduser().absolute() if given else PROJECT / ".airflow"


def demo_dir() -> Path:
    """The demo's own state directory: generated bars never reach the database of real bars."""
    return state_dir() / "demo"


def wants_demo() -> bool:
    """Whether ``DEMO=1`` was given."""
    return flag("DEMO")


def flag(name: str) -> bool:
    """Whether ``NAME=1`` was given: any value but 0, no, false and blank."""
    return os.environ.get(name, "").strip().lower() not in ("", "0", "no", "false")
