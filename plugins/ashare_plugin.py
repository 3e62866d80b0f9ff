"""For an Airflow that mounts this folder: an installed package registers itself."""

from __future__ import annotations

from ashare_airflow.plugin import AsharePlugin

__all__ = ["AsharePlugin"]
