"""Registers the plugin if this folder is mounted. An installed package registers it by an entry point."""

from __future__ import annotations

from importlib.metadata import entry_points

if not entry_points(group="airflow.plugins", name="ashare"):  # Airflow reports a second one as an import error
    from ashare_airflow.plugin import AsharePlugin

    __all__ = ["AsharePlugin"]
