"""For an Airflow that mounts this folder; an installed package registers itself."""

from __future__ import annotations

from importlib.metadata import entry_points

if not entry_points(group="airflow.plugins", name="ashare"):  # Airflow would call the second an import error
    from ashare_airflow.plugin import AsharePlugin

    __all__ = ["AsharePlugin"]
