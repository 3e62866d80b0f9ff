"""The provider's metadata and command hook. Every `airflow` process of an installed package calls both."""

from __future__ import annotations

from typing import Any

from ashare import __version__


def get_provider_info() -> dict[str, Any]:
    """The entry point ``apache_airflow_provider``; Airflow validates it against ``provider_info.schema.json``."""
    return {
        "package-name": "ashare-sync",
        "name": "A-share sync",
        "description": "The China A-share market's daily bars, from Baostock into PostgreSQL.",
        "versions": [__version__],
        "cli": ["ashare_airflow.provider.commands"],
    }


def commands() -> list[Any]:
    """Import ``local_settings``, as ``airflow_local_settings.py`` does for a mounted package.

    :returns: no commands. `backfill` goes into Airflow's group `dags`, which a provider's commands cannot extend.
    """
    import ashare_airflow.local_settings  # noqa: F401

    return []
